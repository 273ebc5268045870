"""Edits of the world as tasks with a known answer, and how well a picture answers them, by the judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.color import rgb2lab

from innerlight.embedded.data import COLOUR_NAMES
from innerlight.embedded.oracle import Parsed, Region, parse, regions_of, shipped_judge
from innerlight.metrics import iou, psnr
from innerlight.types import InputError
from innerlight.world import alter, caption, render, sample, truth
from innerlight.world.alteration import Altered
from innerlight.world.draw import Render

MOST_DB = 60.0  # what equal pictures score
BINS = 8  # of each axis of a Lab histogram


@dataclass(frozen=True, eq=False)
class Task:
    """A scene of one thing and one change of it; both told in the same words, but for the changed one."""

    change: str
    altered: Altered
    source: str
    target: str
    before: Render
    after: Render

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where the thing is in the drawn scene."""
        return truth.instances(self.before) == 1

    def region(self, parsed: Parsed) -> Region | None:
        """The thing in a picture, as it was."""
        return regions_of(self.before, dict(parsed.maps))[0]

    def result(self, parsed: Parsed) -> Region | None:
        """The thing in a picture, of the category that it was to become."""
        return regions_of(self.after, dict(parsed.maps))[0]

    def made(self, parsed: Parsed) -> float:
        """1 if a picture shows the change that was asked for, else 0."""
        found, thing = self.result(parsed), self.altered.after.things[0]
        if found is None:
            return 0.0
        if self.change == "pose":
            return float(parsed.pose(found, shipped_judge()) == thing.pose)
        return float(self.change not in ("colour", "pattern") or found.shows(self.change, thing.look))


def task(seed: int, change: str, size: int) -> Task | None:
    """The task of a seed; None if its scene cannot change so."""
    scene = sample(seed, count=1)
    try:
        altered = alter(scene, change, seed, thing=0)
    except InputError:
        return None
    say = [(0, "noun" if change == "thing" else change), (0, "colour"), (None, "setting")]
    before, after = (caption(one, say=say, length="short").text for one in (altered.before, altered.after))
    if before == after:  # a value without a word
        return None
    return Task(change, altered, before, after, render(altered.before, size), render(altered.after, size))


def kept(source: Image.Image, result: Image.Image, *regions: Region | None) -> float:
    """PSNR in dB outside all regions, with a cell to spare."""
    first, second = (np.asarray(image.convert("RGB")) for image in (source, result))
    outside = np.ones(first.shape[:2], bool)
    for region in regions:
        if region is not None:
            wide = ndimage.binary_dilation(region.mask)
            outside &= ~np.asarray(Image.fromarray(wide).resize((first.shape[1], first.shape[0])))
    if not outside.any():
        return 0.0
    return min(float(psnr(first[outside][None], second[outside][None])), MOST_DB)


def structure(first: NDArray[np.bool_] | Region | None, second: Region | None) -> float:
    """IoU of two silhouettes; 0 where one is missing."""
    if first is None or second is None:
        return 0.0
    mask = first.mask if isinstance(first, Region) else _halved(first)
    return float(iou(mask, second.mask))


def appearance(
    source: Image.Image, mask: NDArray[np.bool_] | Region, result: Image.Image, region: Region | None
) -> float:
    """1 less the distance of Lab histograms inside the thing before and after; 0 where it is missing."""
    if region is None:
        return 0.0
    before = mask.mask if isinstance(mask, Region) else _halved(mask)
    histograms = [_histogram(image, inside) for image, inside in ((source, before), (result, region.mask))]
    return 1 - float(np.abs(histograms[0] - histograms[1]).sum()) / 2


def strength(parsed: Parsed, region: Region, colour: str) -> float:
    """How sure the judge is, on average over a region, of a colour."""
    return float(parsed.chances["colour"][COLOUR_NAMES.index(colour) + 1][region.mask].mean())


def parsed(*images: Image.Image | NDArray[np.uint8]) -> list[Parsed]:
    """Pictures as the judge that ships sees them."""
    return parse(shipped_judge(), images)


def _halved(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return mask[1::2, 1::2]


def _histogram(image: Image.Image, mask: NDArray[np.bool_]) -> NDArray[np.floating]:
    """(bins, bins, bins), shares."""
    lab = rgb2lab(np.asarray(image.convert("RGB"))[1::2, 1::2])[mask]
    edges = (np.linspace(0, 100, BINS + 1), np.linspace(-110, 110, BINS + 1), np.linspace(-110, 110, BINS + 1))
    counts, _ = np.histogramdd(lab, edges)
    return counts / max(counts.sum(), 1)
