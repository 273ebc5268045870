"""DiffEdit (Couairon et al. 2022, arXiv:2210.11427): edit only where two prompts want different pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import torch
from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.embedded.edits import kept, parsed, task
from innerlight.files import Source
from innerlight.maps import WordMap, centred_gaussian
from innerlight.methods._registry import Claim, get, method
from innerlight.metrics import iou
from innerlight.sampling import Inversion, Run, Step, draw, from_image, generators_of, invert
from innerlight.sampling.editing import TARGET, Case, Control, Edited, Part, check_shares, edit
from innerlight.taps import Moment, Rows, Tap
from innerlight.types import InputError


@dataclass(frozen=True)
class DiffEditConfig:
    """The authors' values."""

    reference: str = ""  # what the source shows; empty: no prompt
    ratio: float = 0.8  # how far towards noise the source goes back, as a share of the steps
    noises: int = 10  # that the difference is averaged over
    strength: float = 0.5  # how far the source is noised for it
    clamp: float = 3.0  # of the mean difference: what is above counts as that
    threshold: float = 0.5  # of the clamped difference


@cache
def _arms(backbone: Backbone, seed: int) -> dict[str, dict[str, float]] | None:
    """A drawn scene's thing as another, or in another colour, by the method, by SDEdit, without a mask, not at all."""
    asked = task(seed, "colour" if seed % 2 else "thing", backbone.size[0])
    if asked is None:
        return None
    picture = asked.before.picture
    found = invert(backbone, picture, reach=DiffEditConfig().ratio)
    edited = diffedit(backbone, "", asked.target, inversion=found, seed=seed)
    whole = DiffEditConfig(threshold=-1.0, noises=1)
    source = backbone.decode(found.clean)[0]
    arms = {
        "method": edited.images[0],
        "from_image": from_image(backbone, picture, asked.target, seed=seed).images[0],
        "no mask": diffedit(backbone, "", asked.target, whole, inversion=found, seed=seed).images[0],
        "identity": source,
    }
    before, *after = parsed(picture, *arms.values())
    scores = {
        arm: {"keep": kept(source, image, asked.region(before), asked.result(seen)), "edit": asked.made(seen)}
        for (arm, image), seen in zip(arms.items(), after, strict=True)
    }
    noun = asked.altered.before.things[0].look.category
    attended = get("daam").function(backbone, asked.source, [noun], image=picture, seed=seed)
    centred = WordMap("", centred_gaussian(backbone.sites.latent).numpy(), backbone.size)
    masks = {"method": edited.masks["diffedit"][0], "daam": attended.mask(noun), "centred gaussian": centred.mask()}
    return scores | {"masks": {arm: float(iou(mask, asked.mask)) for arm, mask in masks.items()}}


def _score_keep(backbone: Backbone, seed: int) -> dict[str, float] | None:
    arms = _arms(backbone, seed)
    if arms is None:
        return None
    own = {arm: scores for arm, scores in arms.items() if arm != "masks"}
    return {arm: one["keep"] for arm, one in own.items()} | {f"{arm} edit": one["edit"] for arm, one in own.items()}


def _score_mask(backbone: Backbone, seed: int) -> dict[str, float] | None:
    arms = _arms(backbone, seed)
    return arms["masks"] if arms else None


CLAIMS = (
    Claim(
        "diffedit.keep",
        "an edit leaves the rest (PSNR outside the thing before and after, dB) as it was, better than SDEdit or "
        "decoding without a mask",
        baselines=("from_image", "no mask"), score=_score_keep, scenes=150, guard=0.9,
    ),
    Claim(
        "diffedit.mask_iou",
        "the mask covers the thing that the prompt changes, better than the cross-attention of its word, or a centred "
        "Gaussian",
        baselines=("daam", "centred gaussian"), score=_score_mask, scenes=150,
    ),
)  # fmt: skip


@method(family="editing", paper="arXiv:2210.11427", claims=CLAIMS)
def diffedit(
    backbone: Backbone,
    source: str | Sequence[str],
    target: str | Sequence[str],
    config: DiffEditConfig = DiffEditConfig(),
    *,
    image: Source | Iterable[Source] | None = None,
    inversion: Inversion | str | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    negative: str | None = None,
    size: Size | None = None,
    seed: int | Sequence[int] = 0,
    run: Run | None = None,
) -> Edited:
    """The source with what the target asks for, inside a mask that the two prompts' estimates give; outside, itself.

    A given picture is inverted without a prompt; `source` is then not looked at, `config.reference` is.
    """
    return edit(
        backbone, source, target, [part(config)], image=image, inversion=inversion, steps=steps, guidance=guidance,
        negative=negative, size=size, seed=seed, run=run,
    )  # fmt: skip


def part(config: DiffEditConfig) -> Part:
    """As a part of an edit."""
    check_shares(config, "ratio", "strength")
    if config.strength == 1 or config.noises < 1 or not config.clamp > 0:
        raise InputError(
            "expected a strength below 1, noises of at least 1 and a clamp above 0, got "
            f"{config.strength}, {config.noises} and {config.clamp}"
        )
    return Part(
        "diffedit", asdict(config), lambda case: _control(case, config), source="trajectory", reach=config.ratio
    )


def _control(case: Case, config: DiffEditConfig) -> Control:
    assert case.inversion is not None
    inversion, mask = case.inversion, mask_of(case, config)  # (n, h, w)

    def put_back(step: Step, seen: Tap) -> None:
        del seen
        kept = inversion.at(step.index + 1)  # of the level that the step has come to
        step.latents[TARGET] = torch.where(mask[:, None], step.latents[TARGET], kept)

    return Control(after=put_back, masks=lambda: mask)


@torch.no_grad()
def mask_of(case: Case, config: DiffEditConfig) -> Tensor:
    """(n, h, w): where the estimates of noise under the target and under the reference differ most."""
    assert case.inversion is not None
    backbone, clean = case.backbone, case.inversion.clean
    t = int(config.strength * len(backbone.levels))
    contexts = [case.contexts[TARGET], backbone.embed([config.reference] * len(case), case.size)]
    both = type(contexts[0]).join(contexts)
    generators = generators_of(case.seeds)
    total = torch.zeros_like(clean[:, 0])
    for number in range(config.noises):
        noise = draw(generators, clean.shape[1:], clean)
        noisy = backbone.levels.noisy(clean, noise, torch.tensor([t], device=clean.device))
        moment = Moment(number, config.noises, t, "extra", Rows(("query", "reference"), len(case)))
        query, reference = backbone.denoise(torch.cat([noisy, noisy]), t, both, moment).chunk(2)
        total += (query - reference).abs().mean(1)
    # Eq. 4's rescaling as released: clamped at 3 means, divided by that, above a half
    mean = total.mean((1, 2), keepdim=True)
    return (total.clamp(max=config.clamp * mean) > config.threshold * config.clamp * mean) & (mean > 0)
