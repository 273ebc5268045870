"""Taps that only look, or do not apply, leave no trace in what comes out; none leaves a trace in the network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from passes import ATTENTION, FEATURES, PLACES, Pass, never, own, traces

from innerlight.taps import Columns, Everything, HeadMean, KeyMass, Read, TapError, TopKeys, Write, tapped


def everything() -> list[Read]:
    """Reads of all there is, in every way of keeping it."""
    looking = [Read(ATTENTION, what) for what in ("input", "key_context", "value_context", "heads", "mixed", "output")]
    reducers = (HeadMean(), Columns((0, 1)), KeyMass(), TopKeys(2), Everything())
    opening = [Read(ATTENTION, "probabilities", reduce=reducer, keep="sum") for reducer in reducers]
    pooled = [
        Read("*.self", "probabilities", rows="cond", pool="grid", keep="mean"),
        Read(ATTENTION, "output", keep="sum"),
    ]
    return [*looking, *opening, *pooled, Read(FEATURES), Read(FEATURES, keep="sum")]


def close(one: torch.Tensor, other: torch.Tensor, either: Pass) -> bool:
    """Within 1e-5; in half precision, where probabilities are rounded on their way, within five of its steps."""
    tolerance = 1e-5 if either.backbone.dtype == torch.float32 else 5 * 2**-8
    return bool((one - other).abs().max() <= tolerance * other.abs().max().clamp(min=1))


def test_reading_everything_changes_nothing(either: Pass):
    plain = either.plain()
    out, _ = either.run(*everything())
    assert torch.equal(out, plain)
    assert torch.equal(either.plain(), plain)


@pytest.mark.parametrize(("what", "where"), PLACES, ids=[what for what, _ in PLACES])
def test_a_write_that_does_not_apply_changes_nothing(either: Pass, what: str, where: tuple[str, ...]):
    def wrong(view: Any) -> Any:
        raise AssertionError("this write does not apply")

    out, _ = either.run(Write(where, what, wrong, rows="target"), Write(where, what, wrong, when=never))
    assert torch.equal(out, either.plain())


@pytest.mark.parametrize(("what", "where"), PLACES, ids=[what for what, _ in PLACES])
def test_a_write_of_what_was_there_changes_nothing(either: Pass, what: str, where: tuple[str, ...]):
    plain = either.plain()
    out, _ = either.run(Write(where, what, own, rows="cond"))
    assert torch.equal(out[:2], plain[:2]), "the other rows keep the original kernel's bits"
    assert close(out[2:], plain[2:], either)
    out, _ = either.run(Write(where, what, own))
    assert close(out, plain, either)


def test_a_write_may_be_in_another_precision(either: Pass):
    """All rows or some: what comes back is of the network's own type."""
    plain = either.plain()
    for what, where in PLACES:
        if what != "heads":
            for rows in (None, "cond"):
                out, _ = either.run(Write(where, what, lambda view: view.own.float(), rows=rows))
                assert out.dtype == plain.dtype
                assert close(out, plain, either)


def test_reads_and_writes_at_one_site_come_in_order(small: Pass):
    """A read sees what was written at its place, and all later places see it too."""
    site = "up.s4.0.text"
    order = ["input", "context", "key_context", "context", "value_context"]  # what makes keys, what makes values
    order += ["heads", "logits", "probabilities", "mixed", "output"]
    called: list[str] = []

    def noting(what: str) -> Any:
        return lambda view: called.append(what) or view.own

    small.run(*(Write(site, what, noting(what)) for what in sorted(set(order))))
    assert called == order
    doubled = Write(site, "mixed", lambda view: 2 * view.own)
    mixed, output = Read(site, "mixed"), Read(site, "output")
    (_, before), (_, after) = small.run(mixed, output), small.run(doubled, mixed, output)
    assert torch.equal(after[mixed][site], 2 * before[mixed][site])
    assert not torch.equal(after[output][site], before[output][site])


# As it was found


def raising(view: Any) -> Any:
    raise ZeroDivisionError("on purpose")


def interrupting(view: Any) -> Any:
    raise KeyboardInterrupt


def test_nothing_is_left_when_a_block_ends(once: Pass):
    processors = dict(once.backbone.unet.attn_processors)
    plain = once.plain()
    once.run(*everything())
    once.run(*(Write(where, what, own, rows="cond") for what, where in PLACES))
    with tapped(once.backbone.sites, *everything()):
        pass
    assert not traces(once.backbone)
    assert torch.equal(once.plain(), plain)
    found = once.backbone.unet.attn_processors
    assert all(found[name] is processor for name, processor in processors.items())


def test_nothing_is_left_after_an_error_in_the_block(once: Pass):
    with pytest.raises(ZeroDivisionError), tapped(once.backbone.sites, *everything()):
        raise ZeroDivisionError
    assert not traces(once.backbone)


@pytest.mark.parametrize("broken", ["latents", "context", "middle"])
def test_nothing_is_left_after_an_error_in_the_forward(once: Pass, broken: str):
    plain = once.plain()
    context, latents = once.context, once.latents
    passes = {
        "latents": lambda: once.backbone.denoise(latents[:, :3], 500, context, once.moment),
        # fails inside an attention module
        "context": lambda: once.backbone.denoise(
            latents, 500, context.with_states(context.states[..., 1:]), once.moment
        ),
        "middle": lambda: once.run(Write("mid.*.0.text", "key_context", raising)),
    }
    with pytest.raises((RuntimeError, ZeroDivisionError)), tapped(once.backbone.sites, *everything()):
        passes[broken]()
    assert not traces(once.backbone)
    assert torch.equal(once.plain(), plain)


@pytest.mark.parametrize("change", [raising, interrupting])
@pytest.mark.parametrize(("what", "where"), PLACES, ids=[what for what, _ in PLACES])
def test_nothing_is_left_after_an_error_in_a_write(once: Pass, what: str, where: tuple[str, ...], change: Any):
    with pytest.raises((ZeroDivisionError, KeyboardInterrupt)):
        once.run(Write(where, what, change), *everything())
    assert not traces(once.backbone)


def test_an_error_that_is_caught_inside_the_block_does_no_harm(small: Pass):
    """Not even one that torch lets no hook clean up after."""
    plain = small.plain()
    read = Read("*.self", "probabilities")
    with tapped(small.backbone.sites, read) as seen:
        for change in (raising, interrupting):
            with pytest.raises((ZeroDivisionError, KeyboardInterrupt)):
                small.run(Write("mid.*.0.text", "heads", change))
        assert torch.equal(small.plain(), plain)
        assert len(seen[read]) == 16
    assert not traces(small.backbone)


def test_nothing_is_left_after_a_stop(once: Pass):
    plain = once.plain()
    for site in ("mid.*.0.self", "up.s4.0.residual", "up.s4.1.skip", "down.s1.0.output"):
        once.run(Read(site, "heads" if site.endswith("self") else "features"), stop=True)
        assert not traces(once.backbone)
    assert torch.equal(once.plain(), plain)


def test_a_site_whose_module_is_gone_is_refused_and_nothing_is_left(small: Pass):
    backbone = small.backbone.copy()
    last = backbone.unet.up_blocks[-1].attentions[-1].transformer_blocks[0]
    del last.attn2.to_v
    with (
        pytest.raises(TapError, match=r"up\.s1\.2\.text is gone.*to_v"),
        tapped(backbone.sites, Read("*.text", "heads")),
    ):
        pass
    assert not traces(backbone)


def test_attention_that_cannot_be_seen_is_refused_with_the_cure(small: Pass):
    from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

    backbone = small.backbone.copy()
    backbone.unet.set_attn_processor(AttnProcessor())
    other = Pass(backbone, small.latents, small.context, small.moment)
    plain = other.plain()
    for item in (Read("*.self", "probabilities"), Write("*.self", "heads", own)):
        with pytest.raises(TapError, match="AttnProcessor2_0"):
            other.run(item)
    assert not traces(backbone)
    around = [Read(ATTENTION, what) for what in ("input", "key_context", "value_context", "output")]
    out, seen = other.run(*around, Write(ATTENTION, "output", own))  # what is around attention can
    assert torch.equal(out, plain)
    assert all(len(seen[read]) == 32 for read in around)
    backbone.unet.set_attn_processor(AttnProcessor2_0())
    other.run(Read("*.self", "probabilities"))


def test_fused_projections_have_no_contexts(small: Pass):
    from diffusers.models.attention_processor import FusedAttnProcessor2_0

    backbone = small.backbone.copy()
    backbone.unet.fuse_qkv_projections()
    assert any(isinstance(p, FusedAttnProcessor2_0) for p in backbone.unet.attn_processors.values())
    other = Pass(backbone, small.latents, small.context, small.moment)
    with pytest.raises(TapError, match="unfuse_qkv_projections"):
        other.run(Read("*.text", "key_context"))
    read = Read("*.self", "probabilities")
    _, seen = other.run(read)
    _, expected = small.run(read)
    assert all((seen[read][name] - value).abs().max() < 1e-5 for name, value in expected[read].items())
