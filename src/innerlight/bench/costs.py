"""One arm of a cost measurement in a process of its own, whose peak of memory nobody else has touched.

`python -m innerlight.bench.costs ARM FAMILY SCALE LATENT` prints JSON: seconds a pass, and the peak in bytes.
"""

from __future__ import annotations

import contextlib
import json
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from innerlight.types import InputError

ARMS = ("plain", "cross", "self", "cross-everything")
GEOMETRY = ("sd15", "real", "64")
TIMESTEP = 500


def reads_of(arm: str) -> list[Any]:
    """What an arm reads: nothing, all text attention as a running head mean, all self attention as one map a grid,
    or everything of text attention, kept.
    """
    from innerlight.taps import Everything, HeadMean, Read

    summed: dict[str, Any] = {"reduce": HeadMean(), "keep": "sum", "pool": "grid"}
    return {
        "plain": [],
        "cross": [Read("*.text", "probabilities", **summed)],
        "self": [Read("*.self", "probabilities", **summed)],
        "cross-everything": [Read("*.text", "probabilities", reduce=Everything())],
    }[arm]


def passes(family: str, scale: Any, latent: int, arms: tuple[str, ...], rounds: int) -> dict[str, list[float]]:
    """Seconds of a pass of each arm, the arms in turn, `rounds` times, after one that does not count."""
    import torch

    from innerlight.backbones import blank
    from innerlight.taps import tapped

    backbone = blank(family, scale)
    context = backbone.embed("a cat")
    noise = torch.randn(1, 4, latent, latent, generator=torch.Generator().manual_seed(0))
    forget_peak()
    seconds: dict[str, list[float]] = {arm: [] for arm in arms}
    for number in range(rounds + 1):
        for arm in arms:
            start = time.perf_counter()
            with torch.no_grad(), tapped(backbone.sites, *reads_of(arm)):
                backbone.denoise(noise, TIMESTEP, context)
            if number:
                seconds[arm].append(time.perf_counter() - start)
    return seconds


def peak_of(arm: str, geometry: tuple[str, str, str] = GEOMETRY) -> int:
    """Peak of resident memory of one pass of an arm, in bytes, in a fresh process."""
    command = [sys.executable, "-m", "innerlight.bench.costs", arm, *geometry]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout)["peak"])


def main(arm: str, family: str, scale: str, latent: str) -> None:
    """Measure one arm and print it."""
    if arm not in ARMS:
        raise InputError(f"arm: expected one of {', '.join(ARMS)}, got {arm!r}")
    seconds = passes(family, scale, int(latent), (arm,), 1)[arm]
    print(json.dumps({"seconds": statistics.median(seconds), "peak": peak()}))


def forget_peak() -> None:
    """Making a network takes more memory for a moment than running it; where the system can, that is not counted."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak() -> int:
    """The most memory that was resident, in bytes."""
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * int(re.search(r"VmHWM:\s*(\d+)", status)[1])  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def resident() -> int:
    """Memory that is resident now, in bytes; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * int(re.search(r"VmRSS:\s*(\d+)", status)[1])  # type: ignore[index]
    return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
