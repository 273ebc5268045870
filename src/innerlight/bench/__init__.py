"""Data sets, protocols, claims and evidence: what the library promises, measured."""
