"""Editing: pictures by way of a source, whose layout, look or background they keep."""
