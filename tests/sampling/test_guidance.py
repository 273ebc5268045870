"""Guidance: the combination, its terms, what they cost, and where they must change nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from innerlight.backbones import Backbone
from innerlight.maps import gaussian_blur
from innerlight.sampling import ClassifierGuidance, Guidance, Run, SelfAttentionGuidance, Step, generate
from innerlight.taps import KeyMass, Read, main_passes
from innerlight.types import InputError

PROMPTS = ["a red cat", "a dog on the grass"]
SIZE = (64, 96)
QUIET = Run(progress=False)


def drawn(backbone: Backbone, guidance: float | Guidance, prompts: list[str] = PROMPTS, **more: Any) -> Tensor:
    return generate(backbone, prompts, seed=3, steps=2, size=SIZE, guidance=guidance, run=QUIET, **more).latents


def first_noise(backbone: Backbone, guidance: float | Guidance, **more: Any) -> Tensor:
    """The combined noise of the first step."""
    kept: list[Tensor] = []
    drawn(backbone, guidance, after=[lambda step: kept.append(step.noise["image"])], **more)
    return kept[0]


# Classifier-free


def test_the_noise_is_affine_in_the_weight(backbone: Backbone):
    low, middle, high = (first_noise(backbone, weight) for weight in (2.0, 4.5, 7.0))
    assert torch.allclose(low + high, 2 * middle, atol=1e-5)
    without, only = first_noise(backbone, 0.0), first_noise(backbone, 1.0)
    assert torch.allclose(without + 2.0 * (only - without), low, atol=1e-4)


def test_weight_1_is_the_prompt_alone_and_0_is_no_prompt(small: Backbone, passes: Callable[..., Any]):
    for weight, rows in ((1.0, [2, 2]), (0.0, [2, 2]), (0.5, [4, 4]), (7.5, [4, 4])):
        with passes(small) as ran:
            drawn(small, weight)
        assert ran == rows
    assert torch.equal(drawn(small, 0.0), drawn(small, 0.0, prompts=["a frog", "a house"]))
    assert not torch.equal(drawn(small, 1.0), drawn(small, 1.0, prompts=["a frog", "a house"]))


def test_with_two_equal_prompts_no_weight_matters(small: Backbone):
    plain = drawn(small, 1.0, prompts=["a red cat", "a red cat"])
    for weight in (3.0, -2.0):
        assert torch.allclose(drawn(small, weight, prompts=["a red cat"] * 2, negative="a red cat"), plain, atol=1e-4)


def test_prompts_that_change_places_take_the_other_weight(small: Backbone):
    one = first_noise(small, 4.0, prompts=["a red cat"] * 2, negative="a dog")
    other = first_noise(small, -3.0, prompts=["a dog"] * 2, negative="a red cat")
    assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("weight", [math.nan, math.inf, "7.5", None])
def test_a_weight_is_a_number(weight: Any):
    with pytest.raises(InputError, match="guidance: expected a number"):
        Guidance(weight)


# Classifier


def brightness(latents: Tensor, timestep: int) -> Tensor:
    del timestep
    return latents[:, 0].mean((1, 2))


@pytest.mark.parametrize("on", ["noisy", "clean"])
def test_a_scale_of_0_and_a_constant_change_no_bit(small: Backbone, on: Any):
    plain = drawn(small, 2.0)
    for term in (
        ClassifierGuidance(brightness, scale=0.0, on=on),
        ClassifierGuidance(lambda latents, t: torch.zeros(len(latents)), on=on),
        ClassifierGuidance(lambda latents, t: torch.zeros(len(latents), requires_grad=True), on=on),
    ):
        assert torch.equal(drawn(small, Guidance(2.0, (term,))), plain)


@pytest.mark.parametrize("on", ["noisy", "clean"])
def test_latents_go_where_the_gradient_points(backbone: Backbone, on: Any):
    plain = drawn(backbone, 2.0)
    guided = drawn(backbone, Guidance(2.0, (ClassifierGuidance(brightness, scale=2000.0, on=on),)))
    assert (brightness(guided, 0) > brightness(plain, 0) + 0.05).all()


def test_the_term_is_the_scaled_gradient(small: Backbone):
    """d mean / d x is 1 / cells in the first channel."""
    term = ClassifierGuidance(brightness, scale=10.0)
    abar: list[float] = []
    difference = first_noise(small, Guidance(2.0, (term,))) - first_noise(small, 2.0)
    drawn(small, 2.0, after=[lambda step: abar.append(step.abar)])
    expected = -10.0 * (1 - abar[0]) ** 0.5 / difference[0, 0].numel()
    assert torch.allclose(difference[:, 0], torch.full_like(difference[:, 0], expected), atol=1e-5)
    assert difference[:, 1:].abs().max() == 0


def test_the_true_posterior_turns_a_mixture_into_its_part(small: Backbone):
    """Two Gaussians in one dimension: the mixture's noise with the posterior at scale 1 is that of one of them."""
    means, spread = torch.tensor([-1.0, 2.0], dtype=torch.float64), 0.5
    x = torch.linspace(-3, 3, 24, dtype=torch.float64).view(2, 1, 3, 4)

    def log_parts(x: Tensor, abar: float) -> Tensor:
        variance = abar * spread**2 + 1 - abar
        return -((x[..., None] - abar**0.5 * means) ** 2) / (2 * variance)

    def noise(log_density: Callable[[Tensor], Tensor], abar: float) -> Tensor:
        at = x.clone().requires_grad_()
        (score,) = torch.autograd.grad(log_density(at).sum(), at)
        return -((1 - abar) ** 0.5) * score

    index, abar = 5, float(small.levels.abar[401])
    mixture = noise(lambda at: torch.logsumexp(log_parts(at, abar), -1), abar)
    part = noise(lambda at: log_parts(at, abar)[..., 1], abar)
    posterior = ClassifierGuidance(lambda at, t: log_parts(at.double(), abar).log_softmax(-1)[..., 1].sum((1, 2, 3)))
    rule: Any = type("Rule", (), {"timesteps": [401] * 9, "scaled": staticmethod(lambda latents, index: latents)})
    step = Step(small, {"image": rule}, [], {"image": x}, index, 9)
    added = posterior(step, "image")
    assert added is not None
    assert torch.allclose(mixture + added, part, atol=1e-6)


def test_a_score_has_one_number_a_picture(small: Backbone):
    with pytest.raises(InputError, match="expected 2 numbers"):
        drawn(small, Guidance(2.0, (ClassifierGuidance(lambda latents, t: latents.mean()),)))


def test_a_score_is_asked_about_noisy_or_clean(small: Backbone):
    with pytest.raises(InputError, match="noisy or clean, got 'both'"):
        ClassifierGuidance(brightness, on="both")  # pyright: ignore[reportArgumentType]


def test_a_score_of_the_clean_picture_is_asked_about_the_conditional_estimate(
    small: Backbone, passes: Callable[..., Any]
):
    asked: list[Tensor] = []

    def score(latents: Tensor, timestep: int) -> Tensor:
        asked.append(latents.detach())
        return brightness(latents, timestep)

    expected: list[Tensor] = []

    def look(step: Step) -> None:
        noise = step.of("image", "cond")
        expected.append((step.shown["image"] - (1 - step.abar) ** 0.5 * noise) / step.abar**0.5)

    with passes(small) as rows:
        drawn(small, Guidance(2.0, (ClassifierGuidance(score, on="clean"),)), after=[look])
    assert rows == [4, 2, 4, 2]
    for one, other in zip(asked, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


# Self-attention guidance


def test_self_attention_guidance_of_0_changes_no_bit_and_costs_nothing(small: Backbone, passes: Callable[..., Any]):
    with passes(small) as ran:
        found = drawn(small, Guidance(2.0, (SelfAttentionGuidance(0.0),)))
    assert ran == [4, 4]
    assert torch.equal(found, drawn(small, 2.0))


@pytest.mark.parametrize(("weight", "rows"), [(2.0, [4, 2, 4, 2]), (1.0, [2, 2, 2, 2])])
def test_it_costs_one_more_row_a_step(small: Backbone, passes: Callable[..., Any], weight: float, rows: list[int]):
    with passes(small) as ran:
        found = drawn(small, Guidance(weight, (SelfAttentionGuidance(),)))
    assert ran == rows
    assert not torch.allclose(found, drawn(small, weight), atol=1e-3)


def test_it_needs_something_that_is_attended_and_something_to_blur(backbone: Backbone):
    plain = first_noise(backbone, 2.0)
    for term in (SelfAttentionGuidance(threshold=math.inf), SelfAttentionGuidance(sigma=1e-3)):
        assert torch.allclose(first_noise(backbone, Guidance(2.0, (term,))), plain, atol=2e-4)
    everywhere = first_noise(backbone, Guidance(2.0, (SelfAttentionGuidance(threshold=-1.0),)))
    assert not torch.allclose(everywhere, plain, atol=1e-3)


def test_attention_mass_is_1_on_average(small: Backbone):
    kept: list[Tensor] = []
    read = Read("mid.*.0.self", "probabilities", reduce=KeyMass(), when=main_passes)
    term = SelfAttentionGuidance(read=read)

    def keep(step: Step) -> None:
        assert step.seen is not None
        kept.append(next(iter(step.seen[read].values())))

    drawn(small, Guidance(2.0, (term,)), after=[keep])
    assert kept[0].shape == (4, 2 * 3), "a mid grid of 2 x 3 cells for 16 x 24 latents"
    assert torch.allclose(kept[0].mean(1), torch.ones(4), atol=1e-5)


@pytest.mark.parametrize(("weight", "row"), [(2.0, "uncond"), (1.0, "cond")])
def test_it_is_the_formula_of_its_paper(backbone: Backbone, weight: float, row: str):
    """A second, plain writing; 11 x 13 latent cells, so that the mid grid does not divide them."""
    read = Read("mid.*.0.self", "probabilities", reduce=KeyMass(), when=main_passes)
    term, kept = SelfAttentionGuidance(0.6, threshold=1.0, sigma=1.5, read=read), []

    def look(step: Step) -> None:
        assert step.seen is not None
        ((site, mass),) = step.seen[read].items()
        rows, columns = backbone.sites[site].grid((11, 13))
        at = [one.name for one in step.rows].index(row)
        covered = (mass[2 * at : 2 * at + 2] > 1.0).view(2, rows, columns)
        down = (torch.arange(11) * rows / 11).long()
        across = (torch.arange(13) * columns / 13).long()
        mask = covered[:, down][:, :, across][:, None]  # (2, 1, 11, 13)
        assert mask.any()
        assert not mask.all()
        noise, x, a = step.of("image", row), step.shown["image"], step.abar
        clean = (x - (1 - a) ** 0.5 * noise) / a**0.5
        blurred = torch.where(mask, gaussian_blur(clean, 1.5), clean)
        again = a**0.5 * blurred + (1 - a) ** 0.5 * noise
        context = next(one.context for one in step.rows if one.name == row)
        with torch.no_grad():
            other = backbone.denoise(again, step.timestep, context)
        without, only = step.estimates.get("uncond"), step.of("image", "cond")
        base = only if without is None else without + weight * (only - without)
        kept.append((step.noise["image"], base + 0.6 * (noise - other)))

    generate(
        backbone, PROMPTS, seed=3, steps=1, guidance=Guidance(weight, (term,)), after=[look], run=QUIET,
        size=(11 * backbone.shrink, 13 * backbone.shrink),
    )  # fmt: skip
    ((ours, plain),) = kept
    assert torch.allclose(ours, plain, atol=1e-4)


# Together


def test_terms_add_up(small: Backbone):
    classifier, attention = ClassifierGuidance(brightness, scale=50.0), SelfAttentionGuidance()
    plain = first_noise(small, 2.0)
    one, other, both = (
        first_noise(small, Guidance(2.0, terms)) - plain
        for terms in ((classifier,), (attention,), (classifier, attention))
    )
    assert torch.allclose(both, one + other, atol=1e-5)
    assert replace(Guidance(2.0), terms=(classifier,)).roles == ("uncond", "cond")
