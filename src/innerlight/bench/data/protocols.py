"""Protocols: everything besides the method that decides a score, as a value that is printed with the score.

Numbers of one data set under two protocols are not comparable: matching segments picture by picture instead of over
the whole set doubles an mIoU, averaging by point instead of by picture adds several points to a PCK.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from innerlight.bench.data.framing import FITS, Fit, refuse_fit
from innerlight.bench.data.items import IGNORE
from innerlight.types import InputError

Matching = Literal["image", "set", "concepts", "names"]
By = Literal["hits", "IoU"]
Size = Literal["target box", "target keypoints", "image"]
Averaging = Literal["image", "point", "category"]
Task = Literal["retrieval", "segmentation"]
FramesRule = Literal["largest", "random", "all"]
Reference = Literal["largest mask", "first frame"]
Targets = Literal["all other frames", "second frame", "own other frames"]
Pooling = Literal["pair", "object", "set"]
Ties = Literal["pessimistic", "average"]


@dataclass(frozen=True)
class SegmentationProtocol:
    """How a label map is scored. `str()` is one line."""

    name: str
    data: str  # the set
    source: str  # who scores so
    classes: int
    fit: Fit = "as is"
    side: int | None = None
    scored: Literal["prepared", "original"] = "prepared"  # on which pixels
    matching: Matching = "set"  # of segments to classes; "concepts": by the mean vectors of the true classes
    by: By = "hits"  # what the matching makes as large as it can
    ignore: int = IGNORE
    split: str = ""  # of the set, that numbers are published of; another is scored too, and told apart

    def __post_init__(self) -> None:
        refuse_fit(self.fit, self.side)
        _refuse_other(self, scored=("prepared", "original"), matching=get_args(Matching), by=get_args(By))

    def __str__(self) -> str:
        pixels = "the prepared picture" if self.scored == "prepared" else "the original pixels"
        matched = {
            "image": f"segments matched in each picture by {self.by}",
            "set": f"segments gathered by k-means of their matching features, matched over the whole set by {self.by}",
            "concepts": "segments named by the nearest mean matching feature of a true class",
            "names": "classes by name",
        }[self.matching]
        return (
            f"{self.name}: {self.data}, {self.classes} classes, {self.ignore} ignored; {_fitted(self)}; "
            f"scored on {pixels}; {matched} ({self.source})"
        )


@dataclass(frozen=True)
class PointsProtocol:
    """How matched points are scored (PCK): right within alpha times a size. `str()` is one line."""

    name: str
    data: str
    source: str
    fit: Fit = "as is"
    side: int | None = None
    alphas: tuple[float, ...] = (0.05, 0.1)
    size: Size = "target box"  # its longer side, in pixels of the target as published
    averaging: Averaging = "image"  # over points of a pair then pairs, over all points, or by category then categories
    split: str = ""

    def __post_init__(self) -> None:
        refuse_fit(self.fit, self.side)
        _refuse_other(self, size=get_args(Size), averaging=get_args(Averaging))
        if not self.alphas or not all(alpha > 0 for alpha in self.alphas):
            raise InputError(f"alphas are positive shares of the size; got {self.alphas!r}.")

    def __str__(self) -> str:
        alphas = ", ".join(f"{alpha:g}" for alpha in self.alphas)
        return (
            f"{self.name}: {self.data}; {_fitted(self)}; right within alpha {alphas} x longer side of the {self.size}, "
            f"in original pixels; averaged by {self.averaging} ({self.source})"
        )


@dataclass(frozen=True)
class InstanceProtocol:
    """Who is looked for, where, and how that is scored: retrieval or segmentation. `str()` is one line."""

    name: str
    data: str
    source: str
    task: Task
    frames: FramesRule  # of a video; how they were chosen for the set
    fit: Fit = "as is"
    side: int | None = None
    reference: Reference = "first frame"
    targets: Targets = "own other frames"
    smallest: float = 0.0  # share of the prepared picture; below it a mask is dropped:
    dropped: Literal["individual", "target"] = "target"  # with all frames of it, or as a target only
    pooling: Pooling = "pair"  # of intersections and unions, before they are divided
    ties: Ties = "pessimistic"  # of equal scores in a ranking: the right ones last, or in between
    split: str = ""

    def __post_init__(self) -> None:
        refuse_fit(self.fit, self.side)
        _refuse_other(
            self, task=get_args(Task), frames=get_args(FramesRule), reference=get_args(Reference),
            targets=get_args(Targets), dropped=("individual", "target"), pooling=get_args(Pooling), ties=get_args(Ties),
        )  # fmt: skip
        if not 0 <= self.smallest < 1:
            raise InputError(f"smallest is a share of the picture, 0 to 1; got {self.smallest!r}.")

    def __str__(self) -> str:
        scored = f"ties {self.ties}" if self.task == "retrieval" else f"IoU pooled by {self.pooling}"
        least = f"; {self.dropped}s with a mask under {self.smallest:g} of the picture dropped" if self.smallest else ""
        return (
            f"{self.name}: {self.data}, frames {self.frames}; {_fitted(self)}; reference {self.reference}, targets "
            f"{self.targets}{least}; {self.task}, {scored} ({self.source})"
        )


def _fitted(protocol: SegmentationProtocol | PointsProtocol | InstanceProtocol) -> str:
    return f"pictures {FITS[protocol.fit].format(protocol.side)}"


def _refuse_other(protocol: object, **allowed: tuple[str, ...]) -> None:
    for name, values in allowed.items():
        value = getattr(protocol, name)
        if value not in values:
            raise InputError(f"{name} is one of {', '.join(values)}; got {value!r}.")


Protocol = SegmentationProtocol | PointsProtocol | InstanceProtocol

# Evaluated in the released notebook: central square to 512, nearest labels, one assignment a picture by hits.
DIFFSEG_COCO = SegmentationProtocol(
    "diffseg_coco", "COCO-Stuff-27", "Tian et al. 2024, arXiv:2308.12469", 27, "centre crop", 512, matching="image",
    split="val, curated",
)  # fmt: skip
DIFFSEG_CITYSCAPES = replace(DIFFSEG_COCO, name="diffseg_cityscapes", data="Cityscapes-27", split="val")
# res 320 in the released test script; K clusters to K classes once, over all pictures. STEGO scores at 320 as well.
PICIE_COCO = SegmentationProtocol(
    "picie_coco", "COCO-Stuff-27", "Cho et al. 2021, arXiv:2103.17070", 27, "short side", 320, split="val, curated"
)
# PiCIE itself scores Cityscapes on train and val together; the val split is STEGO's.
STEGO_CITYSCAPES = replace(
    PICIE_COCO, name="stego_cityscapes", data="Cityscapes-27", source="Hamilton et al. 2022, arXiv:2203.08414",
    split="val",
)  # fmt: skip
# No paper's: whole pictures, original pixels, nothing to match.
ADE20K_NAMES = SegmentationProtocol(
    "ade20k_names", "ADE20K-150", "ours", 150, scored="original", matching="names", split="val"
)
# EmerDiff's: the true classes' means name the segments, so that masks are graded, not discovery.
ADE20K_CONCEPTS = replace(
    ADE20K_NAMES, name="ade20k_concepts", source="Namekata et al. 2024, arXiv:2401.11739", matching="concepts"
)
VOC_NAMES = replace(ADE20K_NAMES, name="voc_names", data="Pascal VOC 2012", classes=21)
CONTEXT_NAMES = replace(ADE20K_NAMES, name="context_names", data="Pascal Context-59", classes=59)

# eval_spair.py: pictures squashed to 768, threshold max(w, h) of the target's box in original pixels.
SPAIR = PointsProtocol(
    "spair", "SPair-71k", "Tang et al. 2023, arXiv:2306.03881", "squash", 768, (0.01, 0.05, 0.1), averaging="point",
    split="test, large",
)  # fmt: skip
SPAIR_BY_IMAGE = replace(SPAIR, name="spair_by_image", averaging="image")
# The threshold called "bbox-kp": the box around the target's points. Pictures squashed to 512 (Hedlin et al.).
PF_WILLOW = PointsProtocol(
    "pf_willow", "PF-Willow", "Ham et al. 2016, arXiv:1511.05065; Hedlin et al. 2023, arXiv:2305.15581", "squash", 512,
    (0.05, 0.1, 0.15), "target keypoints", split="test",
)  # fmt: skip
# First three species, all pairs of the test split within one. Their code scales the box by the width's factor only.
CUB = PointsProtocol(
    "cub", "CUB-200-2011", "Hedlin et al. 2023, arXiv:2305.15581", "squash", 512, split="test, 3 species"
)

# pdm_permir.py: the query is the frame of the largest mask, the gallery all others of all videos; a video goes if one
# of its masks is under 0.005 of the square. Frames by the released rule; the paper says random.
PERMIR = InstanceProtocol(
    "permir", "PerMIR", "Samuel et al. 2024, arXiv:2405.18025", "retrieval", "largest", "object crop", 512,
    "largest mask", "all other frames", 0.005, "individual",
)  # fmt: skip
PERMIR_RANDOM = replace(PERMIR, name="permir_random", frames="random")
# pdm_permis.py: frame 0 to frame 1, intersections and unions summed over all pairs.
PERMIS = InstanceProtocol(
    "permis", "PerMIS", "Samuel et al. 2024, arXiv:2405.18025", "segmentation", "largest", "object crop",
    512, "first frame", "second frame", 0.005, "target", "set",
)  # fmt: skip
PERMIS_RANDOM = replace(PERMIS, name="permis_random", frames="random")
# eval_mioU.py: picture 00 is the reference and not scored; pooled over an object's pictures, then the mean of objects.
PERSEG = InstanceProtocol(
    "perseg", "PerSeg", "Zhang et al. 2023, arXiv:2305.03048", "segmentation", "all", pooling="object"
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        DIFFSEG_COCO, DIFFSEG_CITYSCAPES, PICIE_COCO, STEGO_CITYSCAPES, ADE20K_NAMES,
        ADE20K_CONCEPTS, VOC_NAMES, CONTEXT_NAMES, SPAIR,
        SPAIR_BY_IMAGE, PF_WILLOW, CUB, PERMIR, PERMIR_RANDOM, PERMIS, PERMIS_RANDOM, PERSEG,
    )
}  # fmt: skip
