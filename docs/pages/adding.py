"""
Add a method in one file
========================

A method is one function of a model, inputs and settings. This page writes one, looks at it, and
measures a claim about it; what makes it part of the library stands at the end.

The idea: DAAM's map of a word is high on parts of a thing. Cells that belong together look at one
another by **self-attention**, so that each cell can take the mean of the map over where it looks.
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch

import innerlight
from innerlight import Read, probe, viz
from innerlight.maps import WordMap, resize
from innerlight.methods.reading.daam import WordMaps, daam
from innerlight.taps import HeadMean
from innerlight.world import caption, render, sample, truth


@dataclass(frozen=True)
class CarriedConfig:
    timestep: int = 100  # of the pass that is looked into, of 1000
    threshold: float = 0.4  # of a map's maximum, for masks; DAAM's


def carried(
    backbone,
    prompts,
    words=None,
    config=CarriedConfig(),
    *,
    image=None,
    size=None,
    seed=0,
    run=None,
):
    """DAAM's maps of words, each cell's number the mean over the cells that it looks at."""
    found = daam(backbone, prompts, words, image=image, size=size, seed=seed, run=run)
    read = Read("semantic.self", "probabilities", rows="cond", reduce=HeadMean())
    latents = backbone.encode(found.images)
    seen = probe(backbone, latents, config.timestep, read, noise=seed)
    maps = []
    for number, own in enumerate(found.maps):
        looks = [
            (backbone.sites[site].grid(seen.latent), rows[number])  # (cells, cells)
            for site, rows in seen[read].items()
        ]
        maps.append({word: through(looks, one) for word, one in own.items()})
    recipe = {**found.recipe, "method": "carried", "config": asdict(config)}
    return WordMaps(found.images, maps, config.threshold, recipe)


def through(looks, found):
    """One map, carried at each place, averaged, and from its lowest number up."""
    values = torch.tensor(found.values)
    each = [
        resize(
            (rows.cpu() @ resize(values, grid).flatten()).unflatten(0, grid),
            values.shape,
        )
        for grid, rows in looks
    ]
    mean = torch.stack(each).mean(0).numpy()
    return WordMap(found.word, mean - mean.min(), found.image_size)


# %%
# It has the inputs of its family, and gives what the family gives: methods of reading take prompts
# and words, and return maps. Settings are a frozen dataclass with defaults, what is random takes a
# `seed`, and nothing is known of the network but roles: the same lines run on Stable Diffusion XL.
#
# Look at it before anything is measured.

model = innerlight.load()
scene = render(sample(7, categories=["dog"], setting="grass", style="photo"), 128)
prompt = caption(scene.scene, "short").text
before = daam(model, prompt, ["dog"], image=scene.picture)
after = carried(model, prompt, ["dog"], image=scene.picture)
viz.grid(
    [viz.enlarge(scene.picture, 2)]
    + [
        viz.enlarge(one.maps[0]["dog"].picture(scene.picture), 2)
        for one in (before, after)
    ],
    [prompt, "DAAM", "carried"],
    columns=3,
)

# %%
# A claim
# -------
#
# A claim scores one scene at a time: the method under the name "method", and each baseline beside
# it. `None` drops a scene that asks nothing. The same scenes for all arms make the differences
# paired.

from innerlight.methods import Claim
from innerlight.metrics import iou


def score(backbone, seed):
    drawn = render(sample(seed, count=1), backbone.size[0])
    thing = truth.instances(drawn) == 1
    if thing.mean() < 0.02:
        return None
    told = caption(drawn.scene)
    (noun,) = (
        told.text[span.start : span.end] for span in told.spans if span.role == "noun"
    )
    asked = {"image": drawn.picture, "seed": seed}
    return {
        "method": float(
            iou(carried(backbone, told.text, [noun], **asked).mask(noun), thing)
        ),
        "daam": float(
            iou(daam(backbone, told.text, [noun], **asked).mask(noun), thing)
        ),
    }


claim = Claim(
    "carried.iou",
    "carried by self-attention, the mask of a noun covers its thing better",
    baselines=("daam",),
    score=score,
)

# %%
# Seeds from 50 000 are for development, those from 100 000 for the numbers that are kept.

from innerlight.bench.evidence import interval

scores = [
    one for one in (claim.score(model, seed) for seed in range(50_000, 50_030)) if one
]
above = np.array([one["method"] - one["daam"] for one in scores])
low, high = interval(above)
for arm in scores[0]:
    print(f"{arm}: {np.mean([one[arm] for one in scores]):.3f}")
print(
    f"difference {above.mean():+.3f}, 95 % from {low:+.3f} to {high:+.3f}, n {len(above)}"
)

# %%
# A claim holds when the worse end of that interval is above zero, and is undecided while zero lies
# inside. This one does not hold: on this model DAAM's maps are better before they are carried.
#
# The file
# --------
#
# In `src/innerlight/methods/reading/carried.py`, the claim first and this line above the function,
# it is a method:
#
# .. code-block:: python
#
#    from innerlight.methods import method
#
#    @method(family="reading", paper="arXiv:0000.00000", claims=(claim,))
#    def carried(
#        backbone,
#        prompts,
#        words=None,
#        config=CarriedConfig(),
#        *,
#        image=None,
#        size=None,
#        seed=0,
#        run=None,
#    ): ...
#
# `innerlight methods` lists it, `innerlight carried` runs it, and the tests of the contract find
# it: they call it as its family is called, on every kind of model, on a rectangle and in a batch.
# Beside it come a test of its own formulas in `tests/methods`, a page, and what was measured:
#
# .. code-block:: console
#
#    $ innerlight bench carried            # the claim, on scoring scenes
#    $ innerlight bench geometry carried   # on networks of the published shapes
#    $ innerlight evidence --markdown      # README's table, written anew
#
# How one of the library's own looks, its settings:

import inspect

from innerlight.methods.segmentation.diffseg import DiffsegConfig

print(inspect.getsource(DiffsegConfig))
