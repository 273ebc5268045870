"""The core's rows: parities hold, commands answer odd input, and the cost arms run (at a tiny geometry)."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerlight.bench import core_scores, costs
from innerlight.bench.malformed_core import run_commands
from innerlight.cli import main
from innerlight.types import InputError


@pytest.mark.parametrize(
    "row", [core_scores.ddim_parity, core_scores.ddpm_parity, core_scores.inversion_parity, core_scores.probabilities]
)
def test_parities_hold(row):
    measured = row()
    assert measured.holds, measured
    assert measured.kind == "parity"
    assert 0 <= measured.value <= 1e-5


def test_reading_changes_no_bit():
    row = core_scores.neutral()
    assert row.value == 0
    assert row.n > 10_000


def test_every_odd_command_is_answered(tmp_path: Path):
    outcomes = run_commands(main, tmp_path)
    assert len(outcomes) >= 200
    assert not [(one.name, one.detail) for one in outcomes if not one.passed]


def test_the_arms_of_a_cost_run():
    seconds = costs.passes("sd15", "tiny", 16, costs.ARMS, 1)
    assert set(seconds) == set(costs.ARMS)
    assert all(len(values) == 1 and values[0] > 0 for values in seconds.values())
    assert costs.peak_of("self", ("sd15", "tiny", "16")) > 1e7
    with pytest.raises(InputError, match="plain"):
        costs.main("nothing", "sd15", "tiny", "16")
