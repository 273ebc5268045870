"""Prompt-to-Prompt: the card's invariants, and its formula written a second time."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from innerlight.backbones import Backbone
from innerlight.methods.editing.prompt_to_prompt import PromptToPromptConfig, part, prompt_to_prompt
from innerlight.prompts import refined_words, tokens_of_word
from innerlight.sampling.editing import edit
from innerlight.taps import Everything, Read, main_passes, tapped
from innerlight.types import InputError, NotFoundError

SOURCE, TARGET = ["a cat on the grass", "a dog"], ["a hippopotamus on the grass", "a red dog in the snow"]
BLEND = {"blend": ("cat", "dog", "hippopotamus"), "blend_start": 0.0}


@pytest.mark.parametrize(("cross", "self_maps"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (0.0, 1.0)])
def test_identical_prompts_change_nothing(small: Backbone, quick, equal, cross: float, self_maps: float):
    for more in ({}, BLEND, {"weights": {"a": 1.0}}):
        config = PromptToPromptConfig(cross=cross, self_maps=self_maps, **more)
        assert equal(prompt_to_prompt(small, SOURCE, SOURCE, config, **quick))


def test_without_windows_the_target_is_drawn_plainly(backbone: Backbone, quick, plain):
    config = PromptToPromptConfig(cross=0, self_maps=0)
    found, other = prompt_to_prompt(backbone, SOURCE, TARGET, config, **quick), plain(backbone, SOURCE, TARGET, **quick)
    assert torch.equal(found.latents, other.latents)
    assert torch.equal(found.source_latents, other.source_latents)


def test_the_source_is_drawn_plainly_and_the_target_is_not(backbone: Backbone, quick, plain):
    found, other = prompt_to_prompt(backbone, SOURCE, TARGET, **quick), plain(backbone, SOURCE, TARGET, **quick)
    assert torch.equal(found.source_latents, other.source_latents)
    assert not torch.equal(found.latents, other.latents)
    assert not torch.equal(found.latents, found.source_latents)


def test_weights_of_one_are_no_weights(small: Backbone, quick):
    weighted = PromptToPromptConfig(weights={"hippopotamus": 1.0})
    found = prompt_to_prompt(small, SOURCE[0], TARGET[0], weighted, **quick)
    assert torch.equal(found.latents, prompt_to_prompt(small, SOURCE[0], TARGET[0], **quick).latents)


def test_a_weight_alone_changes_the_picture(small: Backbone, quick):
    config = PromptToPromptConfig(weights={"cat": 3.0}, cross=1)
    found = prompt_to_prompt(small, SOURCE[0], SOURCE[0], config, **quick)
    assert not torch.equal(found.latents, found.source_latents)


def test_blend_with_an_empty_and_with_a_full_mask(small: Backbone, quick, equal):
    none = PromptToPromptConfig(**BLEND, threshold=1.0)
    found = prompt_to_prompt(small, SOURCE, TARGET, none, **quick)
    assert equal(found)
    assert not any(mask.any() for mask in found.masks["prompt_to_prompt"])
    every = prompt_to_prompt(small, SOURCE, TARGET, PromptToPromptConfig(**BLEND, threshold=-1.0), **quick)
    assert all(mask.all() for mask in every.masks["prompt_to_prompt"])
    assert torch.equal(every.latents, prompt_to_prompt(small, SOURCE, TARGET, **quick).latents)


def test_outside_the_blend_the_target_is_the_source(small: Backbone, quick):
    config = PromptToPromptConfig(**BLEND, threshold=0.9999)
    found = prompt_to_prompt(small, SOURCE, TARGET, config, **quick)
    for image, mask in enumerate(found.masks["prompt_to_prompt"]):
        inside = torch.from_numpy(mask[small.shrink // 2 :: small.shrink, small.shrink // 2 :: small.shrink])
        assert 0 < inside.float().mean() < 1
        same = (found.latents[image] == found.source_latents[image]).all(0)
        assert same[~inside].all()
        assert not same[inside].all()


def test_words_to_subtract_are_left_alone(small: Backbone, quick, equal):
    config = PromptToPromptConfig(subtract=("a",), threshold=-1.0, blend_start=0.0)
    assert equal(prompt_to_prompt(small, SOURCE, TARGET, config, **quick))


def maps_of(backbone: Backbone, config: PromptToPromptConfig, **settings: Any) -> dict[str, torch.Tensor]:
    """What the rows see at the first text attention of the first step: (heads, cells, tokens) by row."""
    sites = [site.name for site in backbone.sites.values() if site.kind == "text"][:1]
    reads = {
        name: Read(sites, "probabilities", name, reduce=Everything(), keep="all", when=main_passes)
        for name in ("source.cond", "target.cond")
    }
    with tapped(backbone.sites, *reads.values()) as seen:
        edit(backbone, "a cat on the grass", "a red cat on the grass", [part(config)], **settings)
    return {name: seen[read][sites[0]][0][0] for name, read in reads.items()}


def test_refined_maps_by_the_formula(small: Backbone, quick):
    """A'[:, j] = a_j A_s[:, m(j)] + (1 - a_j) A_t[:, j], times weights."""
    tokens = [small.embed(text).tokens[0][0] for text in ("a cat on the grass", "a red cat on the grass")]
    alignment = refined_words(*tokens)
    free = maps_of(small, PromptToPromptConfig(cross=0, self_maps=0), **quick)
    found = maps_of(small, PromptToPromptConfig(cross=1, weights={"red": 2.0}), **quick)
    assert torch.equal(found["source.cond"], free["source.cond"])
    expected = free["target.cond"].clone()
    for j in range(77):
        if alignment.kept[j]:
            expected[..., j] = free["source.cond"][..., int(alignment.mapper[:, j].argmax())]
    expected[..., list(tokens_of_word(tokens[1], "red"))] *= 2
    assert torch.allclose(found["target.cond"], expected, atol=1e-6)
    summed = maps_of(small, PromptToPromptConfig(cross=1, weights={"red": 2.0}, renormalise=True), **quick)
    assert torch.allclose(summed["target.cond"].sum(-1), torch.ones(()), atol=1e-5)


def test_words_may_be_let_go_earlier_than_others(small: Backbone, quick):
    tokens = small.embed("a red cat on the grass").tokens[0][0]
    cat = list(tokens_of_word(tokens, "cat"))
    config = PromptToPromptConfig(cross=1, word_cross={"cat": 0.0}, self_maps=0)
    found, free = (maps_of(small, one, **quick) for one in (config, PromptToPromptConfig(cross=0, self_maps=0)))
    assert torch.equal(found["target.cond"][..., cat], free["target.cond"][..., cat])
    grass = list(tokens_of_word(tokens, "grass"))
    assert not torch.allclose(found["target.cond"][..., grass], free["target.cond"][..., grass], atol=1e-6)


def test_replaced_maps_sum_to_one(small: Backbone, quick):
    read = Read("*.text", "probabilities", "target.cond", reduce=Everything(), keep="all", when=main_passes)
    with tapped(small.sites, read) as seen:
        prompt_to_prompt(small, SOURCE[0], TARGET[0], PromptToPromptConfig(cross=1), **quick)
    for maps in seen[read].values():
        assert all(torch.allclose(one.sum(-1), torch.ones(()), atol=1e-5) for one in maps)


def test_a_picture_is_replayed_and_edited(backbone: Backbone, quick, counted):
    drawn = prompt_to_prompt(backbone, SOURCE[0], SOURCE[0], **quick).images[0]
    settings = {key: quick[key] for key in ("steps", "guidance")} | {"size": (64, 96)}
    with counted(backbone) as rows:
        found = prompt_to_prompt(backbone, SOURCE[0], TARGET[0], image=drawn, **settings)
    # inverted in 4, brought back in 4; beside it 3 rows while the source is looked at, then 2
    assert rows[-4:] == [3, 3, 3, 2]
    assert found.recipe["inversion"]["method"] == "negative_prompt"
    assert found.sources[0].size == found.images[0].size == (96, 64)


def test_words_that_are_not_there_are_met_with_those_that_are(small: Backbone, quick):
    with pytest.raises(NotFoundError, match="nearest"):
        prompt_to_prompt(small, "a cat", "a dog", PromptToPromptConfig(weights={"cat": 2.0}), **quick)
    with pytest.raises(NotFoundError, match="none of the words 'cat'"):
        prompt_to_prompt(small, "a cat", "a dog", PromptToPromptConfig(blend=("cat",)), **quick)
    with pytest.raises(InputError, match="replace words"):
        prompt_to_prompt(small, "a cat", "a red cat", PromptToPromptConfig(align="replace"), **quick)
    with pytest.raises(InputError, match="align"):
        prompt_to_prompt(small, "a cat", "a dog", PromptToPromptConfig(align="guess"), **quick)  # type: ignore[arg-type]
