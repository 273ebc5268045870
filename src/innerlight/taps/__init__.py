"""Taps: read, write and stop inside a forward. Knows torch, nothing of diffusion."""

from __future__ import annotations

from innerlight.taps.heads import Heads
from innerlight.taps.moment import Moment, Rows, at_moment, now
from innerlight.taps.reducers import Columns, Everything, HeadMean, KeyMass, Reducer, TopKeys
from innerlight.taps.sites import ATTENTION, FEATURES, ROLES, Site, Sites
from innerlight.taps.tapping import (
    Read,
    Tap,
    TapError,
    View,
    Write,
    always,
    main_passes,
    planned_bytes,
    tapped,
)

__all__ = [
    "ATTENTION",
    "FEATURES",
    "ROLES",
    "Columns",
    "Everything",
    "HeadMean",
    "Heads",
    "KeyMass",
    "Moment",
    "Read",
    "Reducer",
    "Rows",
    "Site",
    "Sites",
    "Tap",
    "TapError",
    "TopKeys",
    "View",
    "Write",
    "always",
    "at_moment",
    "main_passes",
    "now",
    "planned_bytes",
    "tapped",
]
