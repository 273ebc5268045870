"""What the recognising commands share: the pictures of a folder one by one, gone on with after a stop."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from innerlight.types import InnerlightError, InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from innerlight.matching import Ranking

Point = tuple[float, float]
SHOWN = 24  # masks of a ranking that are written


def pictures_of(given: Sequence[Path]) -> dict[str, Path]:
    """Pictures, and those of folders, by names that are unlike."""
    from innerlight.files import list_pictures

    found: dict[str, Path] = {}
    for path in given:
        for one in list_pictures(path) if path.is_dir() else [path]:
            name, number = one.stem, 1
            while name in found and found[name] != one:
                number += 1
                name = f"{one.stem}-{number}"
            found[name] = one
    return found


def one_by_one(
    pictures: Mapping[str, Path],
    output: Path,
    task: str,
    settings: Mapping[str, Any],
    work: Callable[[str, Path], Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """What `work` says of each picture, in their order. Each is journalled when it is done: after a stop the others
    are gone on with. Pictures that cannot be worked on are named at the end, when all others are done.
    """
    from tqdm import tqdm

    from innerlight.files import Manifest

    failed = {}
    with Manifest.open(output / "manifest.jsonl", task=task, settings=settings) as manifest:
        waiting = list(manifest.pending(pictures))
        for name in tqdm(waiting, desc=task, file=sys.stderr, disable=not sys.stderr.isatty(), leave=False):
            try:
                manifest.record(name, **work(name, pictures[name]))
            except InnerlightError as error:
                failed[name] = str(error)
        done = [{"picture": str(pictures[name]), **manifest.result(name)} for name in pictures if manifest.done(name)]
    if failed:
        told = "; ".join(failed.values())
        raise InputError(f"{len(failed)} of {len(pictures)} pictures could not be worked on, all others are: {told}")
    return done


def point_of(text: str) -> Point:
    """`30,40` as (x, y)."""
    found = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*[, ]\s*(-?\d+(?:\.\d+)?)\s*", text)
    if not found:
        raise InputError(f"--point: expected x,y in pixels of the source, such as 30,40; got {text!r}")
    return float(found[1]), float(found[2])


def mask_of(path: Path | None) -> NDArray[np.bool_] | None:
    """The mask in a picture file: an indexed one where it is not 0, any other where it is lighter than half."""
    if path is None:
        return None
    import numpy as np

    from innerlight.files import read_labels, read_picture

    if path.suffix.lower() == ".png":
        try:
            labels = read_labels(path)
        except InputError:
            pass  # a picture with colours
        else:
            return labels > (0 if labels.max() < 128 or len(np.unique(labels)) > 2 else 127)
    return np.asarray(read_picture(path).convert("L")) > 127


def write_ranking(made: Ranking, names: Sequence[str], output: Path, json: bool) -> None:
    """A ranking as JSON, its contact sheet, and a mask for each picture; says the order."""
    import numpy as np

    from innerlight.cli._shell import answer
    from innerlight.files import write_label_map
    from innerlight.types import LabelMap

    written = made.save(output / "ranking", [Path(name).name for name in names])
    for number in made.order[:SHOWN]:
        place = output / f"{int(number):03d}-mask.png"
        write_label_map(LabelMap(made.mask(int(number)).astype(np.uint8), {0: "", 1: "found"}), place)
        written.append(place)
    ranked = [{"picture": names[int(k)], "score": float(made.scores[int(k)])} for k in made.order]
    text = "\n".join(f"{one['score']:.3f}  {one['picture']}" for one in ranked)
    answer({"written": [str(place) for place in written], "ranking": ranked}, json, text)
