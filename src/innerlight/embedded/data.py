"""Training data: scenes of the world drawn into shards on disk, by all cores, resumable; read back at random.

A shard holds pictures with the truth that the stages need. Things are a table, and a pixel says which row of it
it belongs to; category, colour and the like of each pixel are look-ups.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from innerlight.files import Manifest, atomic_path
from innerlight.types import InputError
from innerlight.world import truth
from innerlight.world.captions import caption
from innerlight.world.draw import Render, render
from innerlight.world.episodes import search
from innerlight.world.layout import sample
from innerlight.world.palette import COLOURS, PATTERNS
from innerlight.world.scene import SETTINGS, STYLES, Look, Scene
from innerlight.world.things import CATEGORIES

FIRST_SEED = 1_000_000_000
SHARD = 1_000
MOST_THINGS = 4
CAPTIONS = 4
MAP_STEP = 2  # maps are kept at every second pixel

COLOUR_NAMES = tuple(COLOURS)
POSES = tuple(sorted({pose for kind in CATEGORIES.values() for pose in kind.poses}))
FACTS = ("category", "colour", "pattern", "pose", "individual")  # columns of the table of things

Progress = Callable[[int, int], None]


FIELDS = ("pictures", "owners", "parts", "things", "frames", "captions")  # in the order they are written


@dataclass(frozen=True, eq=False)
class Scenes:
    """All shards of a folder as one: arrays that are read from disk as they are used."""

    pictures: Sequence[NDArray[np.uint8]]  # of each shard (n, h, w, 3)
    owners: Sequence[NDArray[np.uint8]]  # (n, h / 2, w / 2): 0 the setting, else 1 + row of the thing
    parts: Sequence[NDArray[np.uint8]]  # (n, h / 2, w / 2)
    things: Sequence[NDArray[np.int32]]  # (n, 4, facts), -1 where there is none
    frames: Sequence[NDArray[np.uint8]]  # (n, 2): setting, style
    captions: Sequence[NDArray[np.str_]]  # (n, 4)

    def __len__(self) -> int:
        return sum(len(shard) for shard in self.pictures)

    def gather(self, field: str, indices: NDArray[np.integer]) -> NDArray:
        """Rows of one field by number."""
        shards = getattr(self, field)
        return np.stack([shards[index // SHARD][index % SHARD] for index in indices])


class OnScenes:
    """A training on scenes. What a batch shows is decided by its number; numbers are counted from `first`, so that
    neither processes that train together nor a training that goes on from another see what the other saw.
    """

    first: int = 0

    def __init__(self, scenes: Scenes) -> None:
        self.scenes = scenes

    def random(self, step: int) -> np.random.Generator:
        """Of a batch."""
        return np.random.default_rng(self.first + step)


def draw_shards(folder: Path, shards: int, size: int = 128, *, progress: Progress = lambda done, of: None) -> None:
    """Draw until `folder` holds `shards` of them; killed, it goes on."""
    settings = {"size": size, "shard": SHARD, "first_seed": FIRST_SEED}
    with Manifest.open(folder / "manifest.jsonl", task="embedded data", settings=settings) as manifest:
        numbers = [number for number in range(shards) if not manifest.done(str(number))]
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            drawn = pool.map(_write_shard, [folder] * len(numbers), numbers, [size] * len(numbers))
            for done, (number, _) in enumerate(zip(numbers, drawn, strict=True), start=shards - len(numbers) + 1):
                manifest.record(str(number))
                progress(done, shards)


def open_scenes(folder: Path) -> Scenes:
    """The shards drawn so far."""
    numbers = sorted(int(path.stem.rpartition("-")[2]) for path in folder.glob(f"{FIELDS[-1]}-*.npy"))
    if not numbers:
        raise InputError(f"no training data in {folder}; draw it first: innerlight embedded train data")
    return Scenes(**{field: [np.load(_path(folder, field, n), mmap_mode="r") for n in numbers] for field in FIELDS})


def scene_at(index: int) -> Scene:
    """The scene number `index` of the training data: three of four are drawn freely; of the rest two in a row are the
    two scenes of a search for one individual among others of its class.
    """
    if index % 8 < 6:
        return sample(FIRST_SEED + index)
    task = search(FIRST_SEED + index // 8, positives=1, negatives=0, near=index // 8 % 2 == 0)
    return task.reference if index % 8 == 6 else task.positives[0]


def individual_number(look: Look) -> int:
    """A number that is the same for equal looks and (but for chance) different for others."""
    return zlib.crc32(repr(look).encode()) & 0x7FFFFFFF


def table_of(render: Render) -> NDArray[np.int32]:
    """(4, facts): what the things are, by number in COLOUR_NAMES, PATTERNS, POSES and the categories; -1: none."""
    table = np.full((MOST_THINGS, len(FACTS)), -1, np.int32)
    numbers = {name: number for number, name in truth.category_names().items()}
    for row, placed in enumerate(render.placed):
        thing = placed.thing
        table[row] = (
            numbers[thing.look.category],
            COLOUR_NAMES.index(thing.look.colour),
            PATTERNS.index(thing.look.pattern),
            POSES.index(thing.pose),
            individual_number(thing.look),
        )
    return table


def draw_scenes(indices: Iterable[int], size: int) -> dict[str, NDArray]:
    """All fields of the scenes with these numbers."""
    rows: dict[str, list] = {field: [] for field in FIELDS}
    thinned = (slice(MAP_STEP // 2, None, MAP_STEP),) * 2
    for index in indices:
        drawn = render(scene_at(index), size)
        rows["pictures"].append(drawn.picture)
        rows["owners"].append(truth.instances(drawn)[thinned].astype(np.uint8))
        rows["parts"].append(truth.parts(drawn).labels[thinned].astype(np.uint8))
        rows["things"].append(table_of(drawn))
        rows["frames"].append((SETTINGS.index(drawn.scene.setting), STYLES.index(drawn.scene.style)))
        rows["captions"].append([caption(drawn.scene, variant=variant).text for variant in range(CAPTIONS)])
    return {field: np.array(rows[field], {"frames": np.uint8, "captions": np.str_}.get(field)) for field in FIELDS}


def _write_shard(folder: Path, number: int, size: int) -> None:
    drawn = draw_scenes(range(number * SHARD, (number + 1) * SHARD), size)
    for field, values in drawn.items():
        with atomic_path(_path(folder, field, number)) as temporary:
            np.save(temporary, values)


def _path(folder: Path, field: str, number: int) -> Path:
    return folder / f"{field}-{number:05d}.npy"
