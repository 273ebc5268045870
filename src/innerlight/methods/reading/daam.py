"""DAAM (Tang et al. 2023, arXiv:2210.04885): where each word of a prompt is in the picture, by cross-attention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from innerlight.backbones import Backbone, Context, Size
from innerlight.files import Source, read_pictures
from innerlight.maps import WordMap, centred_gaussian, resize, share
from innerlight.methods._registry import Claim, method
from innerlight.metrics import iou
from innerlight.prompts import Tokens, noun_phrases, tokens_of_word
from innerlight.sampling import Run, draw, generate, generators_of, seeds_of
from innerlight.sampling.generate import prompts_of
from innerlight.taps import HeadMean, Moment, Read, Rows, main_passes, tapped
from innerlight.types import InputError
from innerlight.world import caption, render, sample, truth


@dataclass(frozen=True)
class DaamConfig:
    """The authors' values; steps and guidance of None are the model's own."""

    threshold: float = 0.4  # of a map's maximum; the best of 0.3, 0.4, 0.5 in the paper
    branches: tuple[str, ...] = ("down", "up")  # the released code; the paper also has "mid"
    coarsest: int = 4  # stride; the released code leaves out the level at an eighth of the latent
    steps: int | None = None
    guidance: float | None = None
    across_words: bool = False  # divide each map by the sum over all words of the prompt
    levels: tuple[float, ...] = (0.1, 0.15, 0.2, 0.25, 0.3)  # of a given picture: how far it is noised


@dataclass(frozen=True, eq=False)
class WordMaps:
    """Pictures, and for each the maps of its words."""

    images: list[Image.Image]
    maps: list[dict[str, WordMap]]
    threshold: float
    recipe: Mapping[str, Any]

    def mask(self, word: str, image: int = 0) -> np.ndarray:
        """Where a word is, at the size of the picture."""
        return self.maps[image][word].mask(self.threshold)


def _read(backbone: Backbone, config: DaamConfig) -> Read:
    sites = [
        site.name
        for site in backbone.sites.values()
        if site.kind == "text" and site.branch in config.branches and site.stride <= config.coarsest
    ]
    if not sites:
        raise InputError(f"no text attention in {', '.join(config.branches)} up to stride {config.coarsest}")
    return Read(sites, "probabilities", rows="cond", reduce=HeadMean(), keep="sum", pool="grid", when=main_passes)


def _score_iou(backbone: Backbone, seed: int) -> dict[str, float] | None:
    """Mean over nouns of the IoU of a word's mask on a drawn scene; things below 1 % of the picture are left out."""
    scene = sample(seed)
    told = caption(scene)
    drawn = render(scene, backbone.size[0])
    owners = truth.instances(drawn)
    masks = [owners == thing + 1 for thing in range(len(scene.things))]
    nouns = {span.thing: told.text[span.start : span.end] for span in told.spans if span.role == "noun"}
    asked = {thing: word for thing, word in nouns.items() if thing is not None and masks[thing].mean() >= 0.01}
    if not asked:
        return None
    found = daam(backbone, told.text, list(asked.values()), image=drawn.picture, seed=seed).maps[0]
    other = daam(backbone, told.text, [_random_token(told.text, seed)], image=drawn.picture, seed=seed).maps[0]
    random_map = next(iter(other.values()))
    gaussian = WordMap("", centred_gaussian(backbone.sites.latent).numpy(), backbone.size)
    arms = {"centred gaussian": [gaussian] * len(asked), "random token": [random_map] * len(asked)}
    arms["method"] = [found[word] for word in asked.values()]
    threshold = DaamConfig().threshold
    return {
        arm: float(np.mean([iou(one.mask(threshold), masks[thing]) for one, thing in zip(maps, asked, strict=True)]))
        for arm, maps in arms.items()
    }


CLAIM = Claim(
    "daam.iou",
    "the mask of a noun covers the thing it names, better than a centred Gaussian or another word's mask",
    baselines=("centred gaussian", "random token"),
    score=_score_iou,
)


@method(family="reading", paper="arXiv:2210.04885", claims=(CLAIM,))
def daam(
    backbone: Backbone,
    prompts: str | Sequence[str],
    words: str | Sequence[str] | None = None,
    config: DaamConfig = DaamConfig(),
    *,
    image: Source | Iterable[Source] | None = None,
    size: Size | None = None,
    seed: int = 0,
    run: Run | None = None,
) -> WordMaps:
    """Maps of `words` (the nouns, if none are named) in pictures generated from `prompts`, or in given ones."""
    _check(config)
    texts = prompts_of(prompts)
    words = [words] if isinstance(words, str) else words
    read = _read(backbone, config)
    _refuse_unsaid(backbone, texts, words)
    if image is None:
        with tapped(backbone.sites, read) as seen:
            made = generate(
                backbone, texts, seed=seed, steps=config.steps, guidance=config.guidance, size=size, run=run
            )
        sums, counts, images, recipe = seen[read], seen.counts(read), made.images, dict(made.recipe)
        latent = (made.latents.shape[-2], made.latents.shape[-1])
        context = backbone.embed(texts, size)
    else:
        images = read_pictures(image)
        clean = backbone.encode(images, size)
        if len(clean) != len(texts):
            raise InputError(f"prompts: expected {len(clean)}, one for each picture, got {len(texts)}")
        seeds = seeds_of(seed, len(clean))
        latent = (clean.shape[-2], clean.shape[-1])
        context = backbone.embed(texts, (latent[0] * backbone.shrink, latent[1] * backbone.shrink))
        sums, counts = _over_levels(backbone, clean, context, read, config.levels, seeds, run or Run())
        recipe = {
            "model": backbone.name, "model_hash": backbone.hash, "prompts": texts, "seeds": list(seeds),
            "size": list(map(int, size)) if size else None,
        }  # fmt: skip
    mean = _mean(sums, sum(counts.values()), latent)
    maps = [
        _word_maps(mean[number], context.tokens[number][0], picture, text, words, config)
        for number, (picture, text) in enumerate(zip(images, texts, strict=True))
    ]
    settings = {**asdict(config), "words": None if words is None else list(words)}
    return WordMaps(images, maps, config.threshold, {**recipe, "method": "daam", "config": settings})


def _check(config: DaamConfig) -> None:
    if not all(0 <= level < 1 for level in config.levels) or not config.levels:
        raise InputError(f"levels: expected shares of the noise from 0 to below 1, got {config.levels}")
    if not 0 <= config.threshold < inf:
        raise InputError(f"threshold: expected a share of a map's maximum from 0 on, got {config.threshold!r}")


def _refuse_unsaid(backbone: Backbone, texts: Sequence[str], words: Sequence[str] | None) -> None:
    """Raise for words that a prompt does not have, before anything is drawn or looked at."""
    for text in texts:
        for word in _asked(text, words):
            tokens_of_word(backbone.texts[0].cut(text), word)


def _over_levels(
    backbone: Backbone,
    clean: Tensor,
    context: Context,
    read: Read,
    levels: Sequence[float],
    seeds: Sequence[int],
    run: Run,
) -> tuple[dict[Any, Tensor], dict[Any, int]]:
    """The same sums of a given picture: one pass without guidance at each noise level."""
    noise = draw(generators_of(seeds), clean.shape[1:], clean)
    times = [int(level * len(backbone.levels)) for level in levels]
    with run.bar("daam", len(times)) as advance, torch.no_grad(), tapped(backbone.sites, read) as seen:
        for step, t in enumerate(times):
            noisy = backbone.levels.noisy(clean, noise, torch.tensor([t], device=clean.device))
            backbone.denoise(noisy, t, context, Moment(step, len(times), t, rows=Rows(("cond",), len(clean))))
            advance()
    return dict(seen[read]), seen.counts(read)


def _mean(sums: Mapping[Any, Tensor], count: int, latent: Size) -> Tensor:
    """(images, tokens, rows, columns): each level's sum at the latent's grid, averaged over levels, layers and steps,
    then clamped.
    """
    # interpolation is linear, so each level is resized once
    total = sum(resize(values.mT.unflatten(-1, grid), latent, how="bicubic") for grid, values in sums.items())
    assert isinstance(total, Tensor)
    return (total / count).clamp(min=0)


def _word_maps(
    mean: Tensor, tokens: Tokens, picture: Image.Image, text: str, words: Sequence[str] | None, config: DaamConfig
) -> dict[str, WordMap]:
    """The maps of words in one picture, whose size they have."""
    asked = _asked(text, words)
    if config.across_words:
        mean = torch.cat([mean[:1], share(mean[1 : tokens.end])])  # of the words, between the marks of both ends
    maps = torch.stack([mean[list(tokens_of_word(tokens, word))].mean(0) for word in asked])
    size = (picture.height, picture.width)
    return {word: WordMap(word, one, size) for word, one in zip(asked, maps.cpu().numpy(), strict=True)}


def _asked(text: str, words: Sequence[str] | None) -> list[str]:
    """The words, or the nouns of a prompt."""
    nouns = (text[phrase.head_start : phrase.head_end] for phrase in noun_phrases(text))
    asked = list(dict.fromkeys(nouns)) if words is None else list(words)
    if not asked:
        raise InputError(f"no noun was found in {text!r}; name the words")
    return asked


def _random_token(text: str, seed: int) -> str:
    words = text.replace(",", " ").replace(".", " ").split()
    return str(np.random.default_rng(seed).choice(words))
