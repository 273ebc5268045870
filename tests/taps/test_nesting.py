"""Blocks nest, a write may run a network of its own, and threads do not see each other's taps."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from passes import ATTENTION, FAMILIES, FEATURES, Pass, a_pass, own, tiny, traces
from torch import Tensor

from innerlight.taps import Everything, HeadMean, Read, TapError, Write, tapped


def test_blocks_nest(once: Pass):
    outer, inner = Read("*.self", "probabilities"), Read("*.self", "probabilities", keep="all")
    with tapped(once.backbone.sites, outer) as first:
        once.plain()
        early = dict(first[outer])
        with tapped(once.backbone.sites, inner, Write("mid.*.0.text", "output", lambda view: -view.own)) as second:
            once.plain()
            once.plain()
        assert all(len(values) == 2 for values in second[inner].values())
        last = [name for name in early if name.startswith("up")][-1]
        assert torch.equal(first[outer][last], second[inner][last][-1]), "the outer block saw the same passes"
        assert not torch.equal(first[outer][last], early[last]), "and what the inner one wrote"
        out = once.plain()
        assert torch.equal(first[outer][last], early[last]), "which is over"
        assert torch.equal(out, once.plain())
    assert not traces(once.backbone)


def test_writes_of_two_blocks_add_up_and_do_not_outlive_them(small: Pass):
    site, read = "up.s4.0.self", Read("up.s4.0.self", "mixed")

    def twice(view: Any) -> Tensor:
        return 2 * view.own

    with tapped(small.backbone.sites, Write(site, "mixed", twice, rows="cond")):
        _, seen = small.run(Write(site, "mixed", twice, rows="uncond"), read)
        both = seen[read][site]
        _, seen = small.run(read)
        one = seen[read][site]
    _, seen = small.run(read)
    assert torch.equal(both, 2 * seen[read][site])
    assert torch.equal(one, torch.cat([seen[read][site][:2], both[2:]]))


def test_a_stop_ends_the_block_that_asked_for_it(small: Pass):
    read, late = Read("mid.*.0.self", "input"), Read("up.s1.2.text", "input")
    sites, after = small.backbone.sites, []
    with tapped(sites, read, stop=True) as outer:
        with tapped(sites, late) as inner:
            small.plain()
            after.append("inner")
        after.append("outer")
    assert after == []
    assert (len(outer[read]), len(inner[late])) == (1, 0)
    with tapped(sites, late) as outer:
        with tapped(sites, read, stop=True) as inner:
            small.plain()
        after.append("the outer goes on")
        small.plain()
    assert after
    assert (len(inner[read]), len(outer[late])) == (1, 1)
    assert not traces(small.backbone)


@pytest.mark.parametrize("what", ["input", "key_context", "heads", "logits", "probabilities", "mixed", "output"])
def test_a_write_may_run_another_network_with_taps(small: Pass, what: str):
    other = a_pass(tiny("sdxl", seed=3), images=1)
    read, wanted = Read("semantic.self", "probabilities"), Read("*.self", "probabilities")
    _, expected = other.run(read)
    plain = small.plain()
    _, around = small.run(wanted)
    found: list[Tensor] = []

    def change(view: Any) -> Any:
        _, seen = other.run(read, stop=True)
        with pytest.raises(ZeroDivisionError):
            other.run(Write("mid.*.0.self", "heads", lambda view: 1 / 0))
        found.append(next(iter(seen[read].values())))
        return view.own

    out, seen = small.run(Write("mid.*.0.self", what, change), wanted)
    assert (out - plain).abs().max() < 1e-5
    assert all(torch.equal(value, next(iter(expected[read].values()))) for value in found)
    assert all((seen[wanted][name] - value).abs().max() < 1e-5 for name, value in around[wanted].items())
    assert not traces(small.backbone)
    assert not traces(other.backbone)


def test_a_write_may_run_the_same_network_again(small: Pass):
    """In a pass of another name, for which it does not apply."""
    read = Read("up.*.self", "probabilities", when=lambda moment: moment.passing == "main")
    _, before = small.run(read)
    passes: list[Tensor] = []

    def change(view: Any) -> Any:
        passes.append(small.plain(passing="extra"))
        return view.own

    out, seen = small.run(
        Write("mid.*.0.self", "heads", change, when=lambda moment: moment.passing == "main"), read
    )  # fmt: skip
    assert torch.equal(passes[0], small.plain())
    assert torch.equal(out, small.plain())
    assert all(torch.equal(seen[read][name], value) for name, value in before[read].items())
    assert not traces(small.backbone)


def test_two_networks_do_not_share_taps(small: Pass):
    other = a_pass(tiny("sd15", seed=1))
    read = Read("*.self", "input")
    with tapped(small.backbone.sites, read) as seen:
        other.plain()
        assert len(seen[read]) == 0
        with pytest.raises(TapError, match="outside a forward"):
            small.backbone.unet.mid_block.attentions[0].transformer_blocks[0].attn1(torch.zeros(1, 4, 32))


# Threads

Work = Callable[[Pass], Any]


def works() -> list[Work]:
    """What threads do at once, on one network: look at this, write that, stop here, do nothing."""

    def read(one: Pass) -> Any:
        item = Read("*.self", "probabilities", rows="cond", reduce=HeadMean(), keep="sum")
        _, seen = one.run(item, times=2)
        return dict(seen[item])

    def all_heads(one: Pass) -> Any:
        item = Read("*.text", "probabilities", rows="uncond", reduce=Everything())
        _, seen = one.run(item)
        return dict(seen[item])

    def features(one: Pass) -> Any:
        item = Read(FEATURES)
        _, seen = one.run(item)
        return dict(seen[item])

    def write(one: Pass) -> Any:
        return one.run(Write(ATTENTION, "mixed", lambda view: -view.own, rows="cond"))[0]

    def skips(one: Pass) -> Any:
        return one.run(Write(["*.skip", "*.incoming"], "features", lambda view: view.own.flip(-1), rows="uncond"))[0]

    def stop(one: Pass) -> Any:
        item = Read("mid.*.0.self", "heads")
        _, seen = one.run(item, stop=True)
        return {name: heads.k for name, heads in seen[item].items()}

    def fail(one: Pass) -> Any:
        with pytest.raises(ZeroDivisionError):
            one.run(Write("up.s4.0.text", "heads", lambda view: 1 / 0))
        return one.plain()

    def nothing(one: Pass) -> Any:
        return one.plain()

    return [read, all_heads, features, write, skips, stop, fail, nothing]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())
    return torch.equal(one, other)


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("family", FAMILIES)
def test_threads_on_one_network_do_not_see_each_others_taps(family: str, hurried: None):
    once = a_pass(tiny(family), images=1)
    tasks = works()
    expected = [work(once) for work in tasks]
    start = threading.Barrier(len(tasks))

    def run(number: int) -> bool:
        start.wait()
        with torch.no_grad():
            return all(same(tasks[number](once), expected[number]) for _ in range(3))

    with ThreadPoolExecutor(len(tasks)) as pool:
        results = list(pool.map(run, range(len(tasks))))
    assert results == [True] * len(tasks)
    assert not traces(once.backbone)


def test_taps_may_open_and_close_while_another_thread_is_inside(hurried: None):
    """Hooks come and go on modules that run: a thread without taps of its own never notices."""
    once = a_pass(tiny("sd15"), images=1)
    plain, done, wrong = once.plain(), threading.Event(), []

    def passes() -> None:
        try:
            with torch.no_grad():
                for _ in range(25):
                    assert torch.equal(once.plain(), plain)
                    assert torch.equal(once.run(Write("mid.*.0.self", "heads", own))[0], plain)
        except Exception as error:
            wrong.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=passes)
    thread.start()
    while not done.is_set():
        with tapped(once.backbone.sites, Read(ATTENTION, "heads"), Read(FEATURES)):
            pass
    thread.join()
    assert not wrong
    assert not traces(once.backbone)


@pytest.mark.parametrize("path", ["", "up_blocks.0", "mid_block.attentions.0.transformer_blocks.0.attn1"])
def test_hooks_taken_off_between_their_call_and_torchs_look_at_them_are_silent(small: Pass, path: str):
    """Torch lists the hooks of a module, then looks up how to call each: another thread may come between."""
    plain, module = small.plain(), small.backbone.unet.get_submodule(path)
    block = tapped(small.backbone.sites, Read(ATTENTION, "heads"), Read(FEATURES))
    handle = module.register_forward_pre_hook(lambda module, args: block.__exit__(None, None, None) or None)
    with handle:  # it runs before those of the block
        block.__enter__()
        assert torch.equal(small.plain(), plain)
    assert not traces(small.backbone)
