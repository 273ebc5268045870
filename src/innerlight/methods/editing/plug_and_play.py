"""Plug-and-Play (Tumanyan et al. 2023, arXiv:2211.12572): a new prompt on the source's features and self-attention."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from torch import Tensor

from innerlight.backbones import Backbone, Size
from innerlight.embedded.edits import parsed, structure, task
from innerlight.files import Source
from innerlight.methods._registry import Claim, method
from innerlight.sampling import Inversion, Run, Step, from_image, invert
from innerlight.sampling.editing import SOURCE, TARGET, Case, Control, Edited, Part, check_shares, edit, until
from innerlight.taps import Heads, Read, Site, View, Write
from innerlight.types import InputError

AWAY = "away"  # the role of the row whose prompt is led away from
REAL = 10.0  # the authors' guidance for pictures that are given


@dataclass(frozen=True)
class PlugAndPlayConfig:
    """The authors' values. A share is of the steps, from the noisy end."""

    features: float = 0.8  # share of the steps in which the decoder's feature is the source's
    self_maps: float = 0.5  # share of the steps in which cells look where the source's do
    away_from: str | None = None  # a prompt to lead away from, such as what the source shows
    alpha: float | None = None  # of the empty prompt beside it at first, falls to 0; None: 1 if given, 0.75 if drawn


def _score_structure(backbone: Backbone, seed: int) -> dict[str, float] | None:
    """A drawn scene's thing as another, or in another colour: does it keep the silhouette?"""
    asked = task(seed, "colour" if seed % 2 else "thing", backbone.size[0])
    if asked is None:
        return None
    picture = asked.before.picture
    found = invert(backbone, picture)
    free = PlugAndPlayConfig(features=0, self_maps=0)
    arms = {
        "method": plug_and_play(backbone, "", asked.target, inversion=found).images[0],
        "from_image": from_image(backbone, picture, asked.target, seed=seed).images[0],
        "inversion alone": plug_and_play(backbone, "", asked.target, free, inversion=found).images[0],
        "identity": backbone.decode(found.clean)[0],
    }
    seen = dict(zip(arms, parsed(*arms.values()), strict=True))
    return {
        **{arm: structure(asked.mask, asked.result(one)) for arm, one in seen.items()},
        **{f"{arm} edit": asked.made(one) for arm, one in seen.items()},
    }


CLAIM = Claim(
    "plug_and_play.structure",
    "under a new prompt a thing keeps its silhouette (IoU), better than by SDEdit or from the inverted noise alone",
    baselines=("from_image", "inversion alone"),
    score=_score_structure,
    scenes=150,
    guard=0.9,
)


@method(family="editing", paper="arXiv:2211.12572", claims=(CLAIM,))
def plug_and_play(
    backbone: Backbone,
    source: str | Sequence[str],
    target: str | Sequence[str],
    config: PlugAndPlayConfig = PlugAndPlayConfig(),
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
    """The source's layout and shapes under another prompt."""
    return edit(
        backbone, source, target, [part(config)], image=image, inversion=inversion, steps=steps, guidance=guidance,
        negative=negative, size=size, seed=seed, run=run,
    )  # fmt: skip


def part(config: PlugAndPlayConfig) -> Part:
    """As a part of an edit."""
    check_shares(config, "features", "self_maps", *(["alpha"] if config.alpha is not None else []))
    return Part("plug_and_play", asdict(config), lambda case: _control(case, config), source="looks", guidance=REAL)


def _control(case: Case, config: PlugAndPlayConfig) -> Control:
    rows = [case.row(TARGET, AWAY, [config.away_from] * len(case))] if config.away_from else []
    roles = ("uncond", "cond", *(row.role for row in rows))
    return Control(
        taps=[
            write for role in roles for write in (_feature_write(case, role, config), _self_write(case, role, config))
        ],
        rows=rows,
        terms=[_Away(_alpha(case, config))] if rows else [],
        looks=max(config.features, config.self_maps),
    )


def _feature_write(case: Case, role: str, config: PlugAndPlayConfig) -> Write:
    """The decoder's feature: the source's."""
    return Write(
        _feature(case).name, "features", lambda view: view[f"{SOURCE}.cond"], rows=f"{TARGET}.{role}",
        when=until(config.features), name="the source's feature",
    )  # fmt: skip


def _self_write(case: Case, role: str, config: PlugAndPlayConfig) -> Write:
    """Self maps of the decoder behind that, so not of its first block: the source's queries and keys."""

    def change(view: View) -> Heads:
        source = view[f"{SOURCE}.cond"]
        return Heads(source.q, source.k, view.own.v, view.own.bias, view.own.scale)

    sites = [site.name for site in _decoder_self(case) if site.order > _feature(case).order]
    return Write(
        sites, "heads", change, rows=f"{TARGET}.{role}", when=until(config.self_maps),
        name="cells look where the source's do",
    )  # fmt: skip


def _feature(case: Case) -> Site:
    """The second residual branch of the decoder's first stage with attention."""
    stride = max(site.stride for site in _decoder_self(case))
    return case.backbone.sites[f"up.s{stride}.1.residual"]


def _decoder_self(case: Case) -> list[Site]:
    found = [site for site in case.backbone.sites.values() if site.kind == "self" and site.branch == "up"]
    if len(found) < 2:
        raise InputError(f"{case.backbone.name} has {len(found)} self-attention layers in its decoder; 2 are needed")
    return found


def _alpha(case: Case, config: PlugAndPlayConfig) -> float:
    if config.alpha is not None:
        return config.alpha
    return 1.0 if case.inversion is not None else 0.75


@dataclass(frozen=True)
class _Away:
    """From a mixture of the empty prompt, share a falling to 0, and another prompt: its part in the guidance."""

    alpha: float

    def reads(self, backbone: Backbone) -> Sequence[Read]:
        del backbone
        return ()

    def __call__(self, step: Step, stream: str) -> Tensor | None:
        without = step.estimates.get(f"{stream}.uncond")
        if without is None:  # under a guidance of 1 or 0 there is nothing to lead away from
            return None
        share = self.alpha * (1 - step.index / max(step.steps - 1, 1))
        weight = step.guidance[stream].weight
        return (1 - weight) * (1 - share) * (step.of(stream, AWAY) - without)
