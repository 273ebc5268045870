"""P+, extended textual inversion (Voynov et al. 2023, arXiv:2303.09522): a word with a meaning for each place.

Each place at which the network reads its prompt has a vector of its own, learned together:

    E* = argmin E || target - estimate(z_t, t, c_1 .. c_L) ||^2,    c_i the prompt with row i of E in the word's place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.embedded.concepts import (
    DRAWN,
    ROLES,
    WORD,
    concept,
    likeness,
    plain_names,
    taken_from,
    two_looks,
    word_of,
)
from innerlight.files import Source, read_pictures
from innerlight.methods._registry import Claim, get, method
from innerlight.methods.teaching._claims import keeping
from innerlight.sampling import Run
from innerlight.tuning.denoising import Part, Shots
from innerlight.tuning.lessons import Folder, Term, Vectors, begun
from innerlight.tuning.taught import NAME, Taught, teach_word
from innerlight.tuning.templates import STYLES, THINGS, known_to
from innerlight.types import InputError
from innerlight.world import caption

FEW = 40  # steps that are compared with as many of one vector, and with five times as many
SPLITS = 6  # between inner and outer places, that are compared
STEPS = 500  # of the paper, a tenth of what it gives to textual inversion


@dataclass(frozen=True)
class PPlusConfig:
    """The paper's budget, with a rate that fits every table."""

    steps: int | None = None  # None: the model's own, else 500
    batch: int = 8  # pictures a step
    rate: float = 0.1  # a step, as a share of the table's rms
    decay: float = 0.0  # towards the word it began as
    density: float = 0.0  # how much it costs to be unlike all tokens that the model knows; the paper's regulariser
    width: float = 1.0  # of that density's kernel, in units of the table's rms; the paper does not say
    style: bool = False  # sentences about a style, not a thing
    mirror: bool = False  # also learn from mirror images; not for things that have a left and a right


@cache
def _arms(backbone: Backbone, seed: int) -> dict[str, dict[str, float]]:
    """A concept by its word, in few steps, and by words of one vector."""
    asked = concept(seed, backbone.size[0], plain_names(backbone))
    other = get("textual_inversion")
    words = {"method": word_of(p_plus, backbone, seed, PPlusConfig(steps=FEW))}
    for title, times in zip(RIVALS, (1, 5), strict=True):
        words[title] = word_of(other.function, backbone, seed, other.config(steps=times * FEW))
    return {arm: asked.judged(backbone.knowing(word), f"a {WORD}", seed) for arm, word in words.items()}


def _from_inner(backbone: Backbone, seed: int, **places: int) -> dict[str, float] | None:
    """One caption for the inner places, another for the outer: how often class, colour and pattern are the inner's."""
    both = two_looks(seed, backbone.size[0])
    if both is None:
        return None
    inner, outer = (caption(one.scene, "short", say=[(0, role) for role in ("noun", *ROLES)]).text for one in both)
    mixing = get("style_mixing")
    made = mixing.function(
        backbone, [inner] * DRAWN, [outer] * DRAWN, mixing.config(**places), seed=seed, run=Run(progress=False)
    )
    return taken_from(*both, made.images)


def _score_layers(backbone: Backbone, seed: int) -> dict[str, float] | None:
    found = _from_inner(backbone, seed)
    return None if found is None else {"method": found["class"], **{role: found[role] for role in ROLES}}


def splits(backbone: Backbone) -> list[tuple[int, int]]:
    """First and last of the inner places: from the coarsest alone on ever more to both sides, but never all."""
    strides = [site.grid_stride for site in backbone.places]
    coarse = [number for number, stride in enumerate(strides) if stride == max(strides)]
    middle, last = (coarse[0] + coarse[-1]) / 2, len(strides) - 1
    widths = np.linspace((coarse[-1] - coarse[0]) / 2, max(middle, last - middle), SPLITS + 1)
    found = [(max(0, round(middle - width)), min(last, round(middle + width))) for width in widths]
    return [one for one in dict.fromkeys(found) if one != (0, last)]


def _score_split(backbone: Backbone, seed: int) -> dict[str, float] | None:
    """The mean over all splits; beside it, of each, how often class, colour and pattern are the inner caption's."""
    found = {split: _from_inner(backbone, seed, first=split[0], last=split[1]) for split in splits(backbone)}
    seen = {split: one for split, one in found.items() if one is not None}
    if not seen:
        return None
    each = {f"{first} to {last}: {role}": one[role] for (first, last), one in seen.items() for role in one}
    mean = {role: float(np.mean([one[role] for one in seen.values()])) for role in ("class", *ROLES)}
    return {"method": mean["class"], **{role: mean[role] for role in ROLES}, **each}


RIVALS = ("textual_inversion", "textual inversion in five times the steps")
CLAIMS = (
    *keeping("p_plus", RIVALS, _arms, f" after {FEW} steps"),
    Claim(
        "p_plus.layers", "the inner places carry the class more than they do the colour and the pattern",
        ("colour", "pattern"), _score_layers, scenes=40,
    ),
    Claim(
        "p_plus.split", "so they do on the mean over six ways to part inner from outer, from the coarsest places on",
        ("colour", "pattern"), _score_split, scenes=16,
    ),
)  # fmt: skip


@method(family="teaching", paper="arXiv:2303.09522", claims=CLAIMS)
def p_plus(
    backbone: Backbone,
    pictures: Source | Iterable[Source],
    name: str = NAME,
    like: str = "",
    config: PPlusConfig = PPlusConfig(),
    *,
    size: Size | None = None,
    seed: int = 0,
    folder: Folder | None = None,
    report: int = 2,
    run: Run | None = None,
) -> Taught:
    """The word `name` for what the pictures have in common, begun at every place as the word `like`, of one token.

    In `folder` the run is kept as it goes, and gone on with if it was stopped. `report`: pictures of each kind that are
    drawn at the end, to see what was learned; 0 for none.
    """
    if config.density < 0 or config.width <= 0:
        raise InputError(
            f"expected a density of 0 or more and a width above 0, got {config.density:g} and {config.width:g}"
        )
    images = read_pictures(pictures)
    shots = Shots.of(backbone, images, size, mirrored=config.mirror)
    steps = _steps(backbone, config)
    vectors = Vectors(backbone, {name: _at_each_place(backbone, begun(backbone, like))})
    known = backbone.knowing(vectors.word(name))
    templates = known_to(STYLES if config.style else THINGS, backbone.calibration.get("vocabulary"))

    def say(chosen: Sequence[int], random: np.random.Generator) -> list[str]:
        """One sentence a step, for it is read once for each place."""
        return [templates[random.integers(len(templates))].format(name)] * len(chosen)

    terms: dict[str, Term] = {}
    if config.density:
        terms["density"] = Term(lambda batch, seen: config.density * vectors.rarity(name, config.width))
    part = Part("pictures", shots, say, config.batch)
    recipe = {"method": "p_plus", "config": asdict(config) | {"steps": steps}}
    return teach_word(
        backbone, vectors, name, like, images, [part], lambda step: known.relearning(vectors.word(name)), steps=steps,
        rate=config.rate, decay=config.decay, terms=terms, recipe=recipe, seed=seed, folder=folder, report=report,
        judged=likeness(backbone, like), style=config.style,
        run=run,
    )  # fmt: skip


def _steps(backbone: Backbone, config: PPlusConfig) -> int:
    return int(backbone.calibration.get("p_plus_steps", STEPS)) if config.steps is None else config.steps


def _at_each_place(backbone: Backbone, vectors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """(places, 1, d) for each encoder, all alike."""
    return tuple(one.expand(len(backbone.places), -1, -1).clone() for one in vectors)
