"""What boxes say of one another: the test a relation must pass before a caption may name it."""

from __future__ import annotations

from collections.abc import Callable

from innerlight.world.shapes import Bounds

PLANAR = ("left of", "right of", "above", "below")  # follow from the boxes alone
STRUCTURAL = ("on", "in", "behind", "holding")  # are built into the scene
NAMED_RELATIONS = PLANAR + STRUCTURAL
UNNAMED_RELATIONS = ("headstand",)  # on top of the other, upside down


def holds(relation: str, subject: Bounds, other: Bounds) -> bool:
    """Whether the boxes (left, top, right, bottom) allow `relation`; depth order is not looked at."""
    return _RULES[relation](subject, other)


def overlap(one: Bounds, other: Bounds) -> float:
    """Shared area, as a share of the smaller box."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return max(width, 0.0) * max(height, 0.0) / smaller


def _centre(box: Bounds) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _left_of(one: Bounds, other: Bounds) -> bool:
    """Clearly to the left: hardly sharing columns, and more to the side than up or down."""
    (x0, y0), (x1, y1) = _centre(one), _centre(other)
    shared = min(one[2], other[2]) - max(one[0], other[0])
    return x1 - x0 > abs(y1 - y0) and shared < 0.3 * min(one[2] - one[0], other[2] - other[0])


def _above(one: Bounds, other: Bounds) -> bool:
    """Clearly above: hardly sharing rows, and more up than to the side."""
    return _left_of(_turned(one), _turned(other))


def _turned(box: Bounds) -> Bounds:
    return box[1], box[0], box[3], box[2]


def _stands_on(one: Bounds, other: Bounds) -> bool:
    """Its foot lies over the other, above the other's lower third; it rises above it."""
    x, _ = _centre(one)
    height = other[3] - other[1]
    return other[0] < x < other[2] and other[1] - 0.1 * height < one[3] < other[3] - 0.3 * height and one[1] < other[1]


def _looks_out_of(one: Bounds, other: Bounds) -> bool:
    x, _ = _centre(one)
    return other[0] < x < other[2] and other[1] < one[3] < other[3]


def _meets(one: Bounds, other: Bounds) -> bool:
    return overlap(one, other) > 0


_RULES: dict[str, Callable[[Bounds, Bounds], bool]] = {
    "left of": _left_of,
    "right of": lambda one, other: _left_of(other, one),
    "above": _above,
    "below": lambda one, other: _above(other, one),
    "on": _stands_on,
    "headstand": _stands_on,
    "in": _looks_out_of,
    "behind": _meets,
    "holding": _meets,
}
