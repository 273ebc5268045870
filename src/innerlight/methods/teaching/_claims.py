"""What the methods of teaching claim, each of itself: a thing without a word is drawn again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from innerlight.backbones import Backbone
from innerlight.methods._registry import Claim

Arms = Callable[[Backbone, int], Mapping[str, Mapping[str, float]]]  # of a seed, by arm and by measure
CAPTION = "the best caption"
SAYS = {
    "identity": "a thing of a colour that no word names is drawn again",
    "likeness": "what is drawn is more like that very thing, to the judge of individuals",
}


def keeping(name: str, rivals: tuple[str, ...], arms: Arms, when: str = "") -> tuple[Claim, ...]:
    """That a method keeps a thing, by what is seen of it and by how like it is; `when` ends what is said."""
    return tuple(
        Claim(f"{name}.{own}", f"{says}{when}", rivals, measure(own, arms), scenes=20) for own, says in SAYS.items()
    )


def measure(name: str, arms: Arms) -> Callable[[Backbone, int], dict[str, float]]:
    """The task that takes one measure of arms."""
    return lambda backbone, seed: {arm: own[name] for arm, own in arms(backbone, seed).items()}
