"""Values of raw counts that add up over pictures, field by field."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from innerlight.types import InputError


@dataclass(frozen=True, eq=False)
class Sums:
    """Base of values whose fields are all arrays of counts."""

    def __add__(self, other: Self) -> Self:
        pairs = [(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)]
        for one, two in pairs:
            if np.shape(one) != np.shape(two):
                raise InputError(f"counts of {np.shape(one)} and {np.shape(two)} do not add up; count the same classes")
        return type(self)(*(one + two for one, two in pairs))

    def __radd__(self, start: int) -> Self:
        """So that `sum` of many works, which starts at 0."""
        if start:
            raise InputError(f"expected counts to add, got {start!r}")
        return self
