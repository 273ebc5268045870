"""Style mixing: of two prompts all or nothing is the one or the other to the bit, and turned round it is the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from innerlight.backbones import Backbone, blank, load
from innerlight.methods import get
from innerlight.methods.combining import combine
from innerlight.methods.editing.style_mixing import StyleMixingConfig, inner_places, mixed_word, style_mixing
from innerlight.prompts import LearnedWord
from innerlight.sampling.editing import Control, Part, edit
from innerlight.tuning.lessons import begun
from innerlight.types import InputError

FIRST, SECOND = "a red cat", "a blue dog on the grass"
QUICK: dict[str, Any] = {"steps": 2, "size": (64, 64), "seed": 3}


def mixed(backbone: Backbone, source: str = FIRST, target: str = SECOND, **settings: Any) -> torch.Tensor:
    return style_mixing(backbone, source, target, StyleMixingConfig(**settings), **QUICK).latents


def drawn(backbone: Backbone, prompt: str, source: str = FIRST) -> torch.Tensor:
    """The prompt beside a source, with nothing between them: rows in a batch of another size are rounded otherwise."""
    return edit(backbone, source, prompt, [Part("plain", {}, lambda case: Control())], **QUICK).latents


def knowing(backbone: Backbone) -> Backbone:
    """Two words with vectors of their own at each place."""
    generator = torch.Generator().manual_seed(2)
    words = []
    for name, like in (("<shape>", "car"), ("<look>", "car")):
        rows = [one.expand(len(backbone.places), -1, -1) for one in begun(backbone, like)]
        words.append(LearnedWord(name, tuple(one + 0.02 * torch.randn(one.shape, generator=generator) for one in rows)))
    return backbone.knowing(*words)


def test_no_place_is_the_target_and_all_places_the_source(backbone: Backbone):
    last = len(backbone.places) - 1
    assert torch.equal(mixed(backbone, first=1, last=0), drawn(backbone, SECOND))
    assert torch.equal(mixed(backbone, first=0, last=last), drawn(backbone, FIRST))
    assert not torch.equal(mixed(backbone), drawn(backbone, SECOND))
    assert not torch.equal(mixed(backbone), drawn(backbone, FIRST))


def test_of_learned_words_too(backbone: Backbone):
    known, prompts = knowing(backbone), ("a <shape>", "a <look>")
    last = len(backbone.places) - 1
    assert torch.equal(mixed(known, *prompts, first=1, last=0), drawn(known, "a <look>", "a <shape>"))
    assert torch.equal(mixed(known, *prompts, first=0, last=last), drawn(known, "a <shape>", "a <shape>"))


@pytest.mark.parametrize("settings", [{}, {"share": 0.25}, {"first": 0, "last": 2, "outside": True}])
def test_a_mixed_word_is_drawn_as_both_prompts_are_mixed(backbone: Backbone, settings: dict[str, Any]):
    known, config = knowing(backbone), StyleMixingConfig(**settings)
    shape, look = known.learned
    word = mixed_word(backbone, shape, look, "<both>", config)
    whole = backbone.embed(FIRST).pooled is not None  # a state of the prompt as a whole, which has no places
    if "share" not in settings and not whole:  # states of a word between two are not between their states
        alone = drawn(known.knowing(word), "a <both>", "a <shape>")
        torch.testing.assert_close(alone, mixed(known, "a <shape>", "a <look>", **settings), atol=1e-4, rtol=0)
    for place, inner in enumerate(inner_places(backbone, config)):
        for own, first, second in zip(word.vectors, shape.vectors, look.vectors, strict=True):
            between = second[place] + settings.get("share", 1.0) * inner * (first[place] - second[place])
            torch.testing.assert_close(own[place], between)


def test_words_that_cannot_be_mixed_are_refused(small: Backbone):
    shape, look = knowing(small).learned
    twice = LearnedWord("<long>", tuple(one.repeat(1, 2, 1) for one in look.vectors))
    with pytest.raises(InputError, match="<long> 2; expected as many"):
        mixed_word(small, shape, twice, "<both>")
    assert mixed_word(knowing(small), shape, look, "<both>").tokens == 1, "also where both are known"
    with pytest.raises(InputError, match="share: expected 0 to 1"):
        mixed_word(small, shape, look, "<both>", StyleMixingConfig(share=2.0))
    with pytest.raises(InputError, match="as a whole"):
        mixed_word(small, shape, look, "<both>", StyleMixingConfig(positions="pads"))
    with pytest.raises(InputError, match="another kind of model"):
        mixed_word(small, shape, LearnedWord("<wide>", (torch.zeros(1, 7),)), "<both>")


def test_turned_round_with_the_other_places_it_is_the_same(backbone: Backbone):
    one = mixed(backbone, FIRST, SECOND, first=3, last=8)
    other = mixed(backbone, SECOND, FIRST, first=3, last=8, outside=True)
    assert torch.equal(one, other)


def test_of_one_prompt_it_is_that_prompt_whatever_the_places(small: Backbone):
    for first in (0, 4):
        assert torch.equal(mixed(small, FIRST, FIRST, first=first, last=6), drawn(small, FIRST))


def test_shares_and_positions_are_between_the_two(small: Backbone):
    whole = mixed(small)
    assert torch.equal(mixed(small, share=0.0), drawn(small, SECOND))
    found = [mixed(small, share=0.5), mixed(small, positions="words"), mixed(small, positions="pads")]
    for one in (*found, whole):
        assert sum(torch.equal(one, other) for other in (*found, whole)) == 1


def test_the_two_lowest_resolutions_read_the_source():
    places = inner_places(load(), StyleMixingConfig())
    assert places == [False, *[True] * 10, False, False]


def test_where_there_are_two_resolutions_alone_the_lowest_does(backbone: Backbone):
    strides = [site.grid_stride for site in backbone.places]
    inner = inner_places(backbone, StyleMixingConfig())
    assert {stride for stride, own in zip(strides, inner, strict=True) if own} <= set(sorted(set(strides))[-2:])
    assert not all(inner)
    assert inner == [not own for own in inner_places(backbone, StyleMixingConfig(outside=True))]


def test_it_goes_together_with_other_methods_but_not_with_one_that_reads_the_prompt_anew(small: Backbone):
    swap = get("prompt_to_prompt")
    made = combine(small, FIRST, SECOND, [StyleMixingConfig(), swap.config(cross=0, self_maps=0.5)], **QUICK)
    assert list(made.recipe["parts"]) == ["style_mixing", "prompt_to_prompt"]
    part = get("style_mixing").part(StyleMixingConfig())
    twin = Part("twin", {}, lambda case: Control(reading=lambda context: context))
    with pytest.raises(InputError, match="style_mixing and twin both change what is read"):
        edit(small, FIRST, SECOND, [part, twin], **QUICK)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"positions": "some"}, "all, words, pads"),
        ({"share": 1.5}, "0 to 1"),
        ({"first": 99}, "places 0 to"),
        ({"last": 99}, "places 0 to"),
    ],
)
def test_bad_settings_are_refused(small: Backbone, settings: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        mixed(small, **settings)


def test_on_stable_diffusion_1_the_source_is_read_at_4_to_9():
    """16 x 16 and 8 x 8 of its sixteen places, in the order in which they run."""
    inner = inner_places(blank("sd15", "real", device="meta"), StyleMixingConfig())
    assert [number for number, own in enumerate(inner) if own] == [4, 5, 6, 7, 8, 9]
    assert len(inner) == 16
