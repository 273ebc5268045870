"""Real data sets, read from their published folders, and the protocols they are scored by."""

from __future__ import annotations

from innerlight.bench.data.ade20k import ADE20K_150, open_ade20k
from innerlight.bench.data.burst import open_permir, open_permis
from innerlight.bench.data.cityscapes import CITYSCAPES_27, open_cityscapes
from innerlight.bench.data.coco_stuff import COCO_STUFF_27, open_coco_stuff
from innerlight.bench.data.cub import open_cub
from innerlight.bench.data.framing import Fit, Framing, framing_of
from innerlight.bench.data.items import IGNORE, Box, DataSet, InstanceFrame, PointPair, SegmentationItem
from innerlight.bench.data.pascal import (
    PASCAL_CONTEXT_59,
    PASCAL_CONTEXT_60,
    PASCAL_VOC_21,
    open_pascal_context,
    open_pascal_voc,
)
from innerlight.bench.data.perseg import open_perseg
from innerlight.bench.data.pf_willow import open_pf_willow
from innerlight.bench.data.preparing import (
    InstanceSearch,
    PreparedFrame,
    PreparedLabels,
    PreparedPair,
    prepare_frame,
    prepare_labels,
    prepare_pair,
    searches,
    size_of,
)
from innerlight.bench.data.protocols import PROTOCOLS, InstanceProtocol, PointsProtocol, Protocol, SegmentationProtocol
from innerlight.bench.data.scoring import Report, score_set
from innerlight.bench.data.spair import SPAIR_18, open_spair

__all__ = [
    "ADE20K_150",
    "CITYSCAPES_27",
    "COCO_STUFF_27",
    "IGNORE",
    "PASCAL_CONTEXT_59",
    "PASCAL_CONTEXT_60",
    "PASCAL_VOC_21",
    "PROTOCOLS",
    "SPAIR_18",
    "Box",
    "DataSet",
    "Fit",
    "Framing",
    "InstanceFrame",
    "InstanceProtocol",
    "InstanceSearch",
    "PointPair",
    "PointsProtocol",
    "PreparedFrame",
    "PreparedLabels",
    "PreparedPair",
    "Protocol",
    "Report",
    "SegmentationItem",
    "SegmentationProtocol",
    "framing_of",
    "open_ade20k",
    "open_cityscapes",
    "open_coco_stuff",
    "open_cub",
    "open_pascal_context",
    "open_pascal_voc",
    "open_permir",
    "open_permis",
    "open_perseg",
    "open_pf_willow",
    "open_spair",
    "prepare_frame",
    "prepare_labels",
    "prepare_pair",
    "score_set",
    "searches",
    "size_of",
]
