"""Noise levels and the step loop."""
