"""One smallest intervention of each kind that the method cards ask for, and the equalities that the cards state.

Rows are called "uncond" and "cond"; where a card says source and target, the source is "uncond" here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from passes import Pass, a_pass
from torch import Tensor

from innerlight.backbones import Backbone
from innerlight.taps import Columns, Everything, HeadMean, Heads, KeyMass, Read, Write, tapped

TARGET, SOURCE = "cond", "uncond"
SELF, TEXT = "layout.self", "up.*.text"


def target(one: Pass) -> Tensor:
    return one.plain()[2:]


def check(one: Pass, first: Write, second: Write, tolerance: float = 2e-6) -> None:
    """Two writes do the same, which is something, and nothing to the source."""
    plain, (a, _), (b, _) = one.plain(), one.run(first), one.run(second)
    assert (a - b).abs().max() <= tolerance * plain.abs().max()
    assert (a[2:] - plain[2:]).abs().max() > 100 * tolerance
    assert torch.equal(a[:2], plain[:2])
    assert torch.equal(b[:2], plain[:2])


def as_twins(one: Pass) -> Pass:
    """The target's latents and prompts are the source's."""
    latents, context = torch.cat([one.latents[:2]] * 2), one.context.take([0, 1, 0, 1])
    return replace(one, latents=latents, context=context)


def halves(view: Any, rows: str) -> Tensor:
    """A mask (cells,) that differs between rows: the left half, the upper half."""
    height, width = view.grid
    mask = torch.zeros(height, width, dtype=torch.bool)
    if rows == SOURCE:
        mask[:, : max(1, width // 2)] = True
    else:
        mask[: max(1, height // 2)] = True
    return mask.flatten()


# P: attention maps read


def test_p_a_words_map_is_a_mean_over_heads_sites_and_steps(once: Pass):
    wanted = Read("semantic.text", "probabilities", TARGET, reduce=Columns((2, 3)), keep="mean", pool="grid")
    whole = Read("semantic.text", "probabilities", TARGET, reduce=Everything(), keep="all")
    with tapped(once.backbone.sites, wanted, whole) as seen:
        for scale in (1, 2):
            once.backbone.denoise(scale * once.latents, 500, once.context, once.moment)
    ((grid, value),) = seen[wanted].items()
    assert grid == (2, 3)
    expected = torch.stack([one for values in seen[whole].values() for one in values]).mean(0).mean(1)[..., [2, 3]]
    assert torch.allclose(value, expected, atol=1e-6)


def test_p_text_at_another_resolution_from_upsampled_queries(once: Pass):
    """Cross-attention recomputed between the cells: queries of a finer grid look at the same keys."""
    read = Read("up.s4.0.text", "heads", TARGET)
    maps = Read("up.s4.0.text", "probabilities", TARGET)
    _, seen = once.run(read, maps, stop=True)
    ((name, found),) = seen[read].items()
    rows, count, _, d = found.q.shape
    grid = once.backbone.sites[name].grid((8, 12))
    assert torch.allclose(found.logits(slice(None)).softmax(-1).mean(1), seen[maps][name], atol=1e-6)
    queries = found.q.transpose(2, 3).reshape(rows * count, d, *grid)
    finer = F.interpolate(queries, scale_factor=2, mode="nearest").flatten(2).mT.reshape(rows, count, -1, d)
    fine = replace(found, q=finer).logits(slice(None)).softmax(-1).mean(1)
    fine = fine.mT.unflatten(-1, (2 * grid[0], 2 * grid[1]))[..., ::2, ::2].flatten(2).mT
    assert torch.allclose(fine, seen[maps][name], atol=1e-6)


# P with gradient


def test_p_with_gradient_an_energy_moves_the_latents(once: Pass):
    """Attend-and-Excite's step: the most attended cell of a word gets more."""
    read = Read("semantic.text", "probabilities", TARGET, reduce=Columns((1,)), keep="mean", pool="grid", gradient=True)

    def neglect(latents: Tensor) -> Tensor:
        with tapped(once.backbone.sites, read, stop=True) as seen:
            once.backbone.denoise(latents, 500, once.context, once.moment)
        (found,) = seen[read].values()
        return (1 - found.amax(1)).sum()

    with torch.enable_grad():
        latents = once.latents.clone().requires_grad_()
        before = neglect(latents)
        (gradient,) = torch.autograd.grad(before, latents)
    assert gradient[:2].abs().max() == 0
    after = neglect(once.latents - 0.5 * gradient / gradient.norm())
    assert after < before


# Pw, QK: maps replaced


def test_pw_replacing_the_map_is_qk_swapping_queries_and_keys(once: Pass):
    """[N] The self map of the source for the target; Plug-and-Play, Prompt-to-Prompt."""
    swapped = Write(SELF, "heads", lambda view: Heads(view[SOURCE].q, view[SOURCE].k, view.own.v), rows=TARGET)
    replaced = Write(SELF, "probabilities", lambda view: view[SOURCE], rows=TARGET, sees=SOURCE)
    check(once, swapped, replaced)


def test_pw_text_maps_of_the_source_with_values_of_the_target(once: Pass):
    """Prompt-to-Prompt's replacement by a token map; the identity as token map is the swap of q and k."""
    keys = once.context.states.shape[1]
    mapper = torch.eye(keys)
    replaced = Write(TEXT, "probabilities", lambda view: view[SOURCE] @ mapper, rows=TARGET, sees=SOURCE)
    swapped = Write(TEXT, "heads", lambda view: Heads(view[SOURCE].q, view[SOURCE].k, view.own.v), rows=TARGET)
    check(once, replaced, swapped)


def test_pw_a_mapper_between_words_is_the_map_times_it(once: Pass):
    """(P M) V = P (M V): the fused kernel on mapped values; who reads the map sees it mapped, its rows alone."""
    keys = once.context.states.shape[1]
    mapper = torch.rand(2, 1, keys, keys, generator=torch.Generator().manual_seed(0))
    fused = Write(
        TEXT, "heads", lambda view: Heads(view[SOURCE].q, view[SOURCE].k, view.own.v, mapper=mapper), rows=TARGET
    )
    opened = Write(TEXT, "probabilities", lambda view: view[SOURCE] @ mapper, rows=TARGET, sees=SOURCE)
    check(once, fused, opened)
    reads = [Read(TEXT, "probabilities", rows) for rows in (SOURCE, TARGET)]
    (_, mapped), (_, written) = once.run(fused, *reads), once.run(opened, *reads)
    assert mapped[reads[0]].keys() == written[reads[0]].keys()
    for read in reads:
        for name, value in mapped[read].items():
            assert torch.allclose(value, written[read][name], atol=1e-5), (read.rows, name)


def test_pw_a_mapper_serves_rows_that_share_a_map(once: Pass):
    keys = once.context.states.shape[1]
    mapper = torch.rand(1, 1, keys, keys, generator=torch.Generator().manual_seed(0))

    def first(view: Any) -> Heads:
        return Heads(view.own.q[:1], view.own.k[:1], view.own.v, mapper=mapper)

    def each(view: Any) -> Heads:
        return Heads(
            *(part[:1].expand_as(part) for part in (view.own.q, view.own.k)),
            view.own.v,
            mapper=mapper.expand(2, -1, -1, -1),
        )

    check(once, Write(TEXT, "heads", first, rows=TARGET), Write(TEXT, "heads", each, rows=TARGET))
    maps = Read(TEXT, "probabilities", TARGET)
    (_, shared), (_, own) = (once.run(Write(TEXT, "heads", one, rows=TARGET), maps) for one in (first, each))
    assert all(torch.allclose(value, own[maps][name], atol=1e-5) for name, value in shared[maps].items())


def test_pw_a_word_reweighted(once: Pass):
    """A column times c, without renormalising, is what c - 1 of its value adds."""

    def scaled(view: Any) -> Tensor:
        weights = torch.ones(view.own.shape[-1])
        weights[2] = 3
        return view.own * weights

    site = "up.s4.0.text"
    inside, column = Read(site, "heads", TARGET), Read(site, "probabilities", TARGET, reduce=Columns((2,), heads=True))
    _, seen = once.run(inside, column)
    more = 2 * seen[column][site] * seen[inside][site].v[:, :, 2:3]
    added = Write(site, "mixed", lambda view: view.own + more, rows=TARGET)
    check(once, Write(site, "probabilities", scaled, rows=TARGET), added)


def test_pw_maps_and_qk_of_twins_are_no_change(once: Pass):
    """The same latents and prompt: whatever is taken from the source was there already, to the bit."""
    twins = as_twins(once)
    plain = twins.plain()
    swap = Write([SELF, TEXT], "heads", lambda view: view[SOURCE], rows=TARGET)
    assert torch.equal(twins.run(swap)[0], plain)
    maps = Write([SELF, TEXT], "probabilities", lambda view: view[SOURCE], rows=TARGET, sees=SOURCE)
    assert (twins.run(maps)[0] - plain).abs().max() < 1e-5


# Shared probabilities


def test_many_values_share_the_probabilities_of_one_row(once: Pass):
    """A.V with shared probabilities is the same computed for each row; q and k of one row serve all."""

    def first(view: Any) -> Heads:
        return Heads(view.own.q[:1], view.own.k[:1], view.own.v)

    def each(view: Any) -> Heads:
        return Heads(view.own.q[:1].expand_as(view.own.q), view.own.k[:1].expand_as(view.own.k), view.own.v)

    check(once, Write(SELF, "heads", first, rows=TARGET), Write(SELF, "heads", each, rows=TARGET))
    broadcast = Write(SELF, "probabilities", lambda view: view.own[:1].expand_as(view.own), rows=TARGET)
    check(once, Write(SELF, "heads", first, rows=TARGET), broadcast)


def test_shared_probabilities_can_be_read_and_written(once: Pass):
    shared = Write(SELF, "heads", lambda v: Heads(v.own.q[:1], v.own.k[:1], v.own.v), rows=TARGET)
    maps = {rows: Read(SELF, "probabilities", rows) for rows in (TARGET, SOURCE)}
    _, seen = once.run(shared, maps[TARGET])
    assert all(torch.equal(value[0], value[1]) and len(value) == 2 for value in seen[maps[TARGET]].values())
    _, plain = once.run(maps[SOURCE])
    _, seen = once.run(shared, maps[SOURCE])
    assert all(torch.equal(value, plain[maps[SOURCE]][name]) for name, value in seen[maps[SOURCE]].items())
    same = Write(SELF, "probabilities", lambda view: view.own, rows=TARGET)
    assert (once.run(shared, same)[0] - once.run(shared)[0]).abs().max() < 1e-5


# KV: keys and values replaced, and grown


def test_kv_of_the_source(once: Pass):
    """MasaCtrl: the target asks, the source answers."""

    def mutual(view: Any) -> Heads:
        return Heads(view.own.q, view[SOURCE].k, view[SOURCE].v)

    plain, (out, _) = once.plain(), once.run(Write(SELF, "heads", mutual, rows=TARGET))
    assert torch.equal(out[:2], plain[:2])
    assert not torch.equal(out[2:], plain[2:])
    twins = as_twins(once)
    out = twins.run(Write(SELF, "heads", mutual, rows=TARGET))[0]
    assert torch.equal(out, twins.plain())


def test_kv_in_another_order_are_the_same(once: Pass):
    def turned(view: Any) -> Heads:
        order = torch.arange(view.own.k.shape[2] - 1, -1, -1)
        return Heads(view.own.q, view.own.k[:, :, order], view.own.v[:, :, order])

    assert (once.run(Write(SELF, "heads", turned, rows=TARGET))[0] - once.plain()).abs().max() < 1e-5


def test_kv_a_bank_grows_the_keys(once: Pass):
    """Twice the own keys change nothing; the source's beside them do, and a bias of -inf puts them away again."""

    def bank(view: Any, other: str, bias: float | None = None) -> Heads:
        own, bank = view.own, view[other]
        keys = own.k.shape[2]
        add = None if bias is None else F.pad(torch.zeros(1, 1, 1, keys), (0, keys), value=bias)
        return Heads(own.q, torch.cat([own.k, bank.k], 2), torch.cat([own.v, bank.v], 2), add)

    plain = once.plain()
    out, _ = once.run(Write(SELF, "heads", lambda view: bank(view, TARGET), rows=TARGET))
    assert (out - plain).abs().max() < 1e-5
    maps = Read(SELF, "probabilities", TARGET)
    out, seen = once.run(Write(SELF, "heads", lambda view: bank(view, SOURCE), rows=TARGET), maps)
    assert (out[2:] - plain[2:]).abs().max() > 1e-4
    assert torch.equal(out[:2], plain[:2])
    assert all(value.shape[2] == 2 * value.shape[1] for value in seen[maps].values())
    assert all((value.sum(-1) - 1).abs().max() < 1e-5 for value in seen[maps].values())
    out, _ = once.run(Write(SELF, "heads", lambda view: bank(view, SOURCE, -torch.inf), rows=TARGET))
    assert (out - plain).abs().max() < 1e-5


def test_kv_banks_of_all_rows_and_of_other_passes(once: Pass):
    """Keys and values kept in one pass, given to another; several images folded into the keys of each."""
    kept = Read(SELF, "heads", SOURCE)
    _, seen = once.run(kept)

    def from_bank(view: Any) -> Heads:
        there = seen[kept][view.site.name]
        keys, values = (part.transpose(0, 1).flatten(1, 2).expand(4, -1, -1, -1) for part in (there.k, there.v))
        return Heads(view.own.q, keys, values)

    out, _ = once.run(Write(SELF, "heads", from_bank))
    assert not torch.equal(out, once.plain())
    single = Write(SELF, "heads", lambda view: Heads(view.own.q, view[SOURCE].k, view[SOURCE].v), rows=TARGET)

    def kept_source(view: Any) -> Heads:
        there = seen[kept][view.site.name]
        return replace(view.own, k=there.k, v=there.v)

    again = Write(SELF, "heads", kept_source, rows=TARGET)
    check(once, single, again)


def test_kv_rows_with_more_keys_beside_rows_with_fewer_can_be_read_apart(small: Pass):
    def twice(view: Any) -> Heads:
        return Heads(view.own.q, torch.cat([view.own.k] * 2, 2), torch.cat([view.own.v] * 2, 2))

    from innerlight.taps import TapError

    grown, both = Write("mid.*.0.self", "heads", twice, rows=TARGET), Read("mid.*.0.self", "probabilities")
    with pytest.raises(TapError, match="different numbers of keys cannot be opened together"):
        small.run(grown, both)
    apart = [Read("mid.*.0.self", "probabilities", rows) for rows in (SOURCE, TARGET)]
    _, seen = small.run(grown, *apart[:1])
    assert seen[apart[0]]["mid.s8.0.self"].shape == (2, 2, 2)
    _, seen = small.run(grown, *apart[1:])
    assert seen[apart[1]]["mid.s8.0.self"].shape == (2, 2, 4)


# L: biases and masks on logits


def test_l_masked_mutual_attention_is_one_bias(once: Pass):
    """[N] Foreground asks foreground, background background, blended: one mask that forbids the rest."""

    def outputs(view: Any) -> Tensor:
        own, other = view.own, view[SOURCE]
        there, here = halves(view, SOURCE), halves(view, TARGET)
        found = [
            F.scaled_dot_product_attention(own.q, other.k[:, :, keys], other.v[:, :, keys]) for keys in (there, ~there)
        ]
        return torch.where(here[:, None], *found)

    def masked(view: Any) -> Heads:
        allowed = halves(view, TARGET)[:, None] == halves(view, SOURCE)[None, :]
        return Heads(view.own.q, view[SOURCE].k, view[SOURCE].v, allowed[None, None])

    found: dict[str, Tensor] = {}
    sites = [site.name for site in once.backbone.sites.select("appearance.self")][:1]
    plain = once.plain()

    def keep(view: Any) -> Heads:
        found[view.site.name] = outputs(view)
        return masked(view)

    mixed = Read(sites, "mixed", TARGET)
    out, seen = once.run(Write(sites, "heads", keep, rows=TARGET), mixed)
    assert (seen[mixed][sites[0]] - found[sites[0]]).abs().max() < 1e-6
    assert torch.equal(out[:2], plain[:2])
    assert not torch.equal(out[2:], plain[2:])


def test_l_a_bias_on_heads_is_a_bias_on_logits(once: Pass):
    """Constant biases go to the fused kernel; those that depend on the logits are written in the open."""

    def bias(view: Any) -> Tensor:
        keys = view.own.k.shape[2] if isinstance(view.own, Heads) else view.own.shape[-1]
        return torch.where(torch.arange(keys) % 2 == 0, 2.0, 0.0)[None, None, None]

    fused = Write([SELF, TEXT], "heads", lambda view: replace(view.own, bias=bias(view)), rows=TARGET)
    opened = Write([SELF, TEXT], "logits", lambda view: view.own + bias(view), rows=TARGET)
    check(once, fused, opened, tolerance=4e-6)


def test_l_modulation_by_row_statistics_is_a_scaled_query_and_a_bias(once: Pass):
    """[N] DenseDiffusion: both formulas, with maxima and minima over the keys of each query."""
    share = 0.3

    def region(view: Any) -> Tensor:
        return (torch.arange(view.own.shape[-1]) % 3 == 0).float()

    def published(view: Any) -> Tensor:
        logits, inside = view.own, region(view)
        top, low = logits.amax(-1, keepdim=True), logits.amin(-1, keepdim=True)
        return logits + inside * share * (top - logits) - (1 - inside) * share * (logits - low)

    def cheaper(view: Any) -> Tensor:
        spread = view.own.amax(-1, keepdim=True) - view.own.amin(-1, keepdim=True)
        return (1 - share) * view.own + share * spread * region(view)

    check(once, *(Write([SELF, TEXT], "logits", change, rows=TARGET) for change in (published, cheaper)))
    nothing = Write([SELF, TEXT], "heads", lambda view: view.own, rows=TARGET, when=lambda moment: moment.step > 5)
    assert torch.equal(once.run(nothing)[0], once.plain())


def test_l_a_contrast_of_the_map(once: Pass):
    """Cross-Image Attention's: c (A - 1/N) + 1/N, clipped; c = 1 leaves the map."""

    def contrast(strength: float) -> Write:
        def change(view: Any) -> Tensor:
            mean = 1 / view.own.shape[-1]
            return (strength * (view.own - mean) + mean).clamp(0, 1)

        return Write(SELF, "probabilities", change, rows=TARGET)

    plain = once.plain()
    assert (once.run(contrast(1.0))[0] - plain).abs().max() < 1e-5
    assert (once.run(contrast(1.67))[0][2:] - plain[2:]).abs().max() > 1e-5


# O: outputs


def test_o_outputs_are_blended_after_the_values(once: Pass):
    """Half of the source's output in every cell is one call with half of its projection."""
    before = Write(SELF, "mixed", lambda view: (view.own + view[SOURCE]) / 2, rows=TARGET)
    after = Write(SELF, "output", lambda view: (view.own + view[SOURCE]) / 2, rows=TARGET)
    check(once, before, after)


def test_o_an_offset_on_some_cells_after_the_projection(once: Pass):
    """As the recognition cards want it: a constant times a mask, at the semantic level."""

    def offset(sign: float) -> Write:
        def change(view: Any) -> Tensor:
            return view.own + sign * 10 * halves(view, TARGET)[None, :, None].float()

        return Write("up.s4.2.text", "output", change, rows=TARGET)

    plain, up, down = once.plain(), once.run(offset(1))[0], once.run(offset(-1))[0]
    assert torch.equal(up[:2], plain[:2])
    assert (up[2:] - down[2:]).abs().max() > 1e-4


# H: inputs


def test_h_gathering_inputs_is_gathering_projections(once: Pass):
    """[N] Eye-for-an-Eye: projections are linear, so cells can be exchanged before them or behind."""

    def order(cells: int) -> Tensor:
        return torch.randperm(cells, generator=torch.Generator().manual_seed(cells))

    def inputs(view: Any) -> Tensor:
        return view[SOURCE][:, order(view.own.shape[1])]

    def projected(view: Any) -> Heads:
        parts = (view[SOURCE].q, view[SOURCE].k, view[SOURCE].v)
        return Heads(*(part[:, :, order(part.shape[2])] for part in parts))

    check(once, Write(SELF, "input", inputs, rows=TARGET), Write(SELF, "heads", projected, rows=TARGET))


# C: contexts


def test_c_a_mean_of_value_contexts_is_a_mean_of_outputs(once: Pass):
    """[N] Structured Diffusion: attention is linear in its values; the map of the first site stays as it is."""
    states = [once.context.states[2:], once.context.states[2:].flip(0), once.context.states[:2]]
    mean = torch.stack(states).mean(0)
    site = once.backbone.sites.select("*.text")[0].name
    outputs = Read(site, "output", TARGET)
    each = []
    for one in states:
        _, seen = once.run(Write(site, "value_context", lambda view, one=one: one, rows=TARGET), outputs)
        each.append(seen[outputs][site])
    maps = Read(site, "probabilities", TARGET)
    _, plain = once.run(maps)
    out, seen = once.run(Write("*.text", "value_context", lambda view: mean, rows=TARGET), outputs, maps)
    assert torch.allclose(seen[outputs][site], torch.stack(each).mean(0), atol=1e-6)
    assert torch.equal(seen[maps][site], plain[maps][site])
    assert torch.equal(out[:2], once.plain()[:2])


def test_c_one_context_everywhere_is_another_prompt(once: Pass):
    """Written at every site, or given to the network: the same."""
    swapped = once.context.with_states(once.context.states.flip(0))
    if once.context.pooled is not None:
        swapped = replace(swapped, pooled=once.context.pooled)
    expected = replace(once, context=swapped).plain()
    written, _ = once.run(Write("*.text", "context", lambda view: view.own.flip(0)))
    assert torch.equal(written, expected)


def test_c_each_site_and_step_may_have_a_context_of_its_own(once: Pass):
    """Extended Textual Inversion, style mixing, null-text: by name of the site, by step as it is told."""
    sites = [site.name for site in once.backbone.sites.select("*.text")]
    table = {name: once.context.states + 0.01 * number for number, name in enumerate(sites)}
    asked: list[tuple[int, str]] = []

    def change(view: Any) -> Tensor:
        asked.append((view.moment.step, view.site.name))
        return table[view.site.name][list(view.writes)] * (1 + view.moment.step)

    seen_contexts = Read("*.text", "key_context")
    for step in (0, 2):
        _, seen = once.run(Write("*.text", "context", change, rows=TARGET), seen_contexts, step=step)
        for name in sites:
            found = seen[seen_contexts][name]
            assert torch.equal(found[2:], table[name][2:] * (1 + step))
            assert torch.equal(found[:2], once.context.states[:2])
    assert [name for step, name in asked if step == 0][::2] == sites


def test_c_contexts_of_any_length(once: Pass):
    """All rows at once: a context of three tokens, or of two hundred."""
    for length in (1, 3, 200):
        states = torch.randn(4, length, once.context.states.shape[-1], generator=torch.Generator().manual_seed(1))
        given = replace(once, context=once.context.with_states(states)).plain()
        written, _ = once.run(Write("*.text", "context", lambda view, states=states: states))
        assert torch.equal(written, given)
        maps = Read("*.text", "probabilities")
        _, seen = once.run(Write("*.text", "context", lambda view, states=states: states), maps)
        assert {value.shape[-1] for value in seen[maps].values()} == {length}


# F: features


@pytest.mark.parametrize("kind", ["residual", "output", "incoming", "skip"])
def test_f_features_of_the_source(once: Pass, kind: str):
    """Plug-and-Play: the target goes on with what the source had; twins do not notice."""
    where = f"up.s4.1.{kind}" if kind in ("residual", "skip") else f"up.s4.0.{kind}"
    copied = Write(where, "features", lambda view: view[SOURCE], rows=TARGET)
    plain, (out, _) = once.plain(), once.run(copied)
    assert torch.equal(out[:2], plain[:2])
    assert (out[2:] - plain[2:]).abs().max() > 1e-4
    twins = as_twins(once)
    assert torch.equal(twins.run(copied)[0], twins.plain())


def test_f_the_residual_branch_is_what_is_added_to_the_skip(small: Pass):
    """Without its branch a residual block passes on what came in (widths are equal there)."""
    block = small.backbone.unet.mid_block.resnets[1]
    shown: list[tuple[Tensor, Tensor]] = []
    handle = block.register_forward_hook(lambda module, args, output: shown.append((args[0], output)))
    with handle:
        small.run(Write("mid.s8.1.residual", "features", lambda view: torch.zeros_like(view.own)))
    (came, went) = shown[0]
    assert torch.equal(came, went)


def test_f_what_enters_a_block_is_scaled(once: Pass):
    """Half of the channels of the state from below, and the skips, as FreeU scales them."""

    def scaled(state: Tensor) -> Tensor:
        half = state.shape[1] // 2
        return torch.cat([1.4 * state[:, :half], state[:, half:]], 1)

    def given(module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        skips = tuple(0.9 * skip for skip in kwargs["res_hidden_states_tuple"])
        return args, {**kwargs, "hidden_states": scaled(kwargs["hidden_states"]), "res_hidden_states_tuple": skips}

    path = once.backbone.sites["up.s4.0.incoming"].path
    with once.backbone.unet.get_submodule(path).register_forward_pre_hook(given, with_kwargs=True):
        expected = once.plain()
    state = Write("up.s4.0.incoming", "features", lambda view: scaled(view.own))
    skips = Write("up.s4.*.skip", "features", lambda view: 0.9 * view.own)
    out, _ = once.run(state, skips)
    assert (out - expected).abs().max() < 1e-5


# A mask from maps, a read that a write uses


def test_a_write_may_use_what_was_read_at_an_earlier_site(once: Pass):
    """Order inside a pass: what the encoder's maps say decides on the decoder's."""
    mass = Read("mid.*.0.self", "probabilities", TARGET, reduce=KeyMass())
    used: list[Tensor] = []
    with tapped(once.backbone.sites, mass) as seen:

        def change(view: Any) -> Tensor:
            used.append(next(iter(seen[mass].values())))
            return view.own

        with tapped(once.backbone.sites, Write("up.s4.0.text", "mixed", change, rows=TARGET)):
            once.plain()
    assert used[0].shape[0] == 2


def test_a_head_mean_is_what_a_sum_of_heads_is_not(backbone: Backbone):
    """Constants of the cards multiply means over heads, so that they carry over to other widths."""
    once, read = a_pass(backbone), Read("*.self", "probabilities", reduce=HeadMean())
    _, seen = once.run(read)
    assert all(float(value.max()) <= 1 for value in seen[read].values())


# The edge: encoder features without the decoder (E4T)


def test_the_encoders_features_without_the_decoder(once: Pass):
    read = Read(["down.*.output", "mid.*.output"])
    out = torch.empty(0)
    with tapped(once.backbone.sites, read, stop=True) as seen:
        out = once.plain()
    assert out.numel() == 0
    levels = len(once.backbone.unet.down_blocks)
    assert len(seen[read]) == levels + 1
