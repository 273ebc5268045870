"""Attend-and-Excite: the card's invariants, and its loss written a second time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from innerlight.backbones import Backbone
from innerlight.methods.editing import attend_and_excite as module
from innerlight.methods.editing.attend_and_excite import AttendAndExciteConfig, attend_and_excite
from innerlight.prompts import Tokens, tokens_of_word
from innerlight.sampling import Step
from innerlight.taps import Everything, Moment, Read, Rows, tapped
from innerlight.types import InputError

PROMPT = "a cat and a frog"
PROMPTS = [PROMPT, "a dog and a hippopotamus"]
BRIEF = AttendAndExciteConfig(refine=(0.0,), targets=(0.5,), iterations=2, scale=2.0)


def test_without_window_and_refinement_the_target_is_drawn_plainly(backbone: Backbone, quick, plain):
    config = AttendAndExciteConfig(window=0.0, refine=(), targets=())
    found, other = (
        attend_and_excite(backbone, PROMPTS, None, config, **quick),
        plain(backbone, PROMPTS, PROMPTS, **quick),
    )
    assert torch.equal(found.latents, other.latents)
    assert torch.equal(found.latents, found.source_latents)


def test_the_target_is_moved_and_the_source_is_not(backbone: Backbone, quick, plain):
    found, other = (
        attend_and_excite(backbone, PROMPTS, None, BRIEF, **quick),
        plain(backbone, PROMPTS, PROMPTS, **quick),
    )
    assert torch.equal(found.source_latents, other.source_latents)
    assert not torch.equal(found.latents, found.source_latents)
    assert all(parameter.grad is None for parameter in backbone.unet.parameters())
    assert list(found.maps["target"][0]) == ["cat", "frog"]


def test_the_order_of_words_does_not_matter(small: Backbone, quick):
    found = [
        attend_and_excite(
            small, PROMPT, None, AttendAndExciteConfig(words=words, refine=(), targets=()), **quick
        ).latents
        for words in (("cat", "frog"), ("frog", "cat"))
    ]
    assert torch.equal(*found)


def losses_seen(backbone: Backbone, config: AttendAndExciteConfig, prompts: Any, **settings: Any) -> list[Any]:
    """What `_losses` was asked and what it said, in a run."""
    seen: list[Any] = []
    plain = module._losses

    def watched(step: Step, *rest: Any) -> Any:
        latents = step.latents["target"].clone()
        seen.append((step, latents, *plain(step, *rest)))
        return seen[-1][2:]

    module._losses = watched
    try:
        attend_and_excite(backbone, prompts, None, config, **settings)
    finally:
        module._losses = plain
    return seen


def test_the_loss_and_its_gradient_by_the_formula(backbone: Backbone, quick):
    """With a whole pass, and the smoothing as a sum over nine neighbours."""
    step, latents, losses, gradient = losses_seen(backbone, BRIEF, PROMPT, **quick)[0]
    tokens = backbone.embed(PROMPT).tokens[0][0]
    filled = tokens.ids[-1] != tokens.ids[tokens.end]
    words = range(1, tokens.end if filled else 76)
    stride = backbone.sites.select("semantic.text")[0].grid_stride
    sites = [
        s.name for s in backbone.sites.values() if s.kind == "text" and s.branch != "mid" and s.grid_stride == stride
    ]
    read = Read(sites, "probabilities", "cond", reduce=Everything(), gradient=True)
    context = backbone.embed([PROMPT], quick["size"])
    with torch.enable_grad():
        given = latents.detach().requires_grad_()
        with tapped(backbone.sites, read) as seen:  # to the end of the network
            backbone.denoise(given, step.timestep, context, Moment(rows=Rows(("cond",), 1)))
        maps = torch.stack([one[0].mean(0) for one in seen[read].values()]).mean(0)
        shares = (100 * maps[:, list(words)]).softmax(-1)
        line = [0.212, 0.576, 0.212]
        peaks = []
        for word in ("cat", "frog"):
            own = shares[:, [k - 1 for k in tokens_of_word(tokens, word)]].mean(-1).view(1, 1, -1, 24 // stride)
            wide = F.pad(own, (1, 1, 1, 1), mode="reflect")[0, 0]
            height, width = own.shape[-2:]
            smooth = sum(line[i] * line[j] * wide[i : i + height, j : j + width] for i in range(3) for j in range(3))
            peaks.append(smooth.max())
        expected = max((1 - peak).clamp(min=0) for peak in peaks)
        (wanted,) = torch.autograd.grad(expected, given)
    assert abs(float(losses[0]) - float(expected.detach())) < 1e-3
    assert (gradient - wanted).abs().max() < 2e-2 * wanted.abs().max()


def test_ending_the_pass_early_gives_the_same_gradient(small: Backbone, quick, monkeypatch: pytest.MonkeyPatch):
    early = losses_seen(small, BRIEF, PROMPT, **quick)[0][3]
    plain = module.tapped
    monkeypatch.setattr(module, "tapped", lambda sites, *items, stop=False: plain(sites, *items))
    whole = losses_seen(small, BRIEF, PROMPT, **quick)[0][3]
    assert (early - whole).abs().max() <= 1e-6 * whole.abs().max()


def test_losses_lie_between_0_and_1_and_go_down(small: Backbone, quick):
    config = AttendAndExciteConfig(refine=(0.0,), targets=(0.99,), iterations=4, window=0.0, scale=1.0)
    values = [float(losses[0]) for _, _, losses, _ in losses_seen(small, config, PROMPT, **quick)]
    assert len(values) == 4
    assert all(0 <= value <= 1 for value in values)
    assert values[-1] < values[0]


def test_scale_and_temperature_are_the_model_s_unless_they_are_given(small: Backbone, quick):
    tuned = replace(small, calibration={"attend_and_excite_temperature": 5.0, "attend_and_excite_scale": 3.0})
    given = replace(BRIEF, temperature=5.0, scale=3.0)
    free = replace(BRIEF, scale=None)
    made = [
        attend_and_excite(model, PROMPT, None, config, **quick).images[0].tobytes()
        for model, config in ((tuned, free), (small, given), (small, free))
    ]
    assert made[0] == made[1] != made[2]


def test_refinement_ends_where_its_target_is_met(small: Backbone, quick):
    met = AttendAndExciteConfig(refine=(0.0,), targets=(0.0,), iterations=5, window=0.0)
    seen = losses_seen(small, met, PROMPT, **quick)
    assert len(seen) == 1
    found = attend_and_excite(small, PROMPT, None, met, **quick)
    assert torch.equal(found.latents, found.source_latents)


def test_an_image_does_not_depend_on_its_neighbours(small: Backbone, quick):
    both = attend_and_excite(small, PROMPTS, None, BRIEF, **quick).latents
    for image in range(2):
        settings = quick | {"seed": quick["seed"] + image}
        alone = attend_and_excite(small, PROMPTS[image], None, BRIEF, **settings).latents[0]
        assert (alone - both[image]).abs().max() < 1e-2 * alone.abs().max()


def test_a_prompt_without_nouns_is_refused(small: Backbone, quick):
    with pytest.raises(InputError, match="name the subjects"):
        attend_and_excite(small, "in and on", **quick)
    with pytest.raises(InputError, match="as many"):
        attend_and_excite(small, PROMPT, None, AttendAndExciteConfig(targets=()), **quick)
    with pytest.raises(InputError, match="temperature above 0"):
        attend_and_excite(small, PROMPT, None, AttendAndExciteConfig(temperature=-1.0), **quick)


def test_what_fills_up_takes_part_only_where_it_is_the_end_mark():
    """Stable Diffusion 2 fills up with another token."""
    one = Tokens("a", (7, 3, 8, 8, 8), (None, (0, 1), None, None, None), 2, "")
    two = Tokens("a", (7, 3, 8, 0, 0), (None, (0, 1), None, None, None), 2, "")
    assert module._without_marks(one) == [1, 2, 3]
    assert module._without_marks(two) == [1]
