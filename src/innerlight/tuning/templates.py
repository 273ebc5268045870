"""Neutral sentences around a word that is learned: what they say, its vectors need not, so that they say nothing of
size, colour, pattern or style.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from innerlight.prompts import unknown_words

THINGS = (
    "a {}", "the {}", "one {}", "a photo of a {}", "a photo of the {}", "a photo of one {}", "a picture of a {}",
    "a picture of the {}", "a good photo of a {}", "a bright photo of the {}", "a dark photo of the {}",
    "a close photo of the {}", "a cropped photo of a {}", "a clean photo of a {}", "a blurred photo of the {}",
    "a nice photo of the {}",
)  # fmt: skip
STYLES = (
    "a picture in the style of {}", "a painting in the style of {}", "a drawing in the style of {}",
    "a photo in the style of {}", "a small painting in the style of {}", "a large painting in the style of {}",
    "a dark painting in the style of {}", "a bright painting in the style of {}", "a sketch in the style of {}",
    "a detail of a painting in the style of {}", "the style of {}",
)  # fmt: skip
PAIRS = (
    "a {} with {}", "the {} with {}", "a photo of a {} with {}", "a photo of the {} with {}",
    "a picture of a {} with {}", "a close photo of the {} with {}", "a good photo of a {} with {}",
    "a {} and {}", "the {} and {}", "a photo of a {} and {}", "a photo of the {} and {}",
)  # fmt: skip
STYLE_PAIRS = (
    "a picture in the style of {} with {}", "a painting in the style of {} with {}",
    "a drawing in the style of {} with {}", "a photo in the style of {} with {}", "a sketch in the style of {} with {}",
    "a picture in the style of {} and {}", "a painting in the style of {} and {}", "the style of {} with {}",
)  # fmt: skip
EACH_STEP = 4  # different sentences at most, so that one call of the text encoder is a small one


def known_to(templates: Sequence[str], vocabulary: Sequence[str] | None) -> tuple[str, ...]:
    """Those of which a model knows all words, else the bare places alone; without a vocabulary, all."""
    if vocabulary is None:
        return tuple(templates)
    found = tuple(one for one in templates if not unknown_words(one.replace("{}", " "), vocabulary))
    return found or (" ".join(["{}"] * templates[0].count("{}")),)


def drawn(templates: Sequence[str], count: int, random: np.random.Generator, most: int = EACH_STEP) -> list[str]:
    """A sentence for each of `count` pictures, of `most` different ones at most."""
    few = [templates[k] for k in random.integers(len(templates), size=min(most, count))]
    return [few[k] for k in random.integers(len(few), size=count)]
