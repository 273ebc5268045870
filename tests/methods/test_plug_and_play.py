"""Plug-and-Play: the card's invariants."""

from __future__ import annotations

import pytest
import torch

from innerlight.backbones import Backbone
from innerlight.methods.editing.plug_and_play import PlugAndPlayConfig, plug_and_play
from innerlight.sampling.loop import step_at
from innerlight.taps import Read, main_passes, tapped

SOURCE, TARGET = ["a cat on the grass", "a dog"], ["a hippopotamus on the grass", "a red dog in the snow"]


def test_without_windows_the_target_is_drawn_plainly(backbone: Backbone, quick, plain):
    config = PlugAndPlayConfig(features=0, self_maps=0)
    found, other = plug_and_play(backbone, SOURCE, TARGET, config, **quick), plain(backbone, SOURCE, TARGET, **quick)
    assert torch.equal(found.latents, other.latents)
    assert torch.equal(found.source_latents, other.source_latents)


@pytest.mark.parametrize(("features", "self_maps"), [(1.0, 0.0), (0.0, 1.0), (0.8, 0.5)])
def test_empty_prompts_change_nothing(small: Backbone, quick, equal, features: float, self_maps: float):
    config = PlugAndPlayConfig(features=features, self_maps=self_maps)
    assert equal(plug_and_play(small, ["", ""], ["", ""], config, **quick))


def test_the_source_is_drawn_plainly_and_the_target_is_not(backbone: Backbone, quick, plain):
    found, other = plug_and_play(backbone, SOURCE, TARGET, **quick), plain(backbone, SOURCE, TARGET, **quick)
    assert torch.equal(found.source_latents, other.source_latents)
    assert not torch.equal(found.latents, other.latents)


def test_the_feature_is_the_second_residual_of_the_first_decoder_stage_with_attention(backbone: Backbone, quick):
    stride = max(site.stride for site in backbone.sites.values() if site.kind == "self" and site.branch == "up")
    site = f"up.s{stride}.1.residual"
    reads = {
        name: Read(site, rows=name, keep="all", when=main_passes)
        for name in ("source.cond", "target.uncond", "target.cond")
    }
    with tapped(backbone.sites, *reads.values()) as seen:
        plug_and_play(backbone, SOURCE[0], TARGET[0], PlugAndPlayConfig(features=0.5, self_maps=0), **quick)
    source, *targets = (seen[read][site] for read in reads.values())
    for target in targets:
        same = [torch.equal(one, other) for one, other in zip(source, target, strict=True)]
        assert same == [step < step_at(0.5, quick["steps"]) for step in range(quick["steps"])]


def test_cells_of_the_decoder_s_first_block_look_where_they_like(backbone: Backbone, quick):
    """In all its layers: XL has several in a block."""
    sites = [site for site in backbone.sites.values() if site.kind == "self" and site.branch == "up"]
    names = [site.name for site in sites]
    reads = [Read(names, "heads", name, when=main_passes) for name in ("source.cond", "target.cond")]
    with tapped(backbone.sites, *reads) as seen:
        plug_and_play(backbone, SOURCE[0], TARGET[0], PlugAndPlayConfig(features=0, self_maps=1.0), **quick)
    alike = [site for site in sites if torch.equal(*(seen[read][site.name].q for read in reads))]
    first = sites[0].path.partition("transformer_blocks")[0]
    assert alike == [site for site in sites if not site.path.startswith(first)]


def test_a_given_picture_needs_its_row_until_the_last_window(small: Backbone, quick, counted):
    drawn = plug_and_play(small, SOURCE[0], TARGET[0], **quick).images[0]
    settings = quick | {"steps": 5}
    with counted(small) as rows:
        found = plug_and_play(small, SOURCE[0], TARGET[0], image=drawn, **settings)
    assert rows[-5:] == [3, 3, 3, 3, 2]  # the source under no prompt, until 0.8 of the steps
    assert found.recipe["sources"] == [""]
    assert found.recipe["inversion"]["method"] == "ddim"


def test_leading_away_grows_from_nothing(small: Backbone, quick):
    """alpha = 1: the first step leads away from the empty prompt alone, later ones from the other prompt."""
    away = PlugAndPlayConfig(away_from="a cat", alpha=1.0)
    one = quick | {"steps": 1}
    found, other = (plug_and_play(small, SOURCE[0], TARGET[0], config, **one) for config in (away, PlugAndPlayConfig()))
    assert torch.allclose(found.latents, other.latents, atol=1e-4)
    found, other = (
        plug_and_play(small, SOURCE[0], TARGET[0], config, **quick) for config in (away, PlugAndPlayConfig())
    )
    assert not torch.allclose(found.latents, other.latents, atol=1e-2)


def test_leading_away_by_the_formula(small: Backbone, quick):
    """alpha = 0: eps = eps_neg + w (eps_c - eps_neg), which is a negative prompt."""
    config = PlugAndPlayConfig(away_from="a cat", alpha=0.0, features=0, self_maps=0)
    found = plug_and_play(small, "", TARGET[0], config, **quick)
    plain = PlugAndPlayConfig(features=0, self_maps=0)
    other = plug_and_play(small, "", TARGET[0], plain, **quick, negative="a cat")
    assert torch.allclose(found.latents, other.latents, atol=1e-3)
