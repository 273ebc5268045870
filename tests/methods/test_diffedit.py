"""DiffEdit: the card's invariants."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from innerlight.backbones import Backbone
from innerlight.methods.editing.diffedit import DiffEditConfig, diffedit
from innerlight.sampling import draw, generators_of, invert
from innerlight.sampling.editing import Control, Part, edit
from innerlight.types import InputError

SOURCE, TARGET = ["a cat on the grass", "a dog"], ["a hippopotamus on the grass", "a red dog in the snow"]


def cells(mask: np.ndarray, backbone: Backbone) -> torch.Tensor:
    step = backbone.shrink
    return torch.from_numpy(mask[step // 2 :: step, step // 2 :: step])


def test_equal_prompts_give_an_empty_mask_and_the_source(backbone: Backbone, quick, equal):
    found = diffedit(backbone, SOURCE[0], TARGET[0], DiffEditConfig(reference=TARGET[0], noises=2), **quick)
    assert not found.masks["diffedit"][0].any()
    assert equal(found)


def test_outside_the_mask_the_picture_is_the_source(backbone: Backbone, quick):
    found = diffedit(backbone, SOURCE, TARGET, DiffEditConfig(noises=2), **quick)
    for image, mask in enumerate(found.masks["diffedit"]):
        inside = cells(mask, backbone)
        assert 0 < inside.float().mean() < 1
        same = (found.latents[image] == found.source_latents[image]).all(0)
        assert same[~inside].all()
        assert not same[inside].any()


def test_a_full_mask_is_plain_decoding(small: Backbone, quick):
    config = DiffEditConfig(noises=1, threshold=-1.0, ratio=0.5)
    found = diffedit(small, SOURCE, TARGET, config, **quick)
    assert all(mask.all() for mask in found.masks["diffedit"])
    decode = Part("decode", {}, lambda case: Control(), source="trajectory", reach=0.5)
    assert torch.equal(found.latents, edit(small, SOURCE, TARGET, [decode], **quick).latents)


def test_going_back_no_way_changes_nothing(small: Backbone, quick, equal):
    assert equal(diffedit(small, SOURCE, TARGET, DiffEditConfig(noises=1, ratio=0.0), **quick))


def test_the_mask_by_the_rule(small: Backbone, quick):
    """Above 1.5 means of the difference: clamped at 3 means, a half of that."""
    drawn = diffedit(small, SOURCE[0], TARGET[0], DiffEditConfig(noises=1), **quick).images
    found = diffedit(small, "", TARGET[0], DiffEditConfig(noises=2), image=drawn, **quick)
    clean = small.encode(drawn, (64, 96))
    generators = generators_of([quick["seed"]])
    with torch.no_grad():
        total = torch.zeros(1, *clean.shape[-2:])
        for _ in range(2):
            noisy = small.levels.noisy(clean, draw(generators, clean.shape[1:], clean), torch.tensor([500]))
            pair = [small.denoise(noisy, 500, small.embed([text], (64, 96))) for text in (TARGET[0], "")]
            total += (pair[0] - pair[1]).abs().mean(1)
    expected = total[0] > 1.5 * total[0].mean()
    agree = (cells(found.masks["diffedit"][0], small) == expected).float().mean()
    assert agree > 0.99  # rows of one batch and of two differ in the last bits


def test_the_mask_does_not_depend_on_neighbours(small: Backbone, quick):
    both = diffedit(small, SOURCE, TARGET, DiffEditConfig(noises=2), **quick).masks["diffedit"]
    for image in range(2):
        settings = quick | {"seed": quick["seed"] + image}
        alone = diffedit(small, SOURCE[image], TARGET[image], DiffEditConfig(noises=2), **settings).masks["diffedit"]
        assert (alone[0] == both[image]).mean() > 0.98


def test_passes_are_those_of_mask_inversion_and_decoding(small: Backbone, quick, counted):
    drawn = diffedit(small, SOURCE[0], TARGET[0], DiffEditConfig(noises=1), **quick).images
    settings = quick | {"steps": 5}
    with counted(small) as rows:
        diffedit(small, "", TARGET[0], DiffEditConfig(noises=3, ratio=0.4), image=drawn, **settings)
    # inverted, and brought back to say how well; three noises under two prompts; two guided steps
    assert rows == [1, 1, 1, 1, 2, 2, 2, 2, 2]
    found = invert(small, drawn, steps=5, reach=0.4, size=(64, 96))
    with counted(small) as rows:
        diffedit(small, "", TARGET[0], DiffEditConfig(noises=3, ratio=0.4), inversion=found, guidance=3.0)
    assert rows == [2, 2, 2, 2, 2]


def test_settings_out_of_range_are_refused(small: Backbone, quick):
    with pytest.raises(InputError, match="ratio"):
        diffedit(small, SOURCE, TARGET, DiffEditConfig(ratio=1.5), **quick)
    with pytest.raises(InputError, match="noises"):
        diffedit(small, SOURCE, TARGET, DiffEditConfig(noises=0), **quick)
    with pytest.raises(InputError, match="clamp"):
        diffedit(small, SOURCE, TARGET, DiffEditConfig(clamp=-1.0), **quick)
