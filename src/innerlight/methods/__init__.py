"""The methods: one file each, in a folder named after what they return. The registry is read from the files."""

from __future__ import annotations

from innerlight.methods._registry import FAMILIES, Claim, Method, get, method, names, summaries

__all__ = ["FAMILIES", "Claim", "Method", "get", "method", "names", "summaries"]
