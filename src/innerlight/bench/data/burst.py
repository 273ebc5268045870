"""PerMIR and PerMIS (Samuel et al. 2024, arXiv:2405.18025), built from BURST (Athar et al. 2023, arXiv:2209.12118).

From each video in which two tracks of one class are seen together: one of these tracks, three frames. The paper draws
the frames at random; its released code takes the track seen most often beside another of its class, the frame in
which its box is largest, and the next two by size that are more than 15 annotated frames away from it. Videos of
HACS, AVA and LaSOT are left out.

A file of annotations has "split", "categories" ({id, name}) and "sequences", each with dataset, seq_name, width,
height, annotated_image_paths, track_category_ids ({track: category}) and segmentations (for each annotated frame
{track: {"rle": COCO's compressed text}}).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from innerlight.bench.data._reading import (
    Layout,
    field,
    list_field,
    plain_name,
    text_field,
    whole_field,
)
from innerlight.bench.data.items import DataSet, InstanceFrame
from innerlight.files import read_json, rle
from innerlight.types import InputError

Frames = Literal["largest", "random"]

LEFT_OUT = ("HACS", "AVA", "LaSOT")
FRAMES = 3
APART = 15  # annotated frames that the second and third must be further from the first than
SPLITS = ("train", "val", "test")

_MAX_BYTES = 4 * 2**30  # train/all_classes.json holds some 600 000 masks
_LAYOUT = Layout(
    "BURST",
    """
annotations/val/all_classes.json                                 (also train/, test/)
images/val/YFCC100M/v_25685519b728afd746dfd1b2fe77c/frame0001.jpg ...   (or frames/val/, as in TAO)
""",
)


@dataclass(frozen=True)
class _Video:
    name: str  # DATASET/SEQUENCE
    files: tuple[str, ...]  # of the annotated frames
    size: tuple[int, int]  # height, width
    categories: Mapping[int, int]  # of tracks
    masks: tuple[Mapping[int, rle.Rle], ...]  # of each annotated frame, by track


def open_permir(
    folder: Path | str, split: str = "val", *, frames: Frames = "largest", seed: int = 0
) -> DataSet[InstanceFrame]:
    """Three frames of one individual of each video, one after another.

    `frames`: "largest", the rule of the released code, or "random", the paper's: any track seen at least three times
    beside another of its class, and any three of these frames; `seed` draws both.
    """
    return _opened("PerMIR", folder, split, frames, seed, FRAMES)


def open_permis(
    folder: Path | str, split: str = "val", *, frames: Frames = "largest", seed: int = 0
) -> DataSet[InstanceFrame]:
    """Two frames of the same individuals: the reference and the target."""
    return _opened("PerMIS", folder, split, frames, seed, 2)


def _opened(name: str, folder: Path | str, split: str, frames: Frames, seed: int, count: int) -> DataSet[InstanceFrame]:
    if split not in SPLITS:
        raise InputError(f"BURST has the splits {', '.join(SPLITS)}; got {split!r}.")
    if frames not in get_args(Frames):
        raise InputError(f"frames is one of {', '.join(get_args(Frames))}; got {frames!r}.")
    root = _LAYOUT.root(folder)
    path = _LAYOUT.find(root, f"annotations/{split}/all_classes.json", f"{split}/all_classes.json")
    pictures = _LAYOUT.find_folder(root, f"images/{split}", f"frames/{split}")
    content = read_json(path, max_bytes=_MAX_BYTES, what="annotations in JSON")
    categories = _categories(content, str(path))
    chosen: dict[str, tuple[_Video, int, int, int]] = {}
    for video in _videos(content, str(path)):
        found = _largest(video) if frames == "largest" else _drawn(video, seed)
        if found is None:
            continue
        track, indices = found
        for number, index in enumerate(indices[:count]):
            chosen[f"{video.name}/{track}/{number}"] = video, track, index, number
    if not chosen:
        raise _LAYOUT.wrong(f"{path} has no video with {FRAMES} frames of one individual beside another of its class.")

    def read(key: str) -> InstanceFrame:
        video, track, index, number = chosen[key]
        category = video.categories[track]
        return InstanceFrame(
            key, _LAYOUT.find(pictures, f"{video.name}/{video.files[index]}"), f"{video.name}/{track}",
            categories.get(category, str(category)), number, partial(_mask, video, track, index),
        )  # fmt: skip

    used = sorted({video.categories[track] for video, track, _, _ in chosen.values()})
    names = tuple(categories.get(number, str(number)) for number in used)
    rule = frames if frames == "largest" else f"random, seed {seed}"
    return DataSet(name, f"{split}, frames {rule}", root, tuple(chosen), names, frames=frames, _read=read)


def _largest(video: _Video) -> tuple[int, tuple[int, ...]] | None:
    """The track seen most often beside another of its class; its frame of the largest box and two far from it."""
    rivals = [_rivals(video, masks) for masks in video.masks]
    seen = Counter(track for tracks in rivals for track in tracks)
    if not seen:
        return None
    track = max(sorted(seen), key=lambda one: seen[one])
    area = {index: _box_area(video, track, index) for index, tracks in enumerate(rivals) if track in tracks}
    order = sorted(area, key=lambda index: -area[index])
    far = [index for index in order if abs(index - order[0]) > APART]
    return (track, (order[0], *far[: FRAMES - 1])) if len(far) >= FRAMES - 1 else None


def _drawn(video: _Video, seed: int) -> tuple[int, tuple[int, ...]] | None:
    """A random track that is seen often enough beside another of its class, and random frames of it."""
    frames: dict[int, list[int]] = {}
    for index, masks in enumerate(video.masks):
        for track in _rivals(video, masks):
            frames.setdefault(track, []).append(index)
    often = sorted(track for track, indices in frames.items() if len(indices) >= FRAMES)
    if not often:
        return None
    dice = random.Random(f"{seed}/{video.name}")
    track = dice.choice(often)
    return track, tuple(dice.sample(frames[track], FRAMES))


def _rivals(video: _Video, masks: Mapping[int, rle.Rle]) -> list[int]:
    """The tracks of a frame that share their class with another one there."""
    present = Counter(video.categories[track] for track in masks)
    return [track for track in masks if present[video.categories[track]] > 1]


def _box_area(video: _Video, track: int, index: int) -> int:
    try:
        _, _, width, height = rle.box(video.masks[index][track])
    except InputError as error:
        raise InputError(f"BURST, {video.name}, track {track}, frame {index}: {error}") from error
    return width * height


def _mask(video: _Video, track: int, index: int) -> NDArray[np.bool_]:
    try:
        return rle.decode(video.masks[index][track])
    except InputError as error:
        raise InputError(f"BURST, {video.name}, track {track}, frame {index}: {error}") from error


def _categories(content: object, where: str) -> dict[int, str]:
    return {
        whole_field(one, "id", f"{where}, categories"): text_field(one, "name", f"{where}, categories")
        for one in list_field(content, "categories", where)
    }


def _videos(content: object, path: str) -> Iterator[_Video]:
    """The sequences of the sources that count."""
    for number, sequence in enumerate(list_field(content, "sequences", path)):
        where = f"{path}, sequence {number}"
        source = text_field(sequence, "dataset", where)
        if source not in LEFT_OUT:
            yield _video(sequence, source, where)


def _video(sequence: object, source: str, where: str) -> _Video:
    name = plain_name(f"{source}/{text_field(sequence, 'seq_name', where)}", where)
    files = list_field(sequence, "annotated_image_paths", where)
    masks = list_field(sequence, "segmentations", where)
    if len(files) != len(masks) or not all(isinstance(file, str) for file in files):
        raise InputError(f"{where}: {len(files)} annotated_image_paths (text), but {len(masks)} segmentations.")
    size = whole_field(sequence, "height", where), whole_field(sequence, "width", where)
    categories = {
        track: whole_field(field(sequence, "track_category_ids", where), str(track), f"{where}, track_category_ids")
        for track in _tracks(field(sequence, "track_category_ids", where), f"{where}, track_category_ids")
    }
    return _Video(
        name, tuple(plain_name(str(file), where) for file in files), size, categories,
        tuple(_frame(one, size, categories, f"{where}, frame {k}") for k, one in enumerate(masks)),
    )  # fmt: skip


def _frame(masks: object, size: tuple[int, int], known: Mapping[int, int], where: str) -> dict[int, rle.Rle]:
    """The masks of a frame by track, in the order of the file."""
    tracks = _tracks(masks, where)
    lost = [track for track in tracks if track not in known]
    if lost:
        raise InputError(f"{where}: track {lost[0]} has no category in track_category_ids.")
    texts = {track: text_field(field(masks, str(track), where), "rle", f"{where}, track {track}") for track in tracks}
    return {track: {"size": list(size), "counts": text} for track, text in texts.items()}


def _tracks(mapping: object, where: str) -> list[int]:
    if not isinstance(mapping, Mapping) or not all(isinstance(key, str) and key.isdecimal() for key in mapping):
        raise InputError(f"{where}: expected a mapping whose keys are numbers of tracks.")
    return [int(key) for key in mapping]
