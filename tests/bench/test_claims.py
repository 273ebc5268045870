"""Claims: raw scores kept as they come, paired differences, dropped scenes counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from innerlight.backbones import Backbone, blank
from innerlight.bench.claims import code_of, rivals_of, run_claims, scored_by, settings_of, source_hash
from innerlight.bench.evidence import faults
from innerlight.methods import Claim, Method, _registry, get
from innerlight.types import InputError


@pytest.fixture
def backbone() -> Backbone:
    return blank("sd15")


@pytest.fixture
def method(monkeypatch: pytest.MonkeyPatch) -> Method:
    """DAAM with a claim that is easy to check: every fourth scene is dropped, the rest differ by 0.5 and 0."""
    asked: list[int] = []

    def score(backbone: Backbone, seed: int) -> dict[str, float] | None:
        asked.append(seed)
        rare = {"rare": 0.75} if seed % 4 == 3 else {}  # an arm that not all scenes have
        found = {"method": seed % 2 + 0.5, "nothing": seed % 2, "itself": seed % 2 + 0.5, "aside": 0.25, **rare}
        return None if seed % 4 == 0 else found

    claim = Claim("daam.toy", "it is more", ("nothing", "itself"), score)
    made = replace(get("daam"), claims=(claim,))
    monkeypatch.setitem(_registry._registered, "daam", made)
    made.config.asked = asked  # type: ignore[attr-defined]
    return made


def test_rows_are_paired_and_count_what_was_dropped(backbone: Backbone, method: Method, tmp_path: Path):
    first, second = run_claims(backbone, ["daam"], scenes=8, folder=tmp_path)
    assert (first.id, second.id) == ("daam.toy", "daam.toy_over_itself")
    assert first.value == first.low == first.high == 0.5
    assert first.holds
    assert second.value == 0
    assert not second.holds
    assert first.n == 6
    assert "25% of the scenes dropped" in first.note
    assert "aside 0.250, rare 0.750" in first.note
    assert "aside" not in second.note
    assert first.seeds == "100000..100007"
    assert first.model == backbone.hash
    assert not first.whole, "200 are asked for"
    assert "all scenes" in faults([first], current={backbone.hash})[0]


def test_a_second_run_goes_on(backbone: Backbone, method: Method, tmp_path: Path):
    asked: list[int] = method.config.asked  # type: ignore[attr-defined]
    run_claims(backbone, ["daam"], scenes=4, folder=tmp_path)
    asked.clear()
    run_claims(backbone, ["daam"], scenes=6, folder=tmp_path)
    assert asked == [100_004, 100_005]
    other = replace(backbone, hash="another")
    run_claims(other, ["daam"], scenes=4, folder=tmp_path)
    assert len(asked) == 6, "another model, other scores"
    run_claims(replace(other, calibration={"pdm_threshold": 0.5}), ["daam"], scenes=4, folder=tmp_path)
    assert len(asked) == 6, "a setting of another method, the same scores"
    run_claims(replace(other, calibration={"guidance": 3.0}), ["daam"], scenes=4, folder=tmp_path)
    assert len(asked) == 10, "a setting of all methods, other scores"
    assert len(source_hash(method)) == 12


def test_claims_of_a_scene_come_together(
    backbone: Backbone, method: Method, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[tuple[str, int]] = []

    def claim(name: str, scenes: int) -> Claim:
        def score(backbone: Backbone, seed: int) -> dict[str, float]:
            asked.append((name, seed - 100_000))
            return {"method": 1.0, "nothing": 0.0}

        return Claim(f"daam.{name}", "it is more", ("nothing",), score, scenes=scenes)

    both = replace(method, claims=(claim("one", 2), claim("two", 3)))
    monkeypatch.setitem(_registry._registered, "daam", both)
    done: list[tuple[int, int]] = []
    rows = run_claims(backbone, ["daam"], folder=tmp_path, progress=lambda at, of: done.append((at, of)))
    assert asked == [("one", 0), ("two", 0), ("one", 1), ("two", 1), ("two", 2)]
    assert [(row.id, row.n, row.whole) for row in rows] == [("daam.one", 2, True), ("daam.two", 3, True)]
    assert done[-1] == (5, 5)


def test_the_hash_is_also_of_tasks_and_rivals(monkeypatch: pytest.MonkeyPatch):
    told = {path.name for path in scored_by(Path(get("pdm").function.__code__.co_filename))}
    assert {"_claims.py", "rivals.py"} <= told
    before, plain = source_hash.__wrapped__(get("pdm")), Path.read_text
    for added, other in (("\n# a remark\n", False), ("\nmore = 1\n", True)):
        longer = lambda path, added=added, **how: plain(path, **how) + added * (path.name == "rivals.py")  # noqa: E731
        monkeypatch.setattr(Path, "read_text", longer)
        assert (source_hash.__wrapped__(get("pdm")) != before) == other


def test_code_is_what_a_file_does(tmp_path: Path):
    text = '''"""What it is."""

# why
class Pair:
    """Two
    of them."""

    left: str = """not a docstring"""  # the first


def shown(pair): """All in one line."""
'''
    (tmp_path / "pair.py").write_text(text)
    assert code_of(tmp_path / "pair.py") == (
        'class Pair:\n    left: str = """not a docstring"""  # the first\ndef shown(pair): """All in one line."""\n'
    )


def test_the_hash_is_also_of_training_and_of_methods_that_are_got_by_name():
    path = Path(get("p_plus").function.__code__.co_filename)
    assert rivals_of(path) == {"textual_inversion", "style_mixing"}
    told = {file.name for file in scored_by(path)}
    assert {"textual_inversion.py", "style_mixing.py", "templates.py", "concepts.py", "denoising.py"} <= told


def test_settings_belong_to_the_longest_name_of_a_method():
    told = {"pdm_threshold": 0.5, "pdm_voting_threshold": 0.2, "guidance": 6.0, "vocabulary": ["cat"]}
    assert settings_of(told, ("pdm", "colours")) == {"pdm_threshold": 0.5, "guidance": 6.0}
    assert settings_of(told, ("pdm_voting",)) == {"pdm_voting_threshold": 0.2, "guidance": 6.0}


def test_too_few_scenes_are_refused(backbone: Backbone, method: Method, tmp_path: Path):
    with pytest.raises(InputError, match="give more"):
        run_claims(backbone, ["daam"], scenes=2, folder=tmp_path)


def guarded(method: Method, edits: dict[str, float]) -> Method:
    """A claim whose effect is clear, and the share of scenes in which each arm makes the edit."""

    def score(backbone: Backbone, seed: int) -> dict[str, float]:
        made = {f"{arm} edit": float(seed % 10 < 10 * share) for arm, share in edits.items()}
        return {"method": 2.0, "other": 1.0, "identity": 60.0, **made}

    return replace(method, claims=(Claim("daam.guarded", "it keeps", ("other",), score, guard=0.9, scenes=40),))


@pytest.mark.parametrize(
    ("edits", "holds"),
    [
        ({"method": 0.8, "other": 0.8, "identity": 0.0}, True),
        ({"method": 0.3, "other": 0.8, "identity": 0.0}, False),  # it keeps by not editing
        ({"method": 0.8, "other": 0.8, "identity": 0.8}, False),  # doing nothing would pass
        ({"method": 0.0, "other": 0.0, "identity": 0.0}, False),  # nobody edits, so nothing is shown
    ],
)
def test_an_effect_that_costs_the_edit_does_not_hold(
    backbone: Backbone,
    method: Method,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    edits: dict[str, float],
    holds: bool,
):
    monkeypatch.setitem(_registry._registered, "daam", guarded(method, edits))
    (row,) = run_claims(backbone, ["daam"], scenes=40, folder=tmp_path)
    assert row.value == row.low == 1
    assert row.holds is holds
    assert not faults([row], current={backbone.hash})
    assert len(row.conditions) == 2
    assert f"by doing nothing {edits['identity']:.3f}" in row.note
