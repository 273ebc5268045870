"""EmerDiff: the card's invariants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from innerlight.backbones import Backbone
from innerlight.files import read_picture
from innerlight.methods.segmentation import emerdiff as module
from innerlight.methods.segmentation.emerdiff import EmerdiffConfig, coarse_masks, differences, emerdiff, start_of
from innerlight.sampling import CancelToken, Run, invert, reconstruct
from innerlight.taps import Read, tapped
from innerlight.types import CancelledError, InputError
from innerlight.world import render, sample

SIZE = (64, 96)
QUICK = EmerdiffConfig(steps=4, timestep=501, clusters=3, strength=2.0)


@pytest.fixture(scope="module")
def picture() -> Any:
    return read_picture(render(sample(3), 64, 96).picture)


def test_coarse_masks_share_the_grid_out(backbone: Backbone, picture: Any):
    masks = coarse_masks(backbone, picture, QUICK, size=SIZE)
    grid = backbone.sites.role("semantic", "text")[0].grid((16, 24))
    assert masks.shape == (3, *grid)
    assert (masks.sum(0) == 1).all()
    assert torch.equal(masks, coarse_masks(backbone, picture, QUICK, size=SIZE))


@pytest.mark.parametrize("fast", [False, True])
def test_nothing_moves_without_strength_or_mask(backbone: Backbone, picture: Any, fast: bool):
    config = replace(QUICK, fast=fast)
    masks = coarse_masks(backbone, picture, config, size=SIZE)
    assert not differences(backbone, picture, masks, replace(config, strength=0.0), size=SIZE).any()
    nothing = torch.zeros_like(masks)
    assert not differences(backbone, picture, nothing, config, size=SIZE).any()
    assert differences(backbone, picture, masks, config, size=SIZE).amax((1, 2)).min() > 0


def test_both_signs_are_alike(small: Backbone, picture: Any):
    masks = coarse_masks(small, picture, QUICK, size=SIZE)
    one = differences(small, picture, masks, QUICK, size=SIZE)
    other = differences(small, picture, masks, replace(QUICK, strength=-2.0), size=SIZE)
    assert torch.equal(one, other)


def test_batched_and_looped_runs_agree(backbone: Backbone, picture: Any):
    masks = coarse_masks(backbone, picture, QUICK, size=SIZE)
    together = differences(backbone, picture, masks, QUICK, size=SIZE)
    looped = differences(backbone, picture, masks, replace(QUICK, together=2), size=SIZE)
    assert torch.allclose(together, looped, atol=1e-4)


def test_shared_attention_without_strength_is_the_plain_run(backbone: Backbone, picture: Any):
    inverted = invert(backbone, picture, "", method="edit_friendly", steps=4, guidance=1.0, skip=0.25, size=SIZE)
    masks = coarse_masks(backbone, picture, QUICK, size=SIZE)
    moved = module._moved(backbone, inverted, masks, 0.0, QUICK, 1, Run(progress=False))
    plain = backbone.decode_values(reconstruct(backbone, inverted))
    assert torch.allclose(moved, plain.expand_as(moved), atol=1e-4)


def test_cells_outside_the_mask_are_left_as_they_are(small: Backbone, picture: Any):
    """Bit for bit, in the layer and step where features are moved."""
    masks = coarse_masks(small, picture, QUICK, size=SIZE)
    first = start_of(small, QUICK)
    inverted = invert(small, picture, "", method="edit_friendly", steps=4, guidance=1.0, skip=first / 4, size=SIZE)
    read = Read(module._text_sites(small)[1].name, "output", keep="all", when=lambda moment: moment.step == first)
    seen = []
    for offset in (0.0, 5.0):
        with tapped(small.sites, read) as tap:
            module._moved(small, inverted, masks, offset, QUICK, first, Run(progress=False))
        seen.append(next(iter(tap[read].values()))[0])  # (reference and masks, cells, channels)
    plain, moved = seen
    assert torch.equal(plain[0], moved[0])
    for way, rows in ((-5.0, slice(1, 4)), (5.0, slice(4, 7))):
        for mask, before, after in zip(masks.flatten(1), plain[rows], moved[rows], strict=True):
            assert torch.equal(before[~mask], after[~mask])
            assert torch.allclose(after[mask] - before[mask], torch.tensor(way), atol=1e-4)


def test_scaling_all_differences_changes_no_label():
    from innerlight.maps import segments_of

    moved = torch.rand(4, 8, 8, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(segments_of(moved, (8, 8))[0], segments_of(moved * 5, (8, 8))[0])


def test_passes_are_the_steps_from_the_start(small: Backbone, picture: Any, counted: Callable[..., Any]):
    with counted(small) as rows:
        emerdiff(small, picture, QUICK, size=SIZE)
    steps = 4 - start_of(small, QUICK)
    # one look, the inversion and its check, and three masks moved both ways, with the reference before them
    passes = [1, *[1] * (2 * steps), *[7] * steps]
    assert rows == passes
    with counted(small) as rows:
        emerdiff(small, picture, replace(QUICK, inversion="ddim"), size=SIZE)
    assert rows == passes
    with counted(small) as rows:
        emerdiff(small, picture, replace(QUICK, fast=True), size=SIZE)
    assert [own for own in rows if own != 1] == [7]


def test_it_ends_within_a_step_of_being_cancelled(small: Backbone, picture: Any, counted: Callable[..., Any]):
    """Also while features are moved, which takes longest."""
    cancel = CancelToken()
    handle = small.unet.conv_out.register_forward_pre_hook(
        lambda module, args: cancel.cancel() if len(args[0]) > 1 else None
    )
    with handle, counted(small) as rows, pytest.raises(CancelledError):
        emerdiff(small, picture, QUICK, size=SIZE, run=Run(progress=False, cancel=cancel))
    assert [own for own in rows if own != 1] == [7]


def test_the_recipe_says_the_models_own_strength(small: Backbone, picture: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(small, "calibration", {"emerdiff_strength": 3.5})
    recipe = emerdiff(small, picture, replace(QUICK, strength=None, fast=True), size=SIZE).recipe
    assert (recipe["config"]["strength"], recipe["size"]) == (3.5, [64, 96])


def test_a_batch_of_shapes(small: Backbone, picture: Any):
    tall = render(sample(5), 96, 48).picture
    found = emerdiff(small, [picture, tall], replace(QUICK, fast=True))
    assert [one.labels.shape for one in found.labels] == [(64, 96), (96, 48)]
    assert all(1 <= len(scores) <= 3 for scores in found.scores)


def test_ddim_inversion_is_the_simple_way(small: Backbone, picture: Any):
    found = emerdiff(small, picture, replace(QUICK, inversion="ddim"), size=SIZE)
    assert found.recipe["config"]["inversion"] == "ddim"
    assert found.labels[0].labels.shape == (64, 96)


def test_what_cannot_be_is_refused(small: Backbone, picture: Any):
    for wrong, said in (
        ({"inversion": "null_text"}, "edit_friendly or ddim"),
        ({"together": 1}, "together"),
        ({"clusters": 9999}, "clusters"),
        ({"clusters": 0}, "clusters"),
        ({"timestep": 5000}, "timestep"),
    ):
        with pytest.raises(InputError, match=said):
            emerdiff(small, picture, replace(QUICK, **wrong), size=SIZE)
