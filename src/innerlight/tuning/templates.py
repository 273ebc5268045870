"""Neutral sentences around a word that is learned: what they say, its vectors need not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from innerlight.prompts import unknown_words

THINGS = (
    "a {}", "the {}", "one {}", "a photo of a {}", "a photo of the {}", "a photo of one {}", "a picture of a {}",
    "a picture of the {}", "a good photo of a {}", "a bright photo of the {}", "a dark photo of the {}",
    "a close photo of the {}", "a cropped photo of a {}", "a clean photo of a {}", "a blurred photo of the {}",
    "a small photo of the {}", "a large photo of a {}", "a nice photo of the {}", "a plain photo of a {}",
    "a drawing of a {}", "a painting of a {}",
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
)  # fmt: skip
EACH_STEP = 4  # different sentences at most, so that one call of the text encoder is a small one


def known_to(templates: Sequence[str], vocabulary: Sequence[str] | None) -> tuple[str, ...]:
    """Those of which a model knows all words; without a vocabulary, all."""
    if vocabulary is None:
        return tuple(templates)
    found = tuple(one for one in templates if not unknown_words(one.replace("{}", " "), vocabulary))
    return found or ("{}",)


def drawn(templates: Sequence[str], count: int, random: np.random.Generator) -> list[str]:
    """A sentence for each of `count` pictures, of a few different ones."""
    few = [templates[k] for k in random.integers(len(templates), size=min(EACH_STEP, count))]
    return [few[k] for k in random.integers(len(few), size=count)]
