"""Sites by name, pattern and role; rows by name; steps as they are told; and who may write what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from passes import ATTENTION, FEATURES, PLACES, Pass, a_pass, own, traces
from torch import Tensor

from innerlight.backbones import Backbone
from innerlight.taps import Heads, Moment, Read, Rows, Site, Sites, TapError, Write, always, main_passes, tapped
from innerlight.types import InnerlightError, InputError, NotFoundError

# Sites


def test_names_patterns_and_roles_select_in_the_order_of_execution(backbone: Backbone):
    sites = backbone.sites
    assert [site.name for site in sites.values()] == list(sites)
    assert [site.order for site in sites.values()] == sorted(site.order for site in sites.values())
    found = sites.select(["up.*.text", "semantic.self", "mid.*.0.self", "mid.*"])
    assert [site.order for site in found] == sorted({site.order for site in found})
    assert {site.name for site in sites.select("up.*.text")} == {n for n in sites if n.startswith("up") and "text" in n}
    everything = [*ATTENTION, *FEATURES]
    assert len(sites.select(everything)) == len(sites) == sum(len(sites.select(pattern)) for pattern in everything)


def test_a_name_says_where(backbone: Backbone):
    for name, site in backbone.sites.items():
        branch, stride, ordinal, kind = name.split(".")
        assert (branch, int(stride[1:]), int(ordinal), kind) == (site.branch, site.stride, site.ordinal, site.kind)
        assert (site.heads > 0) == (kind in ("self", "text"))


def test_roles(backbone: Backbone):
    sites = backbone.sites
    names = {role: [site.name for site in sites.role(role)] for role in ("semantic", "appearance", "layout", "match")}
    coarse, fine = (4, 2) if backbone.family == "sdxl" else (4, 1)
    decoder = [name for name in sites if name.startswith("up.") and name.endswith(("self", "text"))]
    assert names["semantic"] == [name for name in decoder if f".s{coarse}." in name]
    assert names["appearance"] == [name for name in decoder if f".s{fine}." in name]
    assert names["layout"] == [name for name in decoder if name.endswith("self")]
    assert names["match"] == ["up.s4.0.output"]
    assert [site.name for site in sites.select("semantic.text")] == [n for n in names["semantic"] if n.endswith("text")]


def test_semantic_is_the_coarsest_level_of_at_least_eight_cells():
    def network(latent: tuple[int, int]) -> Sites:
        places = [("up", stride, kind) for stride in (8, 4, 2, 1) for kind in ("self", "text")]
        sites = [Site(b, s, 0, kind, s, 8, 1, f"{b}.{s}.{kind}", order) for order, (b, s, kind) in enumerate(places)]
        return Sites(torch.nn.Module(), sites, latent)

    for latent, stride in (((64, 64), 8), ((63, 64), 8), ((56, 64), 4), ((32, 96), 4), ((8, 8), 1), ((4, 4), 1)):
        assert {site.stride for site in network(latent).role("semantic")} == {stride}, latent
        assert [s.stride for s in network(latent).role("layout")] == [k for k in (8, 4, 2, 1) if k <= stride]


def test_appearance_is_the_finest_level_with_self_attention():
    kinds = [("up", 4, "self"), ("up", 4, "text"), ("up", 1, "text")]
    sites = [Site(b, s, 0, kind, s, 8, 1, f"{b}.{s}.{kind}", order) for order, (b, s, kind) in enumerate(kinds)]
    network = Sites(torch.nn.Module(), sites, (32, 32))
    assert {site.stride for site in network.role("appearance")} == {4}


def test_a_table_of_sites(backbone: Backbone):
    lines = str(backbone.sites).splitlines()
    assert lines[0].split() == ["site", "grid", "width", "heads", "roles"]
    assert len(lines) == 1 + len(backbone.sites)
    (match,) = [line for line in lines if line.endswith("match")]
    assert match.split()[:4] == ["up.s4.0.output", "16", "x", "16"]


def test_a_network_without_a_role_still_has_a_table():
    network = Sites(torch.nn.Module(), [Site("up", 1, 0, "text", 1, 8, 1, "here", 0)], (8, 8))
    assert "up.s1.0.text" in str(network)
    for role in ("match", "layout", "appearance"):
        with pytest.raises(InputError, match=rf"no site for the role {role}; .*up\.s1\.0\.text"):
            network.role(role)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("up.s4.9.text", r"did you mean up\.s4"),
        ("nothing", "no site 'nothing'"),
        ("", "no site ''"),
        ("up.*.txt", r"no site matches 'up\.\*\.txt'; sites are named like down"),
        ("semantic.residual", "no site for the role semantic.residual"),
        ("layout.text", "no site for the role layout.text"),
        ("match.self", "no site for the role match.self"),
        ([], "got none"),
        (["up.*.text", "oops"], "no site 'oops'"),
    ],
)
def test_unknown_places_are_refused_before_anything_is_open(backbone: Backbone, wanted: Any, message: str):
    for item in (Read(wanted), Write(wanted, "features", own)):
        with pytest.raises((NotFoundError, InputError), match=message), tapped(backbone.sites, item):
            pass
    assert not traces(backbone)


@pytest.mark.parametrize("what", ["probs", "", "logits", "context", "Heads"])
def test_what_cannot_be_read_is_refused(what: str):
    with pytest.raises(InputError, match=r"what: expected one of input, .*features, got"):
        Read("*.self", what)


def test_what_cannot_be_written_is_refused():
    with pytest.raises(InputError, match=r"what: expected one of input, .*logits.*features, got 'map'"):
        Write("*.self", "map", own)


@pytest.mark.parametrize("what", [what for what, _ in PLACES if what not in ("context", "logits")])
def test_a_thing_and_its_place_must_fit(backbone: Backbone, what: str):
    wrong = "match" if what != "features" else "semantic"
    with pytest.raises(InputError, match=r"expected what=.*, got"), tapped(backbone.sites, Read(wrong, what)):
        pass


# Grids


@pytest.mark.parametrize("size", [(8, 12), (9, 13), (16, 8), (11, 7), (1, 1), (3, 40)])
def test_grids_come_from_the_latents_own_height_and_width(backbone: Backbone, size: tuple[int, int]):
    """Odd sizes too, at every site; and a write is told the same."""
    once, sites = a_pass(backbone, size=size, images=1), backbone.sites
    features, inputs = Read(FEATURES), Read(ATTENTION, "input")
    probabilities = Read("*.self", "probabilities")
    told: dict[str, Any] = {}

    def change(view: Any) -> Any:
        told[view.site.name] = (view.grid, view.moment.latent)
        return view.own

    _, seen = once.run(features, inputs, probabilities, Write(ATTENTION, "input", change))
    for name, value in seen[features].items():
        assert value.shape[1:] == (sites[name].width, *sites[name].grid(size)), name
    for name, value in seen[inputs].items():
        rows, columns = sites[name].grid(size)
        assert value.shape[1:] == (rows * columns, sites[name].width), name
        assert told[name] == ((rows, columns), size)
    for name, value in seen[probabilities].items():
        assert value.shape[1] == value.shape[2] == seen[inputs][name].shape[1]


# Rows and moments


def test_rows_by_name_and_pattern():
    rows = Rows(("source.uncond", "source.cond", "target.cond"), 2)
    assert len(rows) == 6
    assert rows.of(None) == (0, 1, 2, 3, 4, 5)
    assert rows.of("source.cond") == (2, 3)
    assert rows.of("*.cond") == (2, 3, 4, 5)
    assert rows.of(["target.*", "source.uncond"]) == (0, 1, 4, 5)
    assert rows.of("nobody") == rows.of(()) == ()
    assert rows.block("target.cond") == (4, 5)
    with pytest.raises(NotFoundError, match=r"'nobody'.*source\.uncond, source\.cond, target\.cond"):
        rows.block("nobody")


def test_reads_and_writes_have_the_rows_they_name(once: Pass):
    reads = {rows: Read("semantic.self", "input", rows=rows) for rows in (None, "uncond", "cond", "c*", "nobody")}
    _, seen = once.run(*reads.values())
    everything = seen[reads[None]]
    for rows, (first, last) in {"uncond": (0, 2), "cond": (2, 4), "c*": (2, 4)}.items():
        assert all(torch.equal(value, everything[name][first:last]) for name, value in seen[reads[rows]].items())
    assert dict(seen[reads["nobody"]]) == {}


@pytest.mark.parametrize(("what", "where"), PLACES, ids=[what for what, _ in PLACES])
def test_a_write_is_shown_its_rows_and_others_by_name(small: Pass, what: str, where: tuple[str, ...]):
    shown: list[tuple[Any, ...]] = []

    def change(view: Any) -> Any:
        own, other, same = view.own, view["uncond"], view["cond"]
        pairs = [(own.k, same.k), (own.v, same.v)] if isinstance(own, Heads) else [(own, same)]
        assert all(torch.equal(a, b) for a, b in pairs)
        shown.append((view.site.name, view.writes))
        with pytest.raises(NotFoundError, match="target"):
            view["target"]
        assert len(other.q if isinstance(other, Heads) else other) == 2
        return own

    small.run(Write(where, what, change, rows="cond", sees="uncond"))
    assert {writes for _, writes in shown} == {(2, 3)}
    assert {name for name, _ in shown} == {site.name for site in small.backbone.sites.select(where)}


@pytest.mark.parametrize("what", ["logits", "probabilities"])
def test_rows_that_were_not_named_in_sees_are_not_computed(small: Pass, what: str):
    def change(view: Any) -> Any:
        assert view.values.shape[0] == 2
        return view["uncond"]

    with pytest.raises(TapError, match=r"rows \[0, 1\] are not at hand; name them in sees="):
        small.run(Write("mid.*.0.text", what, change, rows="cond"))


def test_rows_that_do_not_fit_the_batch_are_refused(small: Pass):
    with pytest.raises(InputError, match=r"6 rows are named uncond, cond, but the pass has 4"):
        small.run(Read("mid.*.0.self", "input"), rows=Rows(("uncond", "cond"), 3))
    assert not traces(small.backbone)


def test_rows_without_names_are_called_only(small: Pass):
    read = Read("mid.*.0.self", "input", rows="only")
    with tapped(small.backbone.sites, read) as seen:
        small.backbone.denoise(small.latents, 500, small.context)
    assert len(seen[read]["mid.s8.0.self"]) == 4


def test_step_timestep_and_pass_are_told_and_choose(small: Pass):
    told: list[Moment] = []

    def change(view: Any) -> Any:
        told.append(view.moment)
        return view.own

    early = Read("mid.*.0.self", "input", keep="all", when=lambda moment: moment.done < 0.5)
    main = Read("mid.*.0.self", "input", keep="all", when=main_passes)
    with tapped(small.backbone.sites, early, main, Write("mid.*.0.self", "input", change)) as seen:
        for step in range(4):
            for passing in ("main", "extra", "gradient"):
                small.plain(step=step, steps=4, timestep=900 - step, passing=passing)
    assert [(m.step, m.timestep, m.passing) for m in told[:4]] == [
        (0, 900, "main"), (0, 900, "extra"), (0, 900, "gradient"), (1, 899, "main"),
    ]  # fmt: skip
    assert {moment.latent for moment in told} == {(8, 12)}
    assert [len(next(iter(seen[read].values()))) for read in (early, main)] == [6, 4]
    assert always(told[0])


# Who may write what


@pytest.mark.parametrize(("what", "where"), PLACES, ids=[what for what, _ in PLACES])
@pytest.mark.parametrize("nested", [False, True])
def test_two_writers_of_one_thing_on_one_row_are_refused_by_name(
    small: Pass, what: str, where: tuple[str, ...], nested: bool
):
    one = Write(where, what, own, rows=("uncond", "cond"), name="masactrl")
    two = Write(where, what, own, rows="cond", name="the layout")
    refused = pytest.raises(TapError, match=rf"masactrl and the layout both replace {what} of row 2; .*rows or steps")
    if nested:
        with tapped(small.backbone.sites, one), refused:
            small.run(two)
    else:
        with refused:
            small.run(one, two)
    assert not traces(small.backbone)


@pytest.mark.parametrize(("what", "where"), PLACES, ids=[what for what, _ in PLACES])
def test_writers_of_different_rows_or_steps_or_things_are_not(small: Pass, what: str, where: tuple[str, ...]):
    def turned(view: Any) -> Any:
        return Heads(view.own.q, view.own.k, -view.own.v) if what == "heads" else view.own.flip(-1)

    first = Write(where, what, turned, rows="uncond")
    second = Write(where, what, turned, rows="cond")
    later = Write(where, what, turned, rows="cond", when=lambda moment: moment.step == 4)
    both, _ = small.run(first, second)
    one, other, plain = small.run(first)[0], small.run(second)[0], small.plain()
    assert torch.allclose(both, torch.cat([one[:2], other[2:]]), atol=1e-5)
    assert not torch.equal(both, plain)
    assert torch.equal(small.run(first, later)[0], one)
    small.run(*(Write(places, thing, own) for thing, places in PLACES))  # one of each


# What a write gives back

WRONG = {
    "nothing": lambda view: None,
    "a number": lambda view: 1.0,
    "too few rows": lambda view: view.own[:1],
    "too many rows": lambda view: torch.cat([view.own] * 2),
    "another width": lambda view: view.own[..., :1],
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("rows", ["cond", None])
@pytest.mark.parametrize(("what", "where"), PLACES, ids=[what for what, _ in PLACES])
def test_a_write_of_another_shape_is_refused(
    small: Pass, what: str, where: tuple[str, ...], rows: str | None, wrong: str
):
    if what == "heads" and wrong not in ("nothing", "a number"):
        return
    with pytest.raises(TapError, match=rf"the error of {what} must give (shape|Heads).*, but gave"):
        small.run(Write(where[0], what, WRONG[wrong], rows=rows, name="the error"))
    assert not traces(small.backbone)


@pytest.mark.parametrize("part", ["q", "k", "v", "heads"])
def test_heads_that_do_not_fit_are_refused(small: Pass, part: str):
    def change(view: Any) -> Heads:
        q, k, v = view.own.q, view.own.k, view.own.v
        return {
            "q": Heads(q[:, :, :1], k, v),
            "k": Heads(q, torch.cat([k, k], 2), v),
            "v": Heads(q, k, v[:1]),
            "heads": Heads(q[:, :1], k[:, :1], v[:, :1]),
        }[part]

    with pytest.raises(TapError, match="the bank of heads must give q, k, v of shapes"):
        small.run(Write("mid.*.0.self", "heads", change, rows="cond", name="the bank"))


def test_a_mapper_that_does_not_fit_is_refused(small: Pass):
    def write(mapper: Tensor) -> Write:
        return Write(
            "mid.*.0.text", "heads", lambda view: replace(view.own, mapper=mapper), rows="cond", name="the map"
        )

    with pytest.raises(
        TapError, match=r"the map of heads must give a mapper of shape \(2, 1, 77, 77\), but gave \(77, 77\)"
    ):
        small.run(write(torch.eye(77)))
    with pytest.raises(TapError, match="the map gave is finite"):
        small.run(write(torch.full((2, 1, 77, 77), torch.nan)))


@pytest.mark.parametrize("what", ["context", "key_context", "value_context"])
def test_rows_with_contexts_of_different_lengths_are_refused(small: Pass, what: str):
    with pytest.raises(TapError, match=rf"{what} of \(5, 24\) stands beside \(77, 24\): write all rows"):
        small.run(Write("*.text", what, lambda view: view.own[:, :5], rows="cond"))
    assert not traces(small.backbone)


def test_every_refusal_is_an_error_of_the_library():
    assert issubclass(TapError, InnerlightError)
    assert not issubclass(TapError, ValueError)
