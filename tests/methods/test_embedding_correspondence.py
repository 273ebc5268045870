"""Correspondence by optimised prompts: the card's invariants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from innerlight.backbones import Backbone, load
from innerlight.maps import resize
from innerlight.methods.correspondence import embedding_correspondence as module
from innerlight.methods.correspondence.embedding_correspondence import (
    EmbeddingCorrespondenceConfig,
    embedding_correspondence,
    locate,
    point_sites,
    prompts_for_points,
)
from innerlight.sampling import CancelToken, Run
from innerlight.types import CancelledError, InputError
from innerlight.world import render, sample

SIZE = (64, 96)
QUICK = EmbeddingCorrespondenceConfig(steps=2, restarts=2, crops=5)
POINTS = [(30.0, 20.0), (60.0, 40.0)]


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [render(sample(seed), 64, 96).picture for seed in (3, 4)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_points_are_found_in_targets_of_any_shape(backbone: Backbone, pictures: list[np.ndarray]):
    tall = render(sample(5), 96, 48).picture
    found = embedding_correspondence(backbone, pictures[0], [pictures[1], tall], POINTS, QUICK, size=SIZE)
    assert found.found.shape == (2, 2, 2)
    assert (found.found[1] <= [48, 96]).all()
    assert all(parameter.grad is None for parameter in backbone.unet.parameters())
    assert all(parameter.grad is None for parameter in backbone.vae.parameters())


def test_prompts_that_are_optimised_light_up_at_their_points(small: Backbone, pictures: list[np.ndarray]):
    config = replace(QUICK, steps=25, rate=1.0, restarts=1, crops=4)
    shares = torch.tensor(POINTS) / torch.tensor([96, 64])
    losses = [
        _loss_of(small, prompts_for_points(small, pictures[0], shares, one, generator(), SIZE), shares, pictures[0])
        for one in (replace(config, steps=0), config)
    ]
    assert losses[1] < 0.7 * losses[0]


def _loss_of(backbone: Backbone, states: torch.Tensor, shares: torch.Tensor, picture: Any) -> float:
    maps = locate(backbone, picture, states, replace(QUICK, crop=1.0, crops=1), generator(9), SIZE)
    wanted = module._gaussians(shares, (0, 0, 64, 96), torch.zeros(64, 96, 3), 0.0546)
    return float((maps - wanted).square().mean())


def test_the_gaussian_is_one_at_a_point_in_the_middle_of_a_pixel():
    points = torch.tensor([[30.5 / 96, 20.5 / 64]])
    found = module._gaussians(points, (0, 0, 64, 96), torch.zeros(64, 96, 3), 0.05)[0]
    assert found[20, 30] == 1
    assert found.argmax() == 20 * 96 + 30
    # 3 pixels to the side, 0.05 of 96 as spread: exp(-(3 / 4.8)^2 / 2)
    assert float(found[20, 33]) == pytest.approx(np.exp(-((3 / 4.8) ** 2) / 2), rel=1e-5)


def test_the_gaussian_moves_with_the_crop():
    points = torch.tensor([[0.5, 0.5]])
    found = module._gaussians(points, (8, 16, 56, 88), torch.zeros(64, 96, 3), 0.05)[0]
    row, column = divmod(int(found.argmax()), 96)
    assert abs((row + 0.5) / 64 - (32 - 8) / 48) < 0.02
    assert abs((column + 0.5) / 96 - (48 - 16) / 72) < 0.02


def test_crops_keep_points_inside_where_they_can():
    config = EmbeddingCorrespondenceConfig(crop=0.8, margin=0.15)
    points = torch.tensor([[0.5, 0.3]])
    for seed in range(20):
        top, left, bottom, right = module._crop_around(points, (100, 100), config, generator(seed))
        assert (bottom - top, right - left) == (80, 80)
        assert top + 12 <= 30 <= bottom - 12
        assert left + 12 <= 50 <= right - 12
    # as far inside as can be
    for points in ([[0.0, 1.0]], [[0.03, 0.5], [0.5, 0.5]], [[0.03, 0.5], [0.8, 0.5]], [[0.5, 0.99], [0.5, 0.2]]):
        for seed in range(20):
            top, left, bottom, right = module._crop_around(torch.tensor(points), (100, 100), config, generator(seed))
            assert (bottom - top, right - left) == (80, 80)
            assert all(left <= 100 * x <= right and top <= 100 * y <= bottom for x, y in points)


def test_the_first_crops_are_the_corners_and_cover_everything():
    boxes = module._boxes((50, 100), EmbeddingCorrespondenceConfig(crop=0.9, crops=6), generator())
    assert boxes[:4] == [(0, 0, 45, 90), (0, 10, 45, 100), (5, 0, 50, 90), (5, 10, 50, 100)]
    assert len(boxes) == 6
    assert len(module._boxes((50, 100), EmbeddingCorrespondenceConfig(crops=1), generator())) == 1


def test_a_crop_of_everything_is_the_plain_map(small: Backbone, pictures: list[np.ndarray]):
    states = torch.randn(1, 2, *small.embed("").states.shape[1:], generator=generator(1))
    config = replace(QUICK, crop=1.0, crops=1)
    maps = locate(small, pictures[0], states, config, generator(2), SIZE)
    pixels = torch.from_numpy(small.pixels(pictures[0], SIZE)[0])
    noisy = module._noisy(small, pixels, (0, 0, 64, 96), 40, config, generator(2))
    with torch.no_grad():
        plain = module._maps(small, noisy, states[0], small.embed("", SIZE), 40, config, gradient=False)
    expected = torch.stack([resize(one, (64, 96)) for one in plain]).mean((0, 1))
    assert torch.allclose(maps[0], expected, atol=1e-6)


def test_crops_of_a_picture_come_together_as_it(
    small: Backbone, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
):
    whole = torch.rand(64, 96, generator=generator())
    config = replace(QUICK, crop=0.75, crops=9)
    monkeypatch.setattr(module, "_noisy", lambda backbone, pixels, box, *rest: box)

    def seen(backbone: Backbone, box: module.Box, states: torch.Tensor, *rest: Any, gradient: bool) -> list:
        top, left, bottom, right = box
        return [whole[None, top:bottom, left:right].expand(len(states), -1, -1)]

    monkeypatch.setattr(module, "_maps", seen)
    states = torch.zeros(1, 2, *small.embed("").states.shape[1:])
    assert torch.allclose(locate(small, pictures[0], states, config, generator(), SIZE)[0], whole)
    monkeypatch.setattr(module, "point_sites", lambda backbone: ["one"])
    released = locate(small, pictures[0], states, replace(config, compat=True), generator(), SIZE)
    assert torch.allclose(released.flatten(), whole.flatten().softmax(0))  # once, behind all crops and prompts


def test_the_loss_is_0_at_the_goal_alone(small: Backbone, pictures: list[np.ndarray]):
    pixels = torch.from_numpy(small.pixels(pictures[0], SIZE)[0])
    (goal, other) = module._gaussians(torch.tensor([[0.3, 0.4], [0.5, 0.4]]), (0, 0, 64, 96), pixels, 0.1)
    assert module._loss([goal[None], goal[None]], goal[None]) == 0
    assert module._loss([goal[None], other[None]], goal[None]) > 0
    middle = torch.tensor([[40.5 / 96, 20.5 / 64]])  # of a pixel
    assert module._gaussians(middle, (0, 0, 64, 96), pixels, 0.1).max() == 1


def test_a_point_is_found_in_its_own_picture():
    model = load()
    shown = render(sample(7), 128).picture
    config = EmbeddingCorrespondenceConfig(steps=40, restarts=1, crops=5)
    found = embedding_correspondence(model, shown, shown, [(70.0, 60.0)], config).found[0]
    site = model.sites[point_sites(model)[0]]
    assert np.linalg.norm(found[0] - (70, 60)) < 128 / site.grid(model.latent_size())[0]


def test_batches_of_prompts_are_the_prompts_one_by_one(small: Backbone, pictures: list[np.ndarray]):
    shares = torch.tensor(POINTS) / torch.tensor([96, 64])
    whole, parts = (
        prompts_for_points(small, pictures[0], shares, replace(QUICK, together=many), generator(), SIZE)
        for many in (10, 1)
    )
    assert torch.allclose(whole, parts, atol=1e-4)
    assert whole.shape[:2] == (2, 2)


def test_passes_are_shared_by_points_and_end_early(
    small: Backbone, pictures: list[np.ndarray], counted: Callable[..., Any]
):
    with counted(small) as rows:
        embedding_correspondence(small, pictures[0], pictures[1], POINTS, QUICK, size=SIZE)
    assert rows == [4] * (2 + 5)
    last = small.sites[point_sites(small)[-1]]
    assert last.order < max(site.order for site in small.sites.values() if site.kind == "text")


def test_it_ends_within_a_crop_of_being_cancelled(
    small: Backbone, pictures: list[np.ndarray], counted: Callable[..., Any]
):
    cancel = CancelToken()
    with counted(small) as rows:
        handle = small.unet.conv_in.register_forward_pre_hook(
            lambda *given: cancel.cancel() if len(rows) == QUICK.steps + 1 else None
        )
        with handle, pytest.raises(CancelledError):
            embedding_correspondence(
                small, pictures[0], pictures[1], POINTS, QUICK, size=SIZE, run=Run(progress=False, cancel=cancel)
            )
    assert len(rows) == QUICK.steps + 1


def test_the_recipe_says_the_models_own_rate(
    small: Backbone, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(small, "calibration", {"embedding_correspondence_rate": 0.5})
    recipe = embedding_correspondence(small, pictures[0], pictures[1], POINTS, QUICK, size=SIZE).recipe
    assert (recipe["config"]["rate"], recipe["size"]) == (0.5, [64, 96])


def test_as_released_takes_half_of_the_heads(small: Backbone, pictures: list[np.ndarray]):
    plain = embedding_correspondence(small, pictures[0], pictures[1], POINTS, QUICK, size=SIZE)
    released = embedding_correspondence(small, pictures[0], pictures[1], POINTS, replace(QUICK, compat=True), size=SIZE)
    assert not np.allclose(plain.scores, released.scores)
    # softmax over the picture: nearly flat, each about one over the number of pixels
    assert np.allclose(released.scores * 64 * 96, 1, atol=0.5)


def test_as_released_the_noise_of_the_target_is_not_asked(small: Backbone, pictures: list[np.ndarray]):
    both, few = (pictures[0], pictures[1]), [POINTS[0]]
    for compat, alike in ((True, True), (False, False)):
        one, other = (
            embedding_correspondence(
                small, *both, few, replace(QUICK, compat=compat, target_timestep=t), size=SIZE
            ).scores
            for t in (40, 600)
        )
        assert np.array_equal(one, other) is alike


def test_what_cannot_be_is_refused(small: Backbone, pictures: list[np.ndarray]):
    for wrong, said in (({"crop": 0.0}, "crop"), ({"steps": -1}, "steps"), ({"restarts": 0}, "restarts")):
        with pytest.raises(InputError, match=said):
            embedding_correspondence(small, pictures[0], pictures[1], POINTS, replace(QUICK, **wrong))
    with pytest.raises(InputError, match="name some"):
        embedding_correspondence(small, pictures[0], pictures[1])
    with pytest.raises(InputError, match="outside"):
        embedding_correspondence(small, pictures[0], pictures[1], [(200, 3)], QUICK)
    for points in ([(1, 2), (3,)], [("a", "b")]):
        with pytest.raises(InputError, match=r"points: expected one or more \(x, y\), shape \(n, 2\)"):
            embedding_correspondence(small, pictures[0], pictures[1], points, QUICK)
