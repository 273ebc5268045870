"""What all tests share: hypothesis draws the same examples every time, and is not hurried."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("innerlight", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("innerlight")
