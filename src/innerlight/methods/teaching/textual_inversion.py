"""Textual Inversion (Gal et al. 2022, arXiv:2208.01618): a thing as one new word, learned from a few pictures.

The word's vector is all that is learned: v* = argmin E || target - estimate(z_t, t, "a photo of a <toy>") ||^2. The
paper's four variants are settings: several vectors, unlocked one after another, held near the word they began as, and
words of each picture's own that are thrown away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np

from innerlight.backbones import Backbone, Size
from innerlight.embedded.concepts import WORD, concept, likeness, plain_names, word_of
from innerlight.files import Source, read_pictures
from innerlight.methods._registry import Claim, method
from innerlight.methods.teaching._claims import CAPTION, keeping
from innerlight.sampling import Run
from innerlight.tuning.denoising import Part, Say, Shots
from innerlight.tuning.lessons import Folder, Term, Vectors, begun
from innerlight.tuning.taught import NAME, Taught, teach_word
from innerlight.tuning.templates import EACH_STEP, PAIRS, STYLE_PAIRS, STYLES, THINGS, drawn, known_to
from innerlight.types import InputError

STEPS = 3000  # of the released recipe for Stable Diffusion, at an effective rate of 2e-3


@dataclass(frozen=True)
class TextualInversionConfig:
    """After the released recipe; more pictures a step, and a rate that falls and fits every table."""

    steps: int | None = None  # None: the model's own, else 3000
    batch: int = 8  # pictures a step
    rate: float = 0.1  # a step, as a share of the table's rms; 2e-3 on Stable Diffusion is 0.14
    decay: float = 0.0  # towards the word it began as; released code decays towards 0, which shrinks the vector
    vectors: int = 1  # tokens that the word takes
    progressive: bool = False  # one vector at first; the others join as the run goes on
    hold: float = 0.0  # how much the distance from the word it began as costs, in units of the table's rms
    own_words: float = 0.0  # share of sentences that also have a word of the picture's own; 0.25 in the paper
    style: bool = False  # sentences about a style, not a thing
    mirror: bool = False  # also learn from mirror images; not for things that have a left and a right


@cache
def _arms(backbone: Backbone, seed: int) -> dict[str, dict[str, float]]:
    """A concept by its learned word, and by what could be said before."""
    asked = concept(seed, backbone.size[0], plain_names(backbone))
    word = word_of(textual_inversion, backbone, seed, TextualInversionConfig())
    return {
        "method": asked.judged(backbone.knowing(word), f"a {WORD}", seed),
        CAPTION: asked.judged(backbone, asked.words, seed),
        "the word it began as": asked.judged(backbone, f"a {asked.like}", seed),
        "the pictures themselves": {"identity": asked.kept(asked.shots), "likeness": asked.alike(asked.shots)},
    }


VARIANTS = {
    "one vector": TextualInversionConfig(),
    "two vectors": TextualInversionConfig(vectors=2),
    "four vectors": TextualInversionConfig(vectors=4),
    "unlocked one by one": TextualInversionConfig(vectors=4, progressive=True),
    "hardly held": TextualInversionConfig(hold=0.01),
    "lightly held": TextualInversionConfig(hold=0.1),
    "held": TextualInversionConfig(hold=1.0),
    "words of their own": TextualInversionConfig(own_words=0.25),
}
JUDGED = 28  # pictures of each kind


@cache
def _variants(backbone: Backbone, seed: int) -> dict[str, float]:
    """Of each variant, how like the thing pictures are, and how often they show the setting that is asked for."""
    asked = concept(seed, backbone.size[0], plain_names(backbone))
    found: dict[str, float] = {}
    for arm, config in VARIANTS.items():
        knowing = backbone.knowing(word_of(textual_inversion, backbone, seed, config))
        found[f"{arm}: like"] = asked.judged(knowing, f"a {WORD}", seed, JUDGED)["likeness"]
        found[f"{arm}: editable"] = asked.elsewhere(knowing, WORD, seed, JUDGED)
    return found


def _score_variants(backbone: Backbone, seed: int) -> dict[str, float]:
    found = _variants(backbone, seed)
    return _order(found, "one vector", "four vectors") | found


def _score_held(backbone: Backbone, seed: int) -> dict[str, float]:
    return _order(_variants(backbone, seed), "held", "one vector")


def _score_own_words(backbone: Backbone, seed: int) -> dict[str, float]:
    found = _variants(backbone, seed)
    return {"method": found["words of their own: like"], "one vector": found["one vector: like"]}


def _order(found: Mapping[str, float], less: str, more: str) -> dict[str, float]:
    """Of two orders the share that is found, a draw counts half: `more` is more like the thing, and less editable."""
    steps = [
        found[f"{more}: like"] - found[f"{less}: like"], found[f"{less}: editable"] - found[f"{more}: editable"],
    ]  # fmt: skip
    return {"method": float(np.mean([0.5 + 0.5 * np.sign(step) for step in steps])), "no order": 0.5}


LESS = 0.05  # that a word may lose
RIVALS = (CAPTION, "the word it began as")
CLAIMS = (
    *keeping("textual_inversion", RIVALS, _arms),
    Claim(
        "textual_inversion.variants", "more vectors keep more and can be edited less",
        ("no order",), _score_variants, scenes=8,
    ),
    Claim(
        "textual_inversion.held", "holding the word near the one it began as keeps less and can be edited more",
        ("no order",), _score_held, scenes=8,
    ),
    Claim(
        "textual_inversion.own_words", f"words of the pictures' own cost the shared one at most {LESS:g} of likeness",
        ("one vector",), _score_own_words, -LESS, scenes=8,
    ),
)  # fmt: skip


@method(family="teaching", paper="arXiv:2208.01618", claims=CLAIMS)
def textual_inversion(
    backbone: Backbone,
    pictures: Source | Iterable[Source],
    name: str = NAME,
    like: str = "",
    config: TextualInversionConfig = TextualInversionConfig(),
    *,
    size: Size | None = None,
    seed: int = 0,
    folder: Folder | None = None,
    report: int = 2,
    run: Run | None = None,
) -> Taught:
    """The word `name` for what the pictures have in common, begun as the word `like`, of one token.

    In `folder` the run is kept as it goes, and gone on with if it was stopped. `report`: pictures of each kind that are
    drawn at the end, to see what was learned; 0 for none.
    """
    if config.hold < 0 or not 0 <= config.own_words <= 1:
        raise InputError(
            f"expected a hold of 0 or more and own_words of 0 to 1, got {config.hold:g} and {config.own_words:g}"
        )
    images = read_pictures(pictures)
    shots = Shots.of(backbone, images, size, mirrored=config.mirror)
    known_steps = int(backbone.calibration.get("textual_inversion_steps", STEPS))
    steps = known_steps if config.steps is None else config.steps
    owners = [f"<{name.strip('<>')}-{number}>" for number in range(len(shots))] if config.own_words else []
    own = dict.fromkeys(owners, begun(backbone, like))
    vectors = Vectors(backbone, {name: begun(backbone, like, config.vectors), **own})
    known = backbone.knowing(*map(vectors.word, vectors.names))

    def view(step: int) -> Backbone:
        return known.relearning(vectors.word(name, _unlocked(config, steps, step)), *map(vectors.word, owners))

    terms: dict[str, Term] = {}
    if config.hold:
        terms["hold"] = Term(lambda batch, seen: config.hold * vectors.pull(name))
    part = Part("pictures", shots, _sentences(backbone, name, owners, config), config.batch)
    recipe = {"method": "textual_inversion", "config": asdict(config) | {"steps": steps}}
    return teach_word(
        backbone, vectors, name, like, images, [part], view, steps=steps, rate=config.rate, decay=config.decay,
        terms=terms, recipe=recipe, seed=seed, folder=folder, report=report, judged=likeness(backbone, like),
        style=config.style, run=run,
    )  # fmt: skip


def _unlocked(config: TextualInversionConfig, steps: int, step: int) -> int:
    """How many vectors are in the prompt: all, or one more after each equal stretch of the run."""
    if not config.progressive:
        return config.vectors
    return min(config.vectors, 1 + step * config.vectors // max(steps, 1))


def _sentences(backbone: Backbone, name: str, owners: Sequence[str], config: TextualInversionConfig) -> Say:
    """What is said of pictures of these numbers: neutral sentences around the word, some with the picture's own."""
    vocabulary = backbone.calibration.get("vocabulary")
    plain = known_to(STYLES if config.style else THINGS, vocabulary)
    pairs = known_to(STYLE_PAIRS if config.style else PAIRS, vocabulary)

    def say(chosen: Sequence[int], random: np.random.Generator) -> list[str]:
        few = EACH_STEP // 2 if owners else EACH_STEP
        said = [one.format(name) for one in drawn(plain, len(chosen), random, few)]
        if not owners:
            return said
        own = random.random(len(chosen)) < config.own_words
        both = drawn(pairs, len(chosen), random, few)
        return [
            pair.format(name, owners[picture]) if mixed else alone
            for alone, pair, picture, mixed in zip(said, both, chosen, own, strict=True)
        ]

    return say
