"""What is kept of probabilities, against a plain softmax of the q and k there; and what is kept over passes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from passes import ATTENTION, Pass, a_pass, own, tiny, traces
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from innerlight.backbones import Backbone
from innerlight.taps import (
    Columns,
    Everything,
    HeadMean,
    Heads,
    KeyMass,
    Moment,
    Read,
    Reducer,
    Rows,
    TapError,
    TopKeys,
    Write,
    heads,
    planned_bytes,
    tapped,
)
from innerlight.types import InputError, NotFoundError


def softmax(found: Heads) -> Tensor:
    """Another writing of attention: (rows, heads, queries, keys), in double precision."""
    q, k = found.q.double(), found.k.double()
    powers = torch.exp(torch.einsum("rhqd,rhkd->rhqk", q, k) / q.shape[-1] ** 0.5)
    return (powers / powers.sum(-1, keepdim=True)).float()


def top(p: Tensor) -> Tensor:
    values, keys = p.mean(1).sort(dim=-1, descending=True)
    return torch.stack([keys.float(), values], dim=2)[..., :2]


EXPECTED: dict[Reducer, Any] = {
    HeadMean(): lambda p: p.mean(1),
    Columns((1, 0)): lambda p: p.mean(1)[..., [1, 0]],
    Columns((1,), heads=True): lambda p: p[..., 1:2],
    KeyMass(): lambda p: p.mean(1).sum(1),
    TopKeys(2): top,
    Everything(): lambda p: p,
}
REDUCERS = pytest.mark.parametrize("reducer", EXPECTED, ids=repr)


@pytest.fixture(params=[None, 60, 1], ids=["whole", "chunks", "a query at a time"])
def cells(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """How many logits are in the open at a time."""
    if request.param is not None:
        monkeypatch.setattr(heads, "CELLS", request.param)
    return request.param


@REDUCERS
def test_a_reducer_is_what_it_says_of_a_plain_softmax(once: Pass, reducer: Reducer, cells: int | None):
    where = ["semantic.self", "semantic.text", "mid.*.0.self"]
    kept, inside = Read(where, "probabilities", reduce=reducer), Read(where, "heads")
    _, seen = once.run(kept, inside)
    for name, value in seen[kept].items():
        q, k = seen[inside][name].q, seen[inside][name].k
        assert tuple(value.shape) == reducer.shape((*q.shape[:3], k.shape[2]))
        assert value.dtype == torch.float32
        expected = EXPECTED[reducer](softmax(seen[inside][name]))
        if isinstance(reducer, TopKeys):  # ties may come in another order
            assert torch.allclose(value[:, :, 1], expected[:, :, 1], atol=1e-5)
            found = softmax(seen[inside][name]).mean(1).gather(-1, value[:, :, 0].long())
            assert torch.allclose(found, expected[:, :, 1], atol=1e-5)
        else:
            assert torch.allclose(value, expected, atol=1e-5)


@pytest.mark.parametrize("rows", ["cond", None])
def test_probabilities_sum_to_one(either: Pass, rows: str | None):
    means, masses = Read(ATTENTION, "probabilities", rows), Read(ATTENTION, "probabilities", rows, reduce=KeyMass())
    _, seen = either.run(means, masses)
    for name, value in seen[means].items():
        assert len(value) == (2 if rows else 4)
        assert (value.sum(-1) - 1).abs().max() < 1e-5
        assert torch.allclose(seen[masses][name], value.sum(1), atol=1e-4)
        if name.endswith("self"):
            assert torch.allclose(seen[masses][name].mean(-1), torch.ones(len(value)), atol=1e-5)


def test_a_mean_of_probabilities_in_half_precision_is_a_softmax_in_full(once: Pass, either: Pass):
    kept, inside = Read("*.self", "probabilities"), Read("*.self", "heads")
    _, seen = either.run(kept, inside)
    assert all(torch.allclose(v, softmax(seen[inside][n]).mean(1), atol=1e-5) for n, v in seen[kept].items())


@pytest.mark.parametrize("what", ["logits", "probabilities"])
def test_writes_see_every_query_once(small: Pass, what: str, cells: int | None):
    """A write that turns each query's keys around, in chunks as in one."""
    site = "mid.*.0.text"
    slices: list[slice] = []

    def change(view: Any) -> Tensor:
        slices.append(view.queries)
        assert view.own.shape[2] == view.queries.stop - view.queries.start
        return view.own.flip(-1)

    read, inside = Read(site, "probabilities", reduce=Everything()), Read(site, "heads")
    _, seen = small.run(Write(site, what, change, rows="cond"), read, inside)
    assert [query for one in slices for query in range(one.start, one.stop)] == list(range(2))
    ((name, value),) = seen[read].items()
    expected = softmax(seen[inside][name])
    assert torch.allclose(value, torch.cat([expected[:2], expected[2:].flip(-1)]), atol=1e-5)


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        sizes = [leaf.untyped_storage().nbytes() for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        self.bytes = max([self.bytes, *sizes])
        return out


@pytest.mark.parametrize(
    ("reducer", "kept"), [(KeyMass(), 1), (TopKeys(2), 4), (Columns((0, 5)), 2), (HeadMean(), 384)], ids=repr
)
@pytest.mark.parametrize("rows", ["cond", None])
def test_the_full_tensor_is_never_there(monkeypatch: pytest.MonkeyPatch, reducer: Reducer, kept: int, rows: str | None):
    once, number = a_pass(tiny("sd15"), size=(16, 24)), 4 if rows is None else 2
    read = Read("up.s1.*.self", "probabilities", rows, reduce=reducer, keep="sum")
    write = Write("up.s1.*.self", "probabilities", own, "uncond")
    monkeypatch.setattr(heads, "CELLS", 5000)
    with Largest() as plain:
        once.plain()
    with Largest() as seen:
        once.run(read, write, times=2)
    full = 4 * number * 2 * 384 * 384  # bytes of rows x heads x N x N
    assert seen.bytes <= max(plain.bytes, 4 * number * 384 * kept)
    assert seen.bytes <= full / 2


def test_it_is_there_for_those_who_ask(small: Pass):
    read = Read("mid.*.0.self", "probabilities", reduce=Everything())
    _, seen = small.run(read)
    assert seen[read]["mid.s8.0.self"].shape == (4, 2, 2, 2)


# Plans

PLANNED = [
    *(Read(ATTENTION, what) for what in ("input", "key_context", "value_context", "heads", "mixed", "output")),
    *(Read(ATTENTION, "probabilities", reduce=reducer, rows="cond") for reducer in EXPECTED),
    Read("*.self", "probabilities", pool="grid"),
    Read(ATTENTION, "output", keep="all", pool="grid", rows="uncond"),
    Read(["*.residual", "*.output", "*.incoming", "*.skip"]),
    Read("*.output", when=lambda moment: moment.step > 5),
    Read("*.output", rows="target"),
]


def kept_bytes(value: Any) -> int:
    if isinstance(value, Heads):
        return kept_bytes([value.q, value.k, value.v])
    return sum(map(kept_bytes, value)) if isinstance(value, list) else value.numel() * value.element_size()


def test_a_plan_is_what_will_be_kept(either: Pass):
    for read in PLANNED:
        _, seen = either.run(read)
        moment = Moment(3, 10, 500, rows=either.moment.rows, latent=(8, 12))
        context, number = tuple(either.context.states.shape[1:]), either.backbone.dtype.itemsize
        planned = planned_bytes(either.backbone.sites, [read], moment, context, number)
        assert planned == sum(map(kept_bytes, seen[read].values())), read


def test_more_than_max_bytes_is_refused_before_the_pass(once: Pass):
    read, ran = Read("*.self", "probabilities", reduce=Everything()), []
    handle = once.backbone.unet.conv_in.register_forward_hook(lambda *rest: ran.append(1))
    planned = planned_bytes(once.backbone.sites, [read], Moment(rows=once.moment.rows, latent=(8, 12)))
    with handle:
        with tapped(once.backbone.sites, read, max_bytes=planned) as seen:
            once.plain()
        assert sum(map(kept_bytes, seen[read].values())) == planned
        ran.clear()
        limit = rf"{planned / 1e6:.3g} MB.*max_bytes \({(planned - 1) / 1e6:.3g} MB\).*HeadMean"
        with tapped(once.backbone.sites, read, max_bytes=planned - 1), pytest.raises(InputError, match=limit):
            once.plain()
    assert ran == []


# What is kept over passes and sites


def over_passes(one: Pass, **how: Any) -> tuple[Any, list[dict[str, Tensor]]]:
    """What is kept of three passes, and each pass's own values."""
    read, each = Read("*.text", "probabilities", rows="cond", **how), []
    with tapped(one.backbone.sites, read) as seen:
        for step in range(3):
            now = Read("*.text", "probabilities", rows="cond")
            with tapped(one.backbone.sites, now) as alone:
                one.backbone.denoise(one.latents * (1 + step), 500, one.context, one.moment)
            each.append(dict(alone[now]))
        return (seen[read], seen.counts(read)), each


def test_last_mean_sum_and_all(once: Pass):
    (last, counts), each = over_passes(once)
    assert all(torch.equal(value, each[-1][name]) for name, value in last.items())
    assert set(counts.values()) == {1}
    (total, counts), each = over_passes(once, keep="sum")
    assert all(torch.allclose(v, sum(one[n] for one in each), atol=1e-6) for n, v in total.items())
    assert set(counts.values()) == {3}
    (mean, _), _ = over_passes(once, keep="mean")
    assert all(torch.allclose(value, total[name] / 3, atol=1e-6) for name, value in mean.items())
    (listed, counts), each = over_passes(once, keep="all")
    assert all(torch.equal(v, each[k][name]) for name, values in listed.items() for k, v in enumerate(values))
    assert all(len(values) == 3 for values in listed.values())
    assert set(counts.values()) == {3}


def test_sites_of_one_grid_are_pooled(once: Pass):
    sites = once.backbone.sites
    (pooled, counts), each = over_passes(once, keep="sum", pool="grid")
    grids = {name: sites[name].grid((8, 12)) for name in each[0]}
    assert set(pooled) == set(grids.values())
    for grid, value in pooled.items():
        members = [name for name in grids if grids[name] == grid]
        assert torch.allclose(value, sum(one[name] for one in each for name in members), atol=1e-5)
        assert counts[grid] == 3 * len(members)
    (mean, counts), _ = over_passes(once, keep="mean", pool="grid")
    assert all(torch.allclose(value, pooled[grid] / counts[grid], atol=1e-6) for grid, value in mean.items())
    (last, counts), each = over_passes(once, pool="grid")
    for grid, value in last.items():
        members = [name for name in grids if grids[name] == grid]
        assert torch.allclose(value, sum(each[-1][name] for name in members), atol=1e-5)
        assert counts[grid] == len(members), "of the last pass only"


def test_a_pass_without_its_rows_takes_nothing_from_a_read(small: Pass):
    read = Read("mid.*.0.self", "input", rows="cond")
    with tapped(small.backbone.sites, read) as seen:
        small.plain()
        before = seen[read]["mid.s8.0.self"]
        small.plain(rows=Rows(("uncond", "other"), 2), passing="extra")
        assert seen[read]["mid.s8.0.self"] is before
        assert seen.counts(read) == {"mid.s8.0.self": 1}


@pytest.mark.parametrize("what", ["input", "key_context", "value_context", "mixed", "output", "features"])
@pytest.mark.parametrize("pool", ["site", "grid"])
def test_sums_are_not_the_networks_own_tensors(once: Pass, what: str, pool: Any):
    """What is added to is a copy: the passes come out as if nobody had looked, and so do other reads."""
    where = ["*.self"] if what != "features" else ["mid.*.residual", "down.*.0.residual"]
    plain = once.plain()
    total, twin, last = (Read(where, what, keep=keep, pool=pool) for keep in ("sum", "sum", "last"))
    site = Read(where, what)
    with tapped(once.backbone.sites, total, twin, last, site) as seen:
        outs = [once.plain() for _ in range(3)]
    assert all(torch.equal(out, plain) for out in outs)
    for key, value in seen[total].items():
        assert torch.equal(value, seen[twin][key])
        assert torch.allclose(value, 3 * seen[last][key], atol=1e-5)
    _, alone = once.run(site)
    assert all(torch.equal(value, alone[site][name]) for name, value in seen[site].items())


@REDUCERS
def test_two_reads_of_one_thing_do_not_share_it(small: Pass, reducer: Reducer):
    one, other, last = (Read("semantic.self", "probabilities", reduce=reducer, keep=k) for k in ("sum", "sum", "last"))
    _, seen = small.run(one, other, last, times=2)
    for name, value in seen[one].items():
        assert torch.allclose(value, 2 * seen[last][name], atol=1e-5)
        assert torch.equal(value, seen[other][name])


def test_a_reducer_of_ones_own_may_give_a_window_on_the_chunk(small: Pass):
    class FirstHead:
        axis = 1

        def shape(self, full: tuple[int, int, int, int]) -> tuple[int, ...]:
            return full[0], full[2], full[3]

        def part(self, chunk: Tensor) -> Tensor:
            return chunk[:, 0]

    one, whole = (Read("mid.*.0.self", "probabilities", reduce=r) for r in (FirstHead(), Everything()))
    _, seen = small.run(one, whole)
    value = seen[one]["mid.s8.0.self"]
    assert torch.equal(value, seen[whole]["mid.s8.0.self"][:, 0])
    assert value.untyped_storage().nbytes() == value.numel() * 4, "the window does not keep the whole"


@pytest.fixture
def with_freeu(small: Pass) -> Pass:
    other = small.backbone.copy()
    other.unet.enable_freeu(s1=0.9, s2=0.2, b1=1.4, b2=1.6)
    return Pass(other, small.latents, small.context, small.moment)


def test_a_network_that_writes_in_place_does_not_reach_what_was_read(with_freeu: Pass):
    """FreeU scales the state that enters a block where it stands."""
    incoming, below = Read("up.s4.0.incoming"), Read("up.s8.0.output")
    _, seen = with_freeu.run(incoming, below)
    handle = with_freeu.backbone.unet.up_blocks[1].register_forward_pre_hook(
        lambda module, args, kwargs: states.append(kwargs["hidden_states"].clone()), with_kwargs=True
    )
    states: list[Tensor] = []
    with handle:
        with_freeu.plain()
    assert torch.equal(seen[incoming]["up.s4.0.incoming"], states[0])
    assert torch.equal(seen[below]["up.s8.0.output"], states[0])


# Refusals


@pytest.mark.parametrize("what", ["features", "another size"])
def test_what_has_another_shape_is_not_added(small: Pass, what: str):
    if what == "features":
        with pytest.raises(TapError, match=r"shape \(4, 32, 2, 3\) cannot be added to \(4, 16, 2, 3\).*pool='site'"):
            small.run(Read(["down.s2.0.output", "down.s4.0.residual"], pool="grid"))
    else:
        read, wide = Read("mid.*.0.self", "input", keep="sum"), torch.cat([small.latents] * 2, -1)
        with tapped(small.backbone.sites, read):
            small.plain()
            with pytest.raises(TapError, match=r"\(4, 3, 32\).*\(4, 2, 32\).*'all'"):
                small.backbone.denoise(wide, 500, small.context, small.moment)
    assert not traces(small.backbone)


@pytest.mark.parametrize(
    ("reducer", "message"),
    [(Columns((77,)), "0 to 76"), (Columns((-1,)), "0 to 76"), (Columns((0, 10**9)), "0 to 76")],
)
def test_tokens_that_are_not_there_are_refused(backbone: Backbone, reducer: Reducer, message: str):
    with pytest.raises(InputError, match=message):
        a_pass(backbone).run(Read("*.text", "probabilities", reduce=reducer))


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_of_no_keys_is_refused(count: int):
    with pytest.raises(InputError, match="at least 1"):
        TopKeys(count)


def test_more_keys_than_there_are_is_all_of_them(small: Pass):
    read = Read("mid.*.0.self", "probabilities", reduce=TopKeys(10**6))
    assert small.run(read)[1][read]["mid.s8.0.self"].shape == (4, 2, 2, 2)


def test_a_read_of_another_block_is_refused(small: Pass):
    with tapped(small.backbone.sites, Read("match")) as seen, pytest.raises(NotFoundError, match="not among"):
        seen[Read("match", name="the map")]


@pytest.mark.parametrize("how", [{"keep": "sum"}, {"keep": "mean"}, {"pool": "grid"}])
def test_heads_cannot_be_added_up(how: dict[str, Any]):
    with pytest.raises(InputError, match="one by one"):
        Read("*.self", "heads", **how)
