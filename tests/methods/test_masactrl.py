"""MasaCtrl: the card's invariants, plain and mask-aware."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from innerlight.backbones import Backbone, blank
from innerlight.methods.editing.masactrl import MasaCtrlConfig, masactrl
from innerlight.taps import Read, main_passes, tapped
from innerlight.types import InputError

SOURCE, TARGET = ["a cat on the grass", "a dog"], ["a running cat on the grass", "a sitting dog"]
EVERYWHERE = np.ones((64, 96), dtype=bool)


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return float((one - other).abs().max()) <= 1e-3 * float(other.abs().max())


def test_identical_prompts_change_nothing(backbone: Backbone, quick, equal):
    assert equal(masactrl(backbone, SOURCE, SOURCE, **quick))


def test_without_a_window_or_layers_the_target_is_drawn_plainly(backbone: Backbone, quick, plain):
    other = plain(backbone, SOURCE, TARGET, **quick)
    found = masactrl(backbone, SOURCE, TARGET, MasaCtrlConfig(start=1.0), **quick)
    assert torch.equal(found.latents, other.latents)
    assert torch.equal(found.source_latents, other.source_latents)
    with pytest.raises(InputError, match="no self-attention in its decoder at stride 0"):
        masactrl(backbone, SOURCE, TARGET, MasaCtrlConfig(stride=0), **quick)


def test_the_source_is_drawn_plainly_and_the_target_is_not(backbone: Backbone, quick, plain):
    found, other = masactrl(backbone, SOURCE, TARGET, **quick), plain(backbone, SOURCE, TARGET, **quick)
    assert torch.equal(found.source_latents, other.source_latents)
    assert not torch.equal(found.latents, other.latents)


def test_each_half_asks_its_own(small: Backbone, quick):
    site = small.sites.select("appearance.self")[0].name
    reads = {
        name: Read(site, "heads", name, keep="all", when=main_passes)
        for name in ("source.uncond", "source.cond", "target.uncond", "target.cond")
    }
    with tapped(small.sites, *reads.values()) as seen:
        masactrl(small, SOURCE, TARGET, MasaCtrlConfig(start=0.25), **quick)
    found = {name: seen[read][site] for name, read in reads.items()}
    for step in range(quick["steps"]):
        for half in ("uncond", "cond"):
            source, target = found[f"source.{half}"][step], found[f"target.{half}"][step]
            same = torch.equal(source.k, target.k) and torch.equal(source.v, target.v)
            # before it begins the halves without a prompt are one and the same
            assert same == (step >= 1 or half == "uncond")
            assert torch.equal(source.q, target.q) == (step == 0 and half == "uncond")


def test_full_masks_are_no_masks_and_empty_ones_fall_back(small: Backbone, quick):
    plain = masactrl(small, SOURCE, TARGET, **quick)
    for masks in ((EVERYWHERE, EVERYWHERE), (~EVERYWHERE, ~EVERYWHERE), (~EVERYWHERE, EVERYWHERE)):
        assert close(masactrl(small, SOURCE, TARGET, masks=masks, **quick).latents, plain.latents)


def test_masks_keep_inside_and_outside_apart(small: Backbone, quick):
    left = EVERYWHERE.copy()
    left[:, 48:] = False
    plain, found = (
        masactrl(small, SOURCE, TARGET, **quick),
        masactrl(small, SOURCE, TARGET, masks=(left, left), **quick),
    )
    assert not close(found.latents, plain.latents)
    assert all(np.array_equal(mask, left) for mask in found.masks["masactrl"])


def test_masks_of_words(backbone: Backbone, quick):
    config = MasaCtrlConfig(source_words=("cat",), target_words=("cat",), threshold=0.5)
    found = masactrl(backbone, SOURCE[0], TARGET[0], config, **quick)
    assert 0 < found.masks["masactrl"][0].mean() < 1
    assert not torch.equal(found.latents, masactrl(backbone, SOURCE[0], TARGET[0], **quick).latents)
    nothing = MasaCtrlConfig(source_words=("cat",), target_words=("cat",), threshold=-1.0)
    assert close(
        masactrl(backbone, SOURCE[0], TARGET[0], nothing, **quick).latents,
        masactrl(backbone, SOURCE[0], TARGET[0], **quick).latents,
    )


def test_a_given_picture_needs_one_row(small: Backbone, quick, counted):
    drawn = masactrl(small, SOURCE[0], TARGET[0], **quick).images[0]
    with counted(small) as rows:
        masactrl(small, SOURCE[0], TARGET[0], image=drawn, **quick)
    assert rows[-4:] == [3, 3, 3, 3]
    words = MasaCtrlConfig(source_words=("cat",), target_words=("cat",))
    with counted(small) as rows:
        masactrl(small, SOURCE[0], TARGET[0], words, image=drawn, **quick)
    assert rows[-4:] == [4, 4, 4, 4]  # under a prompt its two halves differ


def test_a_given_picture_keeps_both_halves_where_they_differ(small: Backbone, quick, counted):
    """Under no prompt too: where "no prompt" is a negative one, or all zeros, or the inversion's own."""
    xl, given = blank("sdxl"), np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    own = {"inversion": "negative_prompt"}
    for model, settings in ((small, {"negative": "a bird"}), (xl, {}), (small, own)):
        with counted(model) as rows:
            masactrl(model, "", TARGET[0], image=given, **settings, **quick)
        assert rows[-4:] == [4, 4, 4, 4]


def test_half_a_mask_is_refused(small: Backbone, quick):
    with pytest.raises(InputError, match="both"):
        masactrl(small, SOURCE, TARGET, MasaCtrlConfig(source_words=("cat",)), **quick)
    words = MasaCtrlConfig(source_words=("cat",), target_words=("cat",))
    with pytest.raises(InputError, match="leave source_words"):
        masactrl(small, SOURCE, TARGET, words, masks=(EVERYWHERE, EVERYWHERE), **quick)
    for masks in ((EVERYWHERE, None), (EVERYWHERE,)):
        with pytest.raises(InputError, match="masks: expected two"):
            masactrl(small, SOURCE, TARGET, masks=masks, **quick)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected bool"):
        masactrl(small, SOURCE, TARGET, masks=(EVERYWHERE, EVERYWHERE.astype(float)), **quick)  # type: ignore[arg-type]
