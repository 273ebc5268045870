"""
Add a method in one file
========================

A method is one function of a model, inputs and settings. This page writes one, looks at it, and
measures a claim about it; the file that would make it part of the library is the last block.

The idea: point at a thing, and what its cell looks at by **self-attention** is the thing.
"""

from dataclasses import dataclass

import numpy as np

import innerlight
from innerlight import Read, probe, viz
from innerlight.maps import WordMap
from innerlight.taps import HeadMean
from innerlight.world import render, sample, truth


@dataclass(frozen=True)
class PointedConfig:
    timestep: int = 100  # of the pass, of 1000
    threshold: float = 0.3  # of the map's maximum, for the mask


def pointed(backbone, image, point, config=PointedConfig(), *, seed=0):
    """What the cell under `point` (x, y) looks at."""
    read = Read("semantic.self", "probabilities", rows="cond", reduce=HeadMean())
    seen = probe(backbone, backbone.encode([image]), config.timestep, read, noise=seed)
    height, width = image.shape[:2]
    maps = []
    for site, rows in seen[read].items():  # (1, cells, cells): where each cell looks
        side = backbone.sites[site].grid(seen.latent)
        cell = int(point[1] / height * side[0]) * side[1] + int(
            point[0] / width * side[1]
        )
        maps.append(rows[0, cell].view(side).numpy())
    return WordMap("pointed", np.mean(maps, axis=0), (height, width))


# %%
# Settings are a frozen dataclass with defaults, what is random takes a `seed`, and nothing is known
# of the network but roles: the same lines run on Stable Diffusion XL.
#
# Look at it before anything is measured.

model = innerlight.load()
scene = render(sample(7, categories=["dog"], setting="grass", style="photo"), 128)
left, top, right, bottom = truth.boxes(scene)[0]
middle = ((left + right) / 2, (top + bottom) / 2)
found = pointed(model, scene.picture, middle)
inside = innerlight.types.LabelMap(
    found.mask(PointedConfig().threshold).astype("uint8"), {}
)
viz.grid(
    [
        viz.points(scene.picture, {"here": middle}, scale=2),
        viz.enlarge(found.picture(scene.picture), 2),
        viz.labels(scene.picture, inside, legend=False, hidden=[0], scale=2),
    ],
    ["a point", "what its cell looks at", "the mask"],
    columns=3,
)

# %%
# A claim
# -------
#
# A claim scores one scene at a time: the method under the name "method", and each baseline beside
# it. `None` drops a scene that asks nothing. The same scenes for all arms make the differences
# paired.

from innerlight.maps import centred_gaussian
from innerlight.methods import Claim
from innerlight.metrics import iou


def score(backbone, seed):
    drawn = render(sample(seed, count=1), backbone.size[0])
    thing = truth.instances(drawn) == 1
    if thing.mean() < 0.02:
        return None
    rows, columns = np.nonzero(thing)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    point = columns[nearest] + 0.5, rows[nearest] + 0.5
    threshold = PointedConfig().threshold
    own = pointed(backbone, drawn.picture, point, seed=seed).mask(threshold)
    guess = WordMap("", centred_gaussian(backbone.sites.latent).numpy(), backbone.size)
    return {
        "method": float(iou(own, thing)),
        "centred gaussian": float(iou(guess.mask(threshold), thing)),
    }


claim = Claim(
    "pointed.iou",
    "what a thing's cell looks at covers it, better than a centred Gaussian",
    baselines=("centred gaussian",),
    score=score,
)

# %%
# Seeds from 50 000 are for development, those from 100 000 for the numbers that are kept.

from innerlight.bench.evidence import interval

scores = [
    one for one in (claim.score(model, seed) for seed in range(50_000, 50_040)) if one
]
above = np.array([one["method"] - one["centred gaussian"] for one in scores])
low, high = interval(above)
for arm in scores[0]:
    print(f"{arm}: {np.mean([one[arm] for one in scores]):.3f}")
print(
    f"difference {above.mean():+.3f}, 95 % from {low:+.3f} to {high:+.3f}, n {len(above)}"
)

# %%
# An interval with zero inside would be called undecided. The idea is a weak one: a cell looks at
# what explains it, of a dog the ear and a foot, not all of the dog. DiffSeg compares whole rows of
# self-attention instead.
#
# The file
# --------
#
# In `src/innerlight/methods/reading/pointed.py`, with this line above the function, it is a method:
#
# .. code-block:: python
#
#    @method(family="reading", paper="arXiv:2308.12469", claims=(claim,))
#    def pointed(backbone, image, point, config=PointedConfig(), *, seed=0): ...
#
# Nothing else is touched. `innerlight methods` lists it, `innerlight bench pointed` measures the
# claim on scoring scenes and shows the best, the median and the worst, and the tests of the
# contract find it. How one of the library's own looks, its settings:

import inspect

from innerlight.methods.segmentation.diffseg import DiffsegConfig

print(inspect.getsource(DiffsegConfig))
