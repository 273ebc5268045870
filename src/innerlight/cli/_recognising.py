"""What the recognising commands share: the pictures of a folder one by one, gone on with after a stop."""

from __future__ import annotations

import hashlib
import itertools
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from innerlight.types import InnerlightError, InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from innerlight.files import Manifest
    from innerlight.matching import Ranking

Point = tuple[float, float]
OVERLAY = "-overlay"  # ends the name of a result beside that of the picture's name


def pictures_of(given: Sequence[Path]) -> dict[str, Path]:
    """Pictures, and those of folders, each once, by where they lie."""
    from innerlight.files import list_pictures
    from innerlight.files.reading import is_folder

    found: dict[str, Path] = {}
    for path in given:
        for one in list_pictures(path) if is_folder(path) else [path]:
            found.setdefault(place_of(one), one)
    return found


def place_of(path: Path) -> str:
    """Where a picture lies, however its path is spelled; a link to a picture is one of its own."""
    return str(path.parent.resolve() / path.name)


def hash_of(path: Path) -> str:
    """Of a picture's bytes: what tells whether it is still the one that was worked on."""
    from innerlight.files import MAX_BYTES
    from innerlight.files.reading import read_capped

    return hashlib.sha256(read_capped(path, max_bytes=MAX_BYTES, what="a picture")).hexdigest()


def one_by_one(
    pictures: Mapping[str, Path],
    output: Path,
    task: str,
    settings: Mapping[str, Any],
    work: Callable[[str, Path], Mapping[str, Any]],
    endings: Collection[str] = (),
) -> list[dict[str, Any]]:
    """What `work` says of each picture, in their order; it is given a name for the results, and the picture. Names of
    files are that name, or that name and one of `endings`, and NAME.json is one. Each is journalled when it is done:
    after a stop the others are gone on with, and so are pictures that have changed since. Pictures that cannot be
    worked on are named at the end, when all others are done.
    """
    from tqdm import tqdm

    from innerlight.files import Manifest

    done, failed = [], []
    with Manifest.open(output / "manifest.jsonl", task=task, settings=settings) as manifest:
        names = _names(pictures, manifest.results, endings)
        _refuse_overwriting(pictures, names, output, endings)
        _refuse_others_json(pictures, names, output, manifest)
        waiting = tqdm(pictures.items(), desc=task, file=sys.stderr, disable=not sys.stderr.isatty(), leave=False)
        for place, path in waiting:
            try:
                sha256 = hash_of(path)
                if manifest.done(place) and manifest.result(place)["sha256"] != sha256:
                    manifest.forget(place)  # before its results are written over
                if not manifest.done(place):
                    with _begun(manifest, names[place], output):
                        made = dict(work(names[place], path))
                    manifest.record(place, sha256=sha256, name=names[place], made=made)
            except InnerlightError as error:
                failed.append(str(error))
            else:
                done.append({"picture": str(path), **manifest.result(place)["made"]})
    if failed:
        told = "; ".join(failed)
        raise InputError(f"{len(failed)} of {len(pictures)} pictures could not be worked on, all others are: {told}")
    return done


def _names(
    pictures: Mapping[str, Path], results: Mapping[str, Mapping[str, Any]], endings: Collection[str]
) -> dict[str, str]:
    """Of each picture the name of its results: that of the journal, else its stem, numbered where another has it, or
    has a file of that name beside its own.
    """
    names = {place: one["name"] for place, one in results.items() if "name" in one}  # older journals have no names
    taken = set(names.values())
    for place, path in pictures.items():
        if place not in names:
            stems = itertools.chain([path.stem], (f"{path.stem}-{number}" for number in itertools.count(2)))
            names[place] = next(stem for stem in stems if not _meet(stem, taken, endings))
            taken.add(names[place])
    return names


def _meet(stem: str, taken: set[str], endings: Collection[str]) -> bool:
    """Whether files of this name would be those of another."""
    return any(taken & {stem, f"{stem}{ending}", stem.removesuffix(ending)} for ending in ("", *endings))


def _refuse_overwriting(
    pictures: Mapping[str, Path], names: Mapping[str, str], output: Path, endings: Collection[str]
) -> None:
    for (place, path), ending in itertools.product(pictures.items(), ("", *endings)):
        written = place_of(output / f"{names[place]}{ending}.png")
        if written in pictures:
            raise InputError(
                f"--output: results of {path} would be written over {pictures[written]}; name a folder without the "
                "pictures"
            )


@contextmanager
def _begun(manifest: Manifest, name: str, output: Path) -> Iterator[None]:
    """The journal names JSON before it is written, so that after a stop it is known as ours; if none was, no more."""
    if not manifest.done(name):
        manifest.record(name)
    try:
        yield
    except BaseException:
        if not (output / f"{name}.json").exists():
            manifest.forget(name)
        raise


def _refuse_others_json(
    pictures: Mapping[str, Path], names: Mapping[str, str], output: Path, manifest: Manifest
) -> None:
    """Raise if results would be written over JSON that the journal does not name, such as annotations of a picture."""
    for place, path in pictures.items():
        written = output / f"{names[place]}.json"
        if not manifest.done(place) and not manifest.done(names[place]) and written.exists():
            raise InputError(
                f"--output: results of {path} would be written over {written}, which no run into this "
                "folder wrote; name another folder, or move it away"
            )


def point_of(text: str) -> Point:
    """`30,40` as (x, y)."""
    found = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*[, ]\s*(-?\d+(?:\.\d+)?)\s*", text)
    if not found:
        raise InputError(f"--point: expected x,y in pixels of the source, such as 30,40; got {text!r}")
    return float(found[1]), float(found[2])


def mask_of(path: Path | None) -> NDArray[np.bool_] | None:
    """The mask in a picture file: an indexed one where it is not 0, any other where it is lighter than half; a grey PNG
    that is so nowhere holds numbers, and counts where it is not 0. What is transparent is outside.
    """
    if path is None:
        return None
    import numpy as np

    from innerlight.files import MAX_BYTES, read_picture
    from innerlight.files.decoding import decode
    from innerlight.files.reading import read_capped

    data = read_capped(path, max_bytes=MAX_BYTES, what="a mask")
    image, _ = decode(data, name=str(path))
    if image.mode == "P":
        return (np.asarray(image) != 0) & (np.asarray(image.convert("RGBA"))[:, :, 3] > 127)
    light = np.asarray(read_picture(data, background=(0, 0, 0)).convert("L")) > 127
    if image.format == "PNG" and image.mode in ("L", "I", "I;16") and not light.any():
        return np.asarray(image) != 0
    return light


def write_ranking(made: Ranking, names: Sequence[str], output: Path, json: bool, count: int | None = None) -> None:
    """A ranking as JSON, and of the `count` surest (None: all) a contact sheet and a mask each; says the order."""
    import numpy as np

    from innerlight.cli._shell import answer
    from innerlight.files import write_label_map
    from innerlight.types import LabelMap

    written = made.save(output / "ranking", names, count)
    for number in made.order[:count]:
        place = output / f"{int(number):03d}-mask.png"
        write_label_map(LabelMap(made.mask(int(number)).astype(np.uint8), {0: "", 1: "found"}), place)
        written.append(place)
    ranked = [{"picture": names[int(k)], "score": float(made.scores[int(k)])} for k in made.order]
    text = "\n".join(f"{one['score']:.3f}  {one['picture']}" for one in ranked)
    answer({"written": [str(place) for place in written], "ranking": ranked}, json, text)
