"""The hooks: put on the modules that open taps name, taken off with the last of them; silent in every other thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from innerlight.taps.heads import Heads, attend, together
from innerlight.taps.moment import Moment, now, told
from innerlight.taps.reducers import HeadMean, Whole
from innerlight.taps.sites import ATTENTION, Site, Sites
from innerlight.taps.tapping import (
    CONTEXTS,
    FEATURE,
    INSIDE,
    OPENED,
    Read,
    Stopped,
    Tap,
    TapError,
    View,
    Write,
    finite,
    open_taps,
    rows_of,
)

ENTRY = ("incoming", "skip")  # features that a block is given


@dataclass
class _Forward:
    """One forward of a network in one thread; `outer`: the one whose write runs it, if one does."""

    sites: Sites
    outer: _Forward | None
    moment: Moment
    ends: dict[int, Tap] = field(default_factory=dict)  # by place in the order of execution: taps that end there
    mode: _Inside | None = None  # of the attention module that runs


_forward: ContextVar[_Forward | None] = ContextVar("innerlight_forward", default=None)


@dataclass
class _Wires:
    """Hooks on one network, and how many taps want each."""

    lock: Any = field(default_factory=threading.Lock)
    wanted: dict[str, int] = field(default_factory=dict)
    handles: dict[str, list[Any]] = field(default_factory=dict)


_wires: WeakKeyDictionary[Sites, _Wires] = WeakKeyDictionary()
_ROOT = ""


@contextmanager
def wired(sites: Sites, names: Iterable[str]) -> Iterator[None]:
    """While open, the named sites have hooks."""
    wires = _wires.setdefault(sites, _Wires())
    wanted = dict.fromkeys([_ROOT, *(_place(sites[name]) for name in names)])
    taken: list[str] = []
    before = _forward.get()
    try:
        with wires.lock:
            for name in wanted:
                if name not in wires.handles:
                    wires.handles[name] = _hook(sites, name)
                wires.wanted[name] = wires.wanted.get(name, 0) + 1
                taken.append(name)
        yield
    finally:
        _abandon(before)
        with wires.lock:
            for name in taken:
                wires.wanted[name] -= 1
                if not wires.wanted[name]:
                    del wires.wanted[name]
                    for handle in wires.handles.pop(name):
                        handle.remove()


def _abandon(before: _Forward | None) -> None:
    """Leave what an interrupted forward left open."""
    while (running := _forward.get()) is not None and running is not before:
        if running.mode is not None:
            running.mode.__exit__(None, None, None)
        _forward.set(running.outer)


def _place(site: Site) -> str:
    """Sites that one hook serves have one place: all that enters a block."""
    return f"{site.path} entry" if site.kind in ENTRY else site.name


def _hook(sites: Sites, place: str) -> list[Any]:
    if place == _ROOT:
        return _hook_root(sites)
    served = [site for site in sites.values() if _place(site) == place]
    try:
        module = sites.root.get_submodule(served[0].path)
        projections = [module.get_submodule(name) for name in ("to_k", "to_v")] if served[0].kind in ATTENTION else []
    except AttributeError as error:
        raise TapError(f"{served[0].name} is gone: {error}; open the network anew, or build its sites again") from error
    if projections:
        return _hook_attention(sites, served[0], module, projections)
    return _hook_entry(sites, served, module) if served[0].kind in ENTRY else _hook_feature(sites, served[0], module)


# A hook that another thread puts on or takes off while a module runs may be called without its keyword arguments;
# in a thread that wants something of the module it never is.


def _hook_root(sites: Sites) -> list[Any]:
    """The network's own forward: says how large the latent is, and how the rows are called."""

    def enter(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        taps = open_taps(sites)
        if not taps or kwargs is None:
            return
        running = _Forward(sites, _forward.get(), now())
        _forward.set(running)  # first: `leave` takes it off, whatever comes next
        if torch.is_grad_enabled() and getattr(module, "is_gradient_checkpointing", False):
            raise TapError(
                "gradient checkpointing runs parts of a pass twice, the second time behind the taps' back; "
                "switch it off (unet.disable_gradient_checkpointing()) or run without gradients"
            )
        sample = args[0] if args else kwargs["sample"]
        states = kwargs.get("encoder_hidden_states")
        running.moment = told(tuple(sample.shape[-2:]), len(sample))
        for tap in taps:
            tap.begin(running.moment, sample, states)
        running.ends = {order: tap for tap in taps if (order := tap.last_site(running.moment)) is not None}

    def leave(module: Any, args: Any, output: Any) -> None:
        del module, args, output
        running = _forward.get()
        if running is not None and running.sites is sites and open_taps(sites):
            _forward.set(running.outer)

    return [
        sites.root.register_forward_pre_hook(enter, with_kwargs=True),
        sites.root.register_forward_hook(leave, always_call=True),
    ]


# Features


def _hook_feature(sites: Sites, site: Site, module: nn.Module) -> list[Any]:
    def after(module: Any, args: Any, output: Any) -> Any:
        del module, args
        first = output[0] if isinstance(output, tuple) else output
        changed = _pass_by(sites, site, FEATURE, first)
        if changed is first:
            return None
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    return [module.register_forward_hook(after)]


def _hook_entry(sites: Sites, served: list[Site], module: nn.Module) -> list[Any]:
    """What enters a block: the state from below, then its skips, which are taken from the last to the first."""

    def before(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
        del module
        if not open_taps(sites) or kwargs is None:
            return None
        kwargs = {**kwargs, "res_hidden_states_tuple": list(kwargs["res_hidden_states_tuple"])}
        at = 0
        for site in served:
            if site.kind == "incoming":
                kwargs["hidden_states"] = _pass_by(sites, site, FEATURE, kwargs["hidden_states"])
            else:
                at -= 1
                skips = kwargs["res_hidden_states_tuple"]
                skips[at] = _pass_by(sites, site, FEATURE, skips[at])
        return args, {**kwargs, "res_hidden_states_tuple": tuple(kwargs["res_hidden_states_tuple"])}

    return [module.register_forward_pre_hook(before, with_kwargs=True)]


# Attention


def _hook_attention(sites: Sites, site: Site, module: nn.Module, projections: list[nn.Module]) -> list[Any]:
    def enter(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
        if not open_taps(sites) or kwargs is None:
            return None
        states = args[0] if args else kwargs["hidden_states"]
        changed = _pass_by(sites, site, "input", states)
        if getattr(module, "fused_projections", False) and any(i.what in CONTEXTS for _, i in _items(sites, site)):
            raise TapError(
                f"{site.name}: keys and values are projected by one fused layer, so contexts cannot be reached; "
                "undo it: unet.unfuse_qkv_projections()"
            )
        mode = _Inside(sites, site)
        if mode.items:
            mode.__enter__()
            _running(site).mode = mode
        if changed is states:
            return None
        return ((changed, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": changed})

    def leave(module: Any, args: Any, output: Any) -> Any:
        del module, args
        running = _forward.get()
        if running is None or running.sites is not sites or not open_taps(sites):
            return None
        mode, running.mode = running.mode, None
        if mode is not None:
            mode.__exit__(None, None, None)
        if output is None:  # the forward failed
            return None
        if mode is not None and not mode.calls:
            raise TapError(
                f"{site.name}: attention ran, but not through torch's scaled_dot_product_attention, so nothing inside "
                "it can be seen; switch off attention slicing, xformers and other processors: "
                "unet.set_attn_processor(AttnProcessor2_0())"
            )
        changed = _pass_by(sites, site, "output", output)
        return None if changed is output else changed

    def context(what: str) -> Callable[..., Any]:
        def enter_projection(module: Any, args: tuple[Any, ...]) -> Any:
            del module
            changed = args[0]
            mode = _running(site).mode if open_taps(sites) else None
            if mode is not None:
                mode.asleep = True  # a write may run another network
            for kind in ("context", what):
                changed = _pass_by(sites, site, kind, changed)
            if mode is not None:
                mode.asleep = False
            return None if changed is args[0] else (changed, *args[1:])

        return enter_projection

    handles = [
        module.register_forward_pre_hook(enter, with_kwargs=True),
        module.register_forward_hook(leave, always_call=True),
    ]
    for projection, what in zip(projections, ("key_context", "value_context"), strict=True):
        handles.append(projection.register_forward_pre_hook(context(what)))
    return handles


class _Inside(TorchFunctionMode):
    """Catches the first attention call of one attention module; a second one (of an image adapter) is left alone."""

    def __init__(self, sites: Sites, site: Site) -> None:
        super().__init__()
        self.sites, self.site, self.calls, self.asleep = sites, site, 0, False
        self.items = [(tap, item) for tap, item in _items(sites, site) if item.what in INSIDE]

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not F.scaled_dot_product_attention or self.asleep:
            return func(*args, **kwargs)
        self.calls += 1
        if self.calls > 1:
            return func(*args, **kwargs)
        return self._attention(func, *args, **kwargs)

    def _attention(
        self,
        func: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if dropout_p or is_causal or enable_gqa:
            raise TapError(f"{self.site.name}: attention with dropout, a causal mask or grouped keys is not supported")
        original = Heads(query, key, value, attn_mask, scale)
        moment = _running(self.site).moment
        out, heads = self._fused(original, func, moment)
        opened = [(tap, item) for tap, item in self.items if item.what in OPENED]
        if opened:
            out = self._in_the_open(opened, heads, out, moment)
        for tap, item in self._of("heads", Read):
            tap.add(item, self.site, heads.take(rows_of(item, moment.rows), self.site), moment)
        return _pass_by(self.sites, self.site, "mixed", out)

    def _fused(self, original: Heads, func: Any, moment: Moment) -> tuple[Tensor, _Patchwork]:
        """The fused kernel over all rows that fit in one call; those whose keys have become others in number, or whose
        probabilities are shared, by themselves.
        """
        patches: list[tuple[tuple[int, ...], Heads]] = []
        inplace = original
        for own, changed in _changes(self._of("heads", Write), original, self.site, moment):
            if _fits(changed, original):
                inplace = _put(inplace, own, changed)
            else:
                patches.append((own, changed))
        apart = {row for own, _ in patches for row in own}
        rest = tuple(row for row in range(len(original.v)) if row not in apart)
        found = [(rest, attend(inplace.take(together(rest)) if apart else inplace, func))] if rest else []
        found += [(own, attend(changed, func)) for own, changed in patches]
        return _rows_in_place(found), _Patchwork(inplace, patches)

    def _in_the_open(self, opened: list[tuple[Tap, Any]], heads: _Patchwork, out: Tensor, moment: Moment) -> Tensor:
        """Probabilities of the rows that anybody asked for, a chunk of queries at a time."""
        writes = [item for _, item in opened if isinstance(item, Write)]
        written = sorted({row for item in writes for row in rows_of(item, moment.rows)})
        needed = {row for _, item in opened for row in rows_of(item, moment.rows)}
        present = tuple(sorted(needed | {row for item in writes for row in moment.rows.of(item.sees)}))
        if not present:
            return out
        here = heads.take(present, self.site)
        reads = [(tap, item, rows_of(item, moment.rows)) for tap, item in opened if isinstance(item, Read)]
        full = here.q.shape[1], here.q.shape[2], here.k.shape[2]
        kept = {
            item: Whole(
                item.reduce or HeadMean(), (len(rows), *full), item.gradient, tap.total(item, self.site, moment)
            )
            for tap, item, rows in reads
        }
        changing = [present.index(row) for row in written]
        values = here if written == list(present) else here.take(changing)
        mixed: list[Tensor] = []
        for queries in here.chunks():
            logits = _rewritten(opened, "logits", here.logits(queries), present, self.site, moment, queries)
            chunk = _rewritten(opened, "probabilities", here.probabilities(logits), present, self.site, moment, queries)
            for _, item, rows in reads:
                own = chunk if rows == present else chunk[[present.index(row) for row in rows]]
                kept[item].add(own, queries)
            if written:
                mixed.append(values.mix(chunk if values is here else chunk[changing], queries))
        for tap, item, _ in reads:
            tap.add(item, self.site, kept[item].value(), moment)
        if not written:
            return out
        replaced = torch.cat(mixed, dim=2)
        if not finite(replaced):
            raise TapError(f"step {moment.step}, {self.site.name}: attention is not finite after a write to it")
        return out.index_copy(0, torch.tensor(written, device=out.device), replaced.to(out.dtype))

    def _of(self, what: str, kind: type) -> list[tuple[Tap, Any]]:
        return [(tap, item) for tap, item in self.items if item.what == what and isinstance(item, kind)]


@dataclass
class _Patchwork:
    """Heads of all rows; `patches` stand in for rows whose keys are others in number."""

    whole: Heads
    patches: list[tuple[tuple[int, ...], Heads]]

    def take(self, rows: tuple[int, ...], site: Site) -> Heads:
        """Some rows as one Heads, which they must fit in."""
        for own, heads in self.patches:
            if set(rows) <= set(own):
                return heads.take([own.index(row) for row in rows])
            if set(rows) & set(own):
                raise TapError(
                    f"{site.name}: probabilities of rows with different numbers of keys cannot be opened together; "
                    "read or write them in separate taps"
                )
        return self.whole if rows == tuple(range(len(self.whole.v))) else self.whole.take(rows)


def _rows_in_place(parts: Sequence[tuple[Sequence[int], Tensor]]) -> Tensor:
    """One tensor of the rows of all parts, each where it belongs; of rows that two parts have, the later one's."""
    if len(parts) == 1:
        return parts[0][1]
    (_, first), *_ = parts
    out = first.new_zeros(1 + max(row for rows, _ in parts for row in rows), *first.shape[1:])
    for rows, part in parts:
        out = out.index_copy(0, torch.tensor(rows, device=out.device), part)
    return out


# What all places share


def _running(site: Site) -> _Forward:
    forward = _forward.get()
    if forward is None:
        raise TapError(f"{site.name} ran outside a forward of its network; call the network, not its parts")
    return forward


def _items(sites: Sites, site: Site) -> list[tuple[Tap, Any]]:
    """What open taps want at a site in the pass that runs, outermost first; rows that are not in it want nothing."""
    taps = open_taps(sites)
    if not taps:
        return []
    moment = _running(site).moment
    found = [(tap, item) for tap in taps for item in tap.at.get(site.name, ())]
    return [(tap, item) for tap, item in found if item.when(moment) and rows_of(item, moment.rows)]


def _pass_by(sites: Sites, site: Site, what: str, value: Tensor) -> Tensor:
    """Let the writes of a place change `value`, keep what the reads want of it, and end the pass if that was all."""
    items = [(tap, item) for tap, item in _items(sites, site) if item.what == what]
    writes = [(tap, item) for tap, item in items if isinstance(item, Write)]
    if writes:
        moment, everything = _running(site).moment, tuple(range(len(value)))
        original = value
        for own, changed in _changes(writes, original, site, moment):
            if own == everything:
                value = changed.to(value.dtype)
            elif changed.shape[1:] != value.shape[1:]:
                raise TapError(
                    f"{site.name}: rows of one pass must have one shape; {what} of {tuple(changed.shape[1:])} stands "
                    f"beside {tuple(value.shape[1:])}: write all rows, or fill up to one length"
                )
            else:
                value = value.index_copy(0, torch.tensor(own, device=value.device), changed.to(value.dtype))
    for tap, item in items:
        if isinstance(item, Read):
            moment = _running(site).moment
            rows = rows_of(item, moment.rows)
            tap.add(item, site, value if len(rows) == len(value) else value[list(rows)], moment)
    if what in (FEATURE, "output"):
        _end(sites, site)
    return value


def _end(sites: Sites, site: Site) -> None:
    """End the pass if a tap has seen its last site."""
    if not open_taps(sites):
        return
    tap = _running(site).ends.get(site.order)
    if tap is not None:
        raise Stopped(tap)


def _changes(
    writes: list[tuple[Tap, Any]], value: Any, site: Site, moment: Moment
) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Of each write the rows it owns and what replaces them; no row has two owners."""
    owner: dict[int, Write] = {}
    present = tuple(range(len(value.v if isinstance(value, Heads) else value)))
    for _, write in writes:
        own = rows_of(write, moment.rows)
        _claim(owner, own, write, site)
        view = View(value, present, own, site, moment)
        changed = write.change(view)
        _check_heads(changed, view, write) if isinstance(value, Heads) else _check_tensor(changed, view, write)
        yield own, changed


def _check_tensor(changed: Any, view: View, write: Write) -> None:
    """What was written must fit where it goes: in shape, but for the length of a context, and in being numbers."""
    before = view.values
    expected = (len(view.writes), *before.shape[1:])
    found = tuple(changed.shape) if isinstance(changed, Tensor) else type(changed).__name__
    if write.what in CONTEXTS and isinstance(changed, Tensor) and changed.ndim == 3:
        expected = (expected[0], changed.shape[1], expected[2])
    if found != expected:
        raise TapError(f"{view.site.name}: {write.name} of {write.what} must give shape {expected}, but gave {found}")
    # logits may be infinite, and what comes of them is looked at when they are mixed
    if write.what not in OPENED and not finite(changed):
        raise TapError(f"step {view.moment.step}, {view.site.name}: not all that {write.name} gave is finite")


def _check_heads(changed: Any, view: View, write: Write) -> None:
    """q of the rows and queries that were there; keys and values in one number; one row of q and k may serve all."""
    if not isinstance(changed, Heads):
        raise TapError(f"{view.site.name}: {write.name} of heads must give Heads, but gave {type(changed).__name__}")
    rows, (_, heads, queries, d) = len(view.writes), view.values.q.shape
    keys = changed.k.shape[2:3].numel()
    shapes = [tuple(part.shape) for part in (changed.q, changed.k, changed.v)]
    shared = 1 if changed.shared else rows
    expected = [(shared, heads, queries, d), (shared, heads, keys, d), (rows, heads, keys, d)]
    if shapes != expected:
        raise TapError(
            f"{view.site.name}: {write.name} of heads must give q, k, v of shapes {expected}, but gave {shapes}"
        )
    parts = [changed.q, changed.k, changed.v]
    if changed.mapper is not None:
        parts.append(changed.mapper)
        if changed.mapper.shape != (shared, 1, keys, keys):
            raise TapError(
                f"{view.site.name}: {write.name} of heads must give a mapper of shape {(shared, 1, keys, keys)}, but "
                f"gave {tuple(changed.mapper.shape)}"
            )
    if not all(finite(part) for part in parts):
        raise TapError(f"step {view.moment.step}, {view.site.name}: not all that {write.name} gave is finite")


def _claim(owner: dict[int, Write], rows: tuple[int, ...], write: Write, site: Site) -> None:
    for row in rows:
        if row in owner:
            raise TapError(
                f"{site.name}: {owner[row].name} and {write.name} both replace {write.what} of row {row}; "
                "use one of them, or give them different rows or steps"
            )
        owner[row] = write


def _rewritten(
    opened: list[tuple[Tap, Any]],
    what: str,
    values: Tensor,
    present: tuple[int, ...],
    site: Site,
    moment: Moment,
    queries: slice,
) -> Tensor:
    """Logits or probabilities of a chunk after the writes to them, each of which sees them as they were."""
    owner: dict[int, Write] = {}
    original = values
    for _, item in opened:
        if not isinstance(item, Write) or item.what != what:
            continue
        own = rows_of(item, moment.rows)
        _claim(owner, own, item, site)
        view = View(original, present, own, site, moment, queries)
        changed = item.change(view)
        _check_tensor(changed, view, item)
        at = [present.index(row) for row in own]
        values = values.index_copy(0, torch.tensor(at, device=values.device), changed.to(values.dtype))
    return values


def _fits(changed: Heads, original: Heads) -> bool:
    """Can the rows stand in one batch with the others?"""
    same = changed.q.shape[1:] == original.q.shape[1:] and changed.k.shape[1:] == original.k.shape[1:]
    whole = len(changed.q) == len(changed.v)
    return same and whole and changed.bias is original.bias and changed.scale == original.scale


def _put(into: Heads, own: tuple[int, ...], changed: Heads) -> Heads:
    """Rows replaced; what was handed back as it lay is left where it is."""
    at = torch.tensor(own, device=into.q.device)
    q, k, v = (
        whole if _lies_in(part, whole, own) else whole.index_copy(0, at, part.to(whole.dtype))
        for whole, part in ((into.q, changed.q), (into.k, changed.k), (into.v, changed.v))
    )
    mapper = into.mapper
    if changed.mapper is not None:
        if mapper is None:
            mapper = torch.eye(k.shape[2], dtype=k.dtype, device=k.device).expand(len(k), 1, -1, -1)
        mapper = mapper.index_copy(0, at, changed.mapper.to(mapper.dtype))
    return Heads(q, k, v, into.bias, into.scale, mapper)


def _lies_in(part: Tensor, whole: Tensor, own: tuple[int, ...]) -> bool:
    """Are these the rows of `whole` themselves?"""
    return (
        part.data_ptr() == whole[own[0]].data_ptr()
        and part.shape[1:] == whole.shape[1:]
        and part.stride() == whole.stride()
        and part.dtype == whole.dtype
        and own == tuple(range(own[0], own[0] + len(part)))
    )
