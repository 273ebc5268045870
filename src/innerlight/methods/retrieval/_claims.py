"""What the methods of retrieval claim, each of itself: a thing among its like, on the same hunts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from innerlight.backbones import Backbone
from innerlight.embedded.recognition import hunt
from innerlight.embedded.rivals import attempt_of, hunted
from innerlight.methods._registry import Claim, get

RANKERS = ("features' mean", "colours", "the word alone", "at random")
MARKERS = ("features' mean", "the word alone", "colours", "the mask of the reference")
SAYS = {
    "retrieval_map": (
        "pictures that show this thing come before those that show its like (average precision)",
        RANKERS,
    ),
    "r1": ("the first picture shows this thing", RANKERS),
    "miou": ("beside its like, this thing is marked (mean IoU)", MARKERS),
    "biou": ("beside its like, this thing is marked (boundary IoU)", MARKERS),
}


def claims_of(name: str) -> tuple[Claim, ...]:
    """The claims of one method."""
    return tuple(
        Claim(f"{name}.{measure}", says, rivals, _score(name, measure)) for measure, (says, rivals) in SAYS.items()
    )


@cache
def _arms(name: str, backbone: Backbone, seed: int) -> dict[str, dict[str, float]] | None:
    """A thing in pictures that all show others of its class, by the method and by its rivals."""
    asked = hunt(seed, backbone.size[0])
    if asked is None:
        return None
    gallery = [one.picture for one in asked.gallery]
    found = get(name).function(
        backbone, asked.reference.picture, gallery, mask=asked.mask, word=asked.category, seed=seed
    )
    arms = {"method": attempt_of(found, asked), **hunted(backbone, asked, seed)}
    return {arm: own.measures(asked) for arm, own in arms.items()}


def _score(name: str, measure: str) -> Callable[[Backbone, int], dict[str, float] | None]:
    def score(backbone: Backbone, seed: int) -> dict[str, float] | None:
        arms = _arms(name, backbone, seed)
        return {arm: own[measure] for arm, own in arms.items() if measure in own} if arms else None

    return score
