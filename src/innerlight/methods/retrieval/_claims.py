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
APART = "_apart"  # ends the name of what is measured among things that differ more
SAYS = {
    "retrieval_map": (
        "pictures that show this thing come before those that show its like (average precision)",
        RANKERS,
    ),
    "r1": ("the first picture shows this thing", RANKERS),
    "miou": ("beside its like, this thing is marked (mean IoU)", MARKERS),
    "biou": ("beside its like, this thing is marked (boundary IoU)", MARKERS),
}
AMONG = {True: "others differ in marks and build alone", False: "others differ in all that two of a class may"}


def claims_of(name: str) -> tuple[Claim, ...]:
    """The claims of one method: all among things that are near, and those of rank also among others."""
    asked = [(measure, True) for measure in SAYS] + [
        (measure, False) for measure in SAYS if SAYS[measure][1] is RANKERS
    ]
    return tuple(
        Claim(
            f"{name}.{measure}{'' if near else APART}", f"{SAYS[measure][0]}; {AMONG[near]}", SAYS[measure][1],
            _score(name, measure, near),
        )
        for measure, near in asked
    )  # fmt: skip


@cache
def _arms(name: str, backbone: Backbone, seed: int, near: bool) -> dict[str, dict[str, float]] | None:
    """A thing in pictures that all show others of its class, by the method, with its word and without, and by its
    rivals.
    """
    asked = hunt(seed, backbone.size[0], near=near)
    if asked is None:
        return None
    gallery = [one.picture for one in asked.gallery]
    found, wordless = (
        get(name).function(backbone, asked.reference.picture, gallery, mask=asked.mask, word=word, seed=seed)
        for word in (asked.category, "")
    )
    own = {"method": attempt_of(found, asked), "without the word": attempt_of(wordless, asked)}
    return {arm: one.measures(asked) for arm, one in own.items()} | _rivals(backbone, seed, near)


@cache
def _rivals(backbone: Backbone, seed: int, near: bool) -> dict[str, dict[str, float]]:
    """The same for whom every method is compared with, once for all methods."""
    asked = hunt(seed, backbone.size[0], near=near)
    assert asked is not None
    return {arm: own.measures(asked) for arm, own in hunted(backbone, asked, seed).items()}


def _score(name: str, measure: str, near: bool) -> Callable[[Backbone, int], dict[str, float] | None]:
    def score(backbone: Backbone, seed: int) -> dict[str, float] | None:
        arms = _arms(name, backbone, seed, near)
        return {arm: own[measure] for arm, own in arms.items() if measure in own} if arms else None

    return score
