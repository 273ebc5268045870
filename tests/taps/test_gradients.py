"""Gradients go through what is read and what is written, to latents and to text; a stopped pass has the same ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from passes import ATTENTION, PLACES, Pass, own, traces
from torch import Tensor, nn

from innerlight.taps import Columns, Everything, HeadMean, KeyMass, Read, TapError, Write, heads, tapped

Loss = Callable[[Any], Tensor]


def gradients(
    one: Pass, *items: Read | Write, loss: Callable[[Any, Tensor], Tensor], stop: bool = False
) -> list[Tensor]:
    """Of latents and of text states, of a loss on what was seen and on the noise."""
    with torch.enable_grad():
        latents = one.latents.clone().requires_grad_()
        states = one.context.states.clone().requires_grad_()
        out = torch.zeros(())
        with tapped(one.backbone.sites, *items, stop=stop) as seen:
            out = one.backbone.denoise(latents, 500, one.context.with_states(states), one.moment)
        return list(torch.autograd.grad(loss(seen, out), [latents, states], allow_unused=True))


def numeric(one: Pass, along: Tensor, read: Read, loss: Loss, step: float = 1e-3) -> float:
    """The change of a loss along a direction of latents."""
    values = []
    for sign in (1, -1):
        _, seen = replace(one, latents=one.latents + sign * step * along).run(read)
        values.append(float(loss(seen[read])))
    return (values[0] - values[1]) / (2 * step)


def attention_to(token: int) -> Loss:
    """How much the cells of the finest sites look at a token: a smooth loss."""
    return lambda found: sum(value[..., token].square().sum() for value in found.values())


@pytest.mark.parametrize("reducer", [HeadMean(), Columns((0, 2)), Everything()], ids=repr)
@pytest.mark.parametrize("keep", ["last", "sum", "mean", "all"])
def test_probabilities_have_gradients_to_latents_and_text(once: Pass, reducer: Any, keep: Any):
    read = Read("semantic.text", "probabilities", rows="cond", reduce=reducer, keep=keep, gradient=True)

    def loss(seen: Any, out: Tensor) -> Tensor:
        found = seen[read].values()
        return sum(value.square().sum() for one in found for value in (one if isinstance(one, list) else [one]))

    to_latents, to_states = gradients(once, read, loss=loss)
    for gradient in (to_latents, to_states):
        assert gradient[2:].abs().max() > 0
        assert gradient[:2].abs().max() == 0, "the other rows are not asked"
    assert all(parameter.grad is None for parameter in once.backbone.unet.parameters())


def test_a_gradient_is_the_slope(small: Pass, monkeypatch: pytest.MonkeyPatch):
    read = Read("up.*.text", "probabilities", rows="cond", gradient=True)
    (gradient, _) = gradients(small, read, loss=lambda seen, out: attention_to(1)(seen[read]))
    along = gradient / gradient.norm()
    slope = numeric(small, along, replace(read, gradient=False), attention_to(1), step=1e-2)
    assert abs(slope - float((gradient * along).sum())) < 0.02 * abs(slope)
    monkeypatch.setattr(heads, "CELLS", 100)
    (chunked, _) = gradients(small, read, loss=lambda seen, out: attention_to(1)(seen[read]))
    assert torch.allclose(chunked, gradient, atol=1e-5 * float(gradient.abs().max()))


def test_features_heads_and_what_is_around_attention_have_gradients(once: Pass):
    reads = [Read("up.*.self", what, gradient=True) for what in ("input", "key_context", "mixed", "output", "heads")]
    reads += [Read(["match", "mid.*.residual"], gradient=True, keep="sum")]
    for read in reads:

        def loss(seen: Any, out: Tensor, read: Read = read) -> Tensor:
            return sum((value.k if read.what == "heads" else value).square().sum() for value in seen[read].values())

        assert gradients(once, read, loss=loss)[0].abs().max() > 0


def test_without_asking_nothing_that_is_kept_has_a_graph(small: Pass):
    reads = [Read("*.self", what) for what in ("input", "heads", "probabilities", "mixed", "output")]
    with torch.enable_grad():
        latents = small.latents.clone().requires_grad_()
        with tapped(small.backbone.sites, *reads) as seen:
            small.backbone.denoise(latents, 500, small.context, small.moment)
    for read in reads:
        for value in seen[read].values():
            assert not any(part.requires_grad for part in ([value.q, value.k] if read.what == "heads" else [value]))


@pytest.mark.parametrize(("what", "where"), PLACES, ids=[what for what, _ in PLACES])
def test_gradients_go_through_writes(once: Pass, what: str, where: tuple[str, ...]):
    """A write of what was there leaves the gradient as it is."""

    def loss(seen: Any, out: Tensor) -> Tensor:
        return out.square().sum()

    plain = gradients(once, loss=loss)
    written = gradients(once, Write(where, what, own, rows="cond"), loss=loss)
    for one, other in zip(plain, written, strict=True):
        assert torch.allclose(one, other, atol=2e-5 * float(one.abs().max()))


def test_gradients_reach_what_is_written_itself(small: Pass):
    """A context, a bank of keys, a map: whatever is put in can be optimised."""
    made = {
        "context": torch.randn(1, 5, small.context.states.shape[-1]),  # of another length than the prompt's
        "key_context": torch.randn(1, 77, small.context.states.shape[-1]),
        "logits": torch.randn(1, 2, 1, 77),
        "mixed": torch.randn(1, 2, 1, 16),
    }
    for what, value in made.items():
        with torch.enable_grad():
            wanted = value.clone().requires_grad_()
            change = {
                "logits": lambda view, wanted=wanted: view.own + wanted,
                "mixed": lambda view, wanted=wanted: view.own + wanted,
            }.get(what, lambda view, wanted=wanted: wanted.expand(len(view.writes), -1, -1))
            write = Write("semantic.text", what, change, rows=None if what == "context" else "cond")
            with tapped(small.backbone.sites, write):
                out = small.plain()
            (gradient,) = torch.autograd.grad(out.square().sum(), wanted)
        assert gradient.abs().max() > 0, what


def test_one_backward_serves_every_pass_of_a_sum(small: Pass):
    read = Read("semantic.text", "probabilities", keep="sum", gradient=True)
    with torch.enable_grad():
        latents = small.latents.clone().requires_grad_()
        with tapped(small.backbone.sites, read) as seen:
            for scale in (1, 2):
                small.backbone.denoise(scale * latents, 500, small.context, small.moment)
        (gradient,) = torch.autograd.grad(attention_to(1)(seen[read]), latents)
    assert gradient.abs().max() > 0


# Stopping


STOPS = {
    "attention": Read("semantic.text", "probabilities", rows="cond", gradient=True),
    "mass": Read("mid.*.0.self", "probabilities", reduce=KeyMass(), gradient=True),
    "heads": Read("up.s4.0.self", "heads", gradient=True),
    "input": Read("up.s4.1.self", "input", gradient=True),
    "feature": Read("match", gradient=True),
    "residual": Read("up.s4.1.residual", gradient=True),
    "incoming": Read("up.s2.0.incoming", gradient=True),
    "skip": Read("up.s2.1.skip", gradient=True),
    "encoder": Read(["down.*.output", "mid.*.output"], gradient=True),
    "mixture": Read(["up.s4.0.residual", "up.s4.2.skip", "up.s4.0.incoming"], gradient=True),
}


def flat(found: Any) -> list[Tensor]:
    values = list(found.values())
    return [part for value in values for part in ((value.q, value.k, value.v) if hasattr(value, "q") else (value,))]


@pytest.mark.parametrize("name", STOPS)
def test_a_stopped_pass_has_the_same_values_and_gradients(once: Pass, name: str):
    read = STOPS[name]

    def loss(seen: Any, out: Tensor) -> Tensor:
        return sum(value.square().sum() for value in flat(seen[read]))

    for one, other in zip(gradients(once, read, loss=loss), gradients(once, read, loss=loss, stop=True), strict=True):
        assert (one is None and other is None) or torch.equal(one, other)
    (_, full), (_, stopped) = once.run(read), once.run(read, stop=True)
    assert list(full[read]) == list(stopped[read])
    assert all(torch.equal(a, b) for a, b in zip(flat(full[read]), flat(stopped[read]), strict=True))


@pytest.mark.parametrize("name", STOPS)
def test_nothing_runs_past_the_site(once: Pass, name: str):
    """Modules that have a site of their own run up to the last one that is read, and no further."""
    read, sites = STOPS[name], once.backbone.sites
    last = sites.select(read.sites)[-1]
    ran: list[str] = []
    watched = [site for site in sites.values() if site.kind not in ("incoming", "skip", "output")]
    handles = [
        sites.root.get_submodule(site.path).register_forward_pre_hook(lambda module, args, n=site.name: ran.append(n))
        for site in watched
    ]
    once.run(read, stop=True)
    for handle in handles:
        handle.remove()
    assert ran == [site.name for site in watched if site.order <= last.order]


def test_a_stop_waits_for_every_read_and_for_no_write(small: Pass):
    early, late = Read("down.s1.0.self", "input"), Read("up.s4.0.text", "output")
    for order in ([early, late], [late, early]):
        out = torch.empty(0)
        with tapped(small.backbone.sites, *order, Write("up.s1.*.self", "input", own), stop=True) as seen:
            out = small.plain()
        assert out.numel() == 0
        assert [len(seen[read]) for read in (early, late)] == [1, 1]


def test_a_stop_asks_which_reads_a_pass_has(small: Pass):
    """A read of other passes or other rows does not hold a pass up, and does not end it."""
    for read in (
        Read("up.s1.2.text", "input", when=lambda moment: moment.passing == "extra"),
        Read("up.s1.2.text", "input", rows="target"),
    ):
        out, _ = small.run(read, stop=True)
        assert torch.equal(out, small.plain()), "nothing to see: the pass runs to its end"
        early = Read("mid.*.0.self", "input")
        with tapped(small.backbone.sites, read, early, stop=True) as seen:
            small.plain()
            raise AssertionError("the pass ends behind what is read in it")
        assert len(seen[early]) == 1


# Gradient checkpointing


def test_gradient_checkpointing_is_refused_under_gradients(once: Pass):
    backbone = once.backbone.copy()
    backbone.unet.enable_gradient_checkpointing()
    backbone.unet.train()
    other = Pass(backbone, once.latents, once.context, once.moment)
    read = Read(ATTENTION, "probabilities")
    with torch.enable_grad(), pytest.raises(TapError, match="disable_gradient_checkpointing"):
        other.run(read)
    assert not traces(backbone)
    _, seen = other.run(read)  # without gradients nothing is run twice
    _, expected = once.run(read)
    assert all(torch.equal(value, expected[read][name]) for name, value in seen[read].items())
    with torch.enable_grad():
        latents = other.latents.clone().requires_grad_()
        out = backbone.denoise(latents, 500, other.context, other.moment)  # and without taps nothing is refused
        (gradient,) = torch.autograd.grad(out.sum(), latents)
        backbone.unet.disable_gradient_checkpointing()
        with tapped(backbone.sites, read):
            out = backbone.denoise(latents, 500, other.context, other.moment)
        assert torch.allclose(torch.autograd.grad(out.sum(), latents)[0], gradient, atol=1e-5)
    nn.Module.eval(backbone.unet)


# Values that are no numbers


@pytest.mark.parametrize(("what", "where"), PLACES, ids=[what for what, _ in PLACES])
def test_a_write_of_no_numbers_names_step_site_and_write(either: Pass, what: str, where: tuple[str, ...]):
    site = "up.s4.0.residual" if what == "features" else "up.s4.0.text"

    def broken(view: Any) -> Any:
        return replace(view.own, k=view.own.k * torch.nan) if what == "heads" else view.own * torch.nan

    who = "attention is not finite" if what in ("logits", "probabilities") else "the break"
    for rows in ("cond", None):
        with pytest.raises(TapError, match=rf"^step 3, {site}: .*{who}"):
            either.run(Write(site, what, broken, rows=rows, name="the break"))
    assert not traces(either.backbone)


def test_a_query_that_may_look_at_nothing_names_step_and_site(small: Pass):
    blind = Write("up.s4.0.self", "logits", lambda view: torch.full_like(view.own, -torch.inf), rows="cond")
    with pytest.raises(TapError, match=r"^step 3, up\.s4\.0\.self"):
        small.run(blind)
    with pytest.raises(TapError, match=r"^step 3, up\.s4\.0\.self.*probabilities"):
        small.run(blind, Read("up.s4.0.self", "probabilities"))


@pytest.mark.parametrize(
    ("what", "where"),
    [(what, where) for what, where in PLACES if what not in ("context", "logits")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_read_of_no_numbers_names_step_site_and_thing(either: Pass, what: str, where: tuple[str, ...]):
    latents = either.latents.clone()
    latents[-1, 0, 0, 0] = torch.inf
    read = Read(where, what, rows="cond")
    with pytest.raises(TapError, match=rf"^step 3, \S+: .*{what}"):
        replace(either, latents=latents).run(read)
    others = replace(read, rows="uncond")
    _, seen = replace(either, latents=latents).run(others)
    assert len(seen[others]) > 10, "other rows are numbers still"
    assert not traces(either.backbone)
