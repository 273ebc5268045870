"""A probe sees what a run sees at that timestep, ends where nothing more is asked, and knows words and sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from innerlight.backbones import Backbone
from innerlight.sampling import Run, Step, draw, generate, generators_of, probe
from innerlight.taps import HeadMean, Read, Write, tapped
from innerlight.types import InputError, NotFoundError

PROMPT = "a red cat and a dog"
QUIET = Run(progress=False)
MAPS = Read("semantic.text", "probabilities", reduce=HeadMean())


def noise(seed: int, count: int = 2) -> Tensor:
    return draw(generators_of(range(seed, seed + count)), (4, 16, 24))


def test_it_sees_what_a_run_sees(backbone: Backbone):
    start = noise(3)
    with tapped(backbone.sites, MAPS) as seen:
        made = generate(backbone, [PROMPT] * 2, latents=start, steps=1, guidance=1.0, size=(64, 96), run=QUIET)
    t = backbone.levels.timesteps(1)[0]
    found = probe(backbone, start, t, MAPS, prompts=PROMPT, noise=None)
    assert made.latents.shape == start.shape
    for site, values in seen[MAPS].items():
        assert torch.allclose(found[MAPS][site], values, atol=1e-6)


def test_clean_latents_are_noised_to_the_timestep(small: Backbone):
    clean = noise(0)
    at = small.levels.noisy(clean, noise(5), torch.tensor([400]))
    one, other = probe(small, clean, 400, MAPS, noise=5), probe(small, at, 400, MAPS, noise=None)
    given = probe(small, clean, 400, MAPS, noise=noise(5))
    for site in one[MAPS]:
        assert torch.equal(one[MAPS][site], other[MAPS][site])
        assert torch.equal(one[MAPS][site], given[MAPS][site])


def test_it_ends_behind_the_last_site(small: Backbone):
    ran: list[str] = []
    handle = small.unet.conv_out.register_forward_pre_hook(lambda *given: ran.append("conv_out"))
    with handle:
        probe(small, noise(0), 400, MAPS)
        assert ran == []
        small.denoise(noise(0), 400, small.embed(["", ""]))
    assert ran == ["conv_out"]


def test_several_noises_are_averaged(small: Backbone):
    clean, read = noise(0), Read("match")
    each = [probe(small, clean, 400, read, noise=7 + 2 * k).values(read) for k in range(3)]
    together = probe(small, clean, 400, read, noise=7, draws=3).values(read)
    assert torch.allclose(together, torch.stack(each).mean(0), atol=1e-5)


def test_one_prompt_in_a_list_is_for_all_pictures(small: Backbone):
    read = Read("match")
    one, other = (probe(small, noise(0), 400, read, prompts=p).values(read) for p in (PROMPT, [PROMPT]))
    assert torch.equal(one, other)


def test_what_was_not_read_is_said(small: Backbone):
    found = probe(small, noise(0), 400, MAPS)
    with pytest.raises(NotFoundError, match="not among the reads of this probe"):
        found[Read("match")]
    read = Read("match", rows="uncond")
    with pytest.raises(NotFoundError, match="found nothing: a probe has rows named 'cond' alone"):
        probe(small, noise(0), 400, read).values(read)
    both = Read("up.*.output")
    with pytest.raises(InputError, match="ask for one by name: up"):
        probe(small, noise(0), 400, both).values(both)


@pytest.mark.parametrize("index", [0, 2, 4])
def test_it_sees_what_each_step_of_a_run_sees(small: Backbone, index: int):
    seen: list[tuple[Tensor, int, Tensor]] = []
    read = Read("match", rows="cond")

    def keep(step: Step) -> None:
        seen.append((step.shown["image"], step.timestep, next(iter(tap[read].values())).clone()))

    with tapped(small.sites, read) as tap:
        generate(small, [PROMPT] * 2, seed=1, steps=5, guidance=2.0, size=(64, 96), after=[keep], run=QUIET)
    shown, t, values = seen[index]
    assert torch.allclose(probe(small, shown, t, read, prompts=PROMPT, noise=None).values(read), values, atol=1e-4)


def test_features_come_as_a_grid(backbone: Backbone):
    read = Read("match")
    found = probe(backbone, noise(0), 260, read).values(read)
    assert found.shape[0] == 2
    assert found.shape[2:] == (8, 12), "half the latent's side"


def test_a_word_has_a_map(backbone: Backbone):
    found = probe(backbone, noise(0), 400, MAPS, prompts=[PROMPT, "a house"])
    one = found.word(MAPS, "red cat")
    assert one.word == "red cat"
    assert one.image_size == (64, 96)
    assert one.picture().size == (96, 64)
    assert found.word(MAPS, "house", image=1).values.min() >= 0
    with pytest.raises(NotFoundError, match="horse"):
        found.word(MAPS, "horse")


def test_it_writes_too(small: Backbone):
    read = Read("match")
    write = Write("mid.*.text", "output", lambda view: torch.zeros_like(view.own))
    changed, plain = probe(small, noise(0), 400, write, read), probe(small, noise(0), 400, read)
    assert not torch.equal(changed.values(read), plain.values(read))


def test_gradients_flow_where_they_are_asked_for(small: Backbone):
    latents = noise(0).requires_grad_()
    read = Read("match", gradient=True)
    probe(small, latents, 400, read).values(read).square().sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().max() > 0
    plain = Read("match")
    assert not probe(small, latents, 400, plain).values(plain).requires_grad


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"t": -1}, "t: expected"),
        ({"t": 1000}, "0 to 999"),
        ({"t": 2.5}, "whole number"),
        ({"latents": torch.zeros(4, 16, 24)}, r"expected \(n, 4, rows, columns\)"),
        ({"latents": torch.zeros(1, 3, 16, 24)}, "latents"),
        ({"prompts": None}, "prompts: expected one string"),
        ({"prompts": ["a"] * 3}, "one for each of 2 pictures, got 3"),
        ({"noise": torch.zeros(1, 4, 16, 24)}, "noise: expected shape"),
        ({"noise": [1]}, "expected one number, or 2"),
        ({"draws": 0}, "draws"),
        ({"draws": 2, "noise": None}, "draws"),
        ({"max_bytes": 10}, "max_bytes"),
    ],
)
def test_what_cannot_be_is_refused(small: Backbone, given: dict[str, Any], said: str):
    call = {"latents": noise(0), "t": 400, **given}
    with pytest.raises(InputError, match=said):
        probe(small, call.pop("latents"), call.pop("t"), MAPS, **call)
