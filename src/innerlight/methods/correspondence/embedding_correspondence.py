"""Unsupervised correspondence (Hedlin et al. 2023, arXiv:2305.15581): prompts are optimised until they mean a point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from innerlight.backbones import Backbone, Context, Size
from innerlight.embedded.recognition import ALPHA, CLOSE, Pair, own_or_twin, pair
from innerlight.files import Source, read_pictures
from innerlight.maps import resize
from innerlight.matching import Finder, Matches, joined
from innerlight.matching.features import points_of
from innerlight.methods._registry import Claim, get, method
from innerlight.sampling import Run
from innerlight.taps import Columns, Moment, Read, Rows, tapped
from innerlight.types import InputError

RATE = 2.3756e-3  # the released code's
RELEASED_TARGET = 40  # how noisy the target is there, whatever is asked for
TOKEN = 1  # of the prompt's, whose attention is the map
Box = tuple[int, int, int, int]  # top, left, bottom, right, in pixels of the size that is worked at


@dataclass(frozen=True)
class EmbeddingCorrespondenceConfig:
    """The released code's values; sides are of the size that is worked at."""

    steps: int = 129  # of optimisation
    rate: float | None = None  # None: the model's own, else 2.3756e-3
    spread: float = 0.0546  # of the Gaussian that the map is to be, as a share of the side
    crop: float = 0.9317  # share of the side that is seen at a time
    margin: float = 0.15  # how far from a crop's border points are kept, as a share of its side, where possible
    restarts: int = 5  # prompts for each point, each begun anew
    crops: int = 20  # of the target, over which maps are averaged
    timestep: int = 140  # how noisy the source is, of 1000
    target_timestep: int = 40  # and the target
    # as released: half of the heads, uniform noise, the target at 40 of 1000 always, a softmax over the picture
    compat: bool = False
    together: int = 10  # prompts in one pass


LOUDER = 2.0**16  # losses on the way back, so that half precision keeps small gradients
POINTS = 4  # of a pair that are asked for; pairs that show fewer are dropped


@cache
def _asked(
    backbone: Backbone, seed: int, config: EmbeddingCorrespondenceConfig
) -> tuple[Pair, dict[str, NDArray[np.floating]]] | None:
    """Two things of one category, and where each arm finds some keypoints of one in the other."""
    asked = pair(seed, "within", backbone.size[0])
    if asked is None or len(asked.names) < POINTS:
        return None
    asked = asked.only(np.random.default_rng(seed).choice(len(asked.names), POINTS, replace=False).tolist())
    both, xy = (asked.source.picture, asked.target.picture), asked.points
    return asked, {
        "method": embedding_correspondence(backbone, *both, xy, config, seed=seed).found[0],
        "the same place": xy,
        "dift": get("dift").function(backbone, *both, xy, seed=seed).found[0],
    }


def _score(
    config: EmbeddingCorrespondenceConfig, alpha: float = ALPHA
) -> Callable[[Backbone, int], dict[str, float] | None]:
    def score(backbone: Backbone, seed: int) -> dict[str, float] | None:
        tried = _asked(backbone, seed, config)
        if tried is None:
            return None
        asked, arms = tried
        return {arm: float(asked.hits(found, alpha=alpha).mean()) for arm, found in arms.items()}

    return score


def _score_twins(backbone: Backbone, seed: int) -> dict[str, float] | None:
    tried = _asked(backbone, seed, FEW)
    return own_or_twin(tried[0], tried[1]["method"]) if tried else None


RIVALS = ("the same place", "dift")
SAYS = (
    "keypoints of a thing are found in another of its category, better than at the same place or by DIFT (PCK@{:g} of "
    "the longer side of the target's box, mean over pairs; 4 points a pair, {})"
)
FEW, FEWER = EmbeddingCorrespondenceConfig(steps=60, restarts=2), "60 steps, 2 prompts for each"
CLAIMS = (
    Claim("embedding_correspondence.pck", SAYS.format(ALPHA, FEWER), RIVALS, _score(FEW), scenes=65),
    Claim("embedding_correspondence.pck_close", SAYS.format(CLOSE, FEWER), RIVALS, _score(FEW, CLOSE), scenes=65),
    Claim(
        "embedding_correspondence.twins", "of points that have a twin more land at their own place than at the twin's",
        ("its twin",), _score_twins, scenes=65,
    ),
    Claim(
        "embedding_correspondence.pck_own_setting",
        SAYS.format(ALPHA, "the authors' setting: 129 steps at their rate, 5 prompts for each"), RIVALS,
        _score(EmbeddingCorrespondenceConfig(rate=RATE)), scenes=20,
    ),
)  # fmt: skip


@method(family="correspondence", paper="arXiv:2305.15581", claims=CLAIMS)
def embedding_correspondence(
    backbone: Backbone,
    source: Source,
    targets: Source | Iterable[Source],
    points: ArrayLike | None = None,
    config: EmbeddingCorrespondenceConfig = EmbeddingCorrespondenceConfig(),
    *,
    prompt: str = "",
    size: Size | None = None,
    seed: int = 0,
    run: Run | None = None,
) -> Matches:
    """Where points (n, 2) of the source are in the targets: where prompts that light up at those points light up there.

    It needs no words: `prompt` is not looked at.
    """
    pictures, told = read_pictures(targets), run or Run()
    look = finder(backbone, source, points, config, prompt=prompt, size=size, seed=seed, run=told)
    with told.bar("targets", len(pictures)) as advance:
        found = []
        for picture in pictures:
            found.append(look(picture))
            advance()
    return joined(found)


def finder(
    backbone: Backbone,
    source: Source,
    points: ArrayLike | None,
    config: EmbeddingCorrespondenceConfig,
    *,
    prompt: str = "",
    size: Size | None = None,
    seed: int = 0,
    run: Run | None = None,
) -> Finder:
    """What matches one target after another, with prompts that were optimised once."""
    _check(config, len(backbone.levels))
    (shown,) = read_pictures(source)
    if points is None:
        raise InputError("points: this method optimises a prompt for each; name some, as [(x, y), ...]")
    xy, told = points_of(points, (shown.height, shown.width)), run or Run()
    with told.bar("prompts for points", config.steps) as advance:
        shares, generator = xy / torch.tensor([shown.width, shown.height]), torch.Generator().manual_seed(seed)
        states = prompts_for_points(backbone, shown, shares, config, generator, size, advance)
    recipe = {
        "model": backbone.name, "model_hash": backbone.hash, "seed": seed,
        "size": list(map(int, size)) if size else None, "method": "embedding_correspondence", "prompt": prompt,
        "config": asdict(config) | {"rate": rate_of(backbone, config)},
    }  # fmt: skip

    def look(target: Source) -> Matches:
        (picture,) = read_pictures(target)
        maps = locate(backbone, picture, states, config, torch.Generator().manual_seed(seed + 1), size, told)
        peaks, places = maps.flatten(1).max(1)
        rows, columns = maps.shape[-2:]
        x, y = (places % columns + 0.5) / columns, (places // columns + 0.5) / rows
        found = torch.stack([x * picture.width, y * picture.height], -1)
        return Matches(
            shown, [picture], xy.numpy(), found.numpy(force=True)[None], peaks.numpy(force=True)[None], recipe
        )

    return look


def prompts_for_points(
    backbone: Backbone,
    image: Source,
    points: Tensor,
    config: EmbeddingCorrespondenceConfig,
    generator: torch.Generator,
    size: Size | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Tensor:
    """States (n, restarts, tokens, width) whose attention is a Gaussian at each of the points (n, 2), shares of the
    sides. All points and restarts see the same crop and noise in a step.
    """
    pixels = torch.from_numpy(backbone.pixels(image, size)[0])
    plain = backbone.embed("", (pixels.shape[0], pixels.shape[1]))
    shape = (len(points) * config.restarts, *plain.states.shape[1:])
    states = torch.randn(shape, generator=generator).to(backbone.device).requires_grad_()
    owners = points.repeat_interleave(config.restarts, 0)
    optimiser = torch.optim.Adam([states], lr=rate_of(backbone, config))
    for _ in range(config.steps):
        box = _crop_around(points, (pixels.shape[0], pixels.shape[1]), config, generator)
        noisy = _noisy(backbone, pixels, box, config.timestep, config, generator)
        wanted = _gaussians(owners, box, pixels, config.spread).to(backbone.device)
        optimiser.zero_grad()
        for some, goals in zip(states.split(config.together), wanted.split(config.together), strict=True):
            with torch.enable_grad():
                maps = _maps(backbone, noisy, some, plain, config.timestep, config, gradient=True)
                (LOUDER * _loss(maps, goals)).backward()
        assert states.grad is not None
        states.grad /= LOUDER
        optimiser.step()
        advance()
    return states.detach().unflatten(0, (len(points), config.restarts))


def rate_of(backbone: Backbone, config: EmbeddingCorrespondenceConfig) -> float:
    """Of optimisation: as set, or as the model's calibration says, or the released code's."""
    if config.rate is not None:
        return config.rate
    return float(backbone.calibration.get("embedding_correspondence_rate", RATE))


def locate(
    backbone: Backbone,
    image: Source,
    states: Tensor,
    config: EmbeddingCorrespondenceConfig,
    generator: torch.Generator,
    size: Size | None = None,
    run: Run | None = None,
) -> Tensor:
    """(n, rows, columns) of the size that is worked at: where the prompts (n, restarts, tokens, width) light up, mean
    over crops, of which each part of the picture may be in several, over restarts and layers.
    """
    pixels = torch.from_numpy(backbone.pixels(image, size)[0])
    rows, columns = pixels.shape[:2]
    plain = backbone.embed("", (rows, columns))
    flat = states.flatten(0, 1)
    noise, cancel = RELEASED_TARGET if config.compat else config.target_timestep, (run or Run()).cancel
    layers = len(point_sites(backbone)) if config.compat else 1  # elsewhere their mean alone is kept
    total = torch.zeros(layers, len(flat), rows, columns, device=backbone.device)
    count = torch.zeros(rows, columns, device=backbone.device)
    with torch.no_grad():
        for box in _boxes((rows, columns), config, generator):
            cancel.check()
            noisy = _noisy(backbone, pixels, box, noise, config, generator)
            top, left, bottom, right = box
            parts = []
            for some in flat.split(config.together):
                maps = _maps(backbone, noisy, some, plain, noise, config, gradient=False)
                fine = torch.stack([resize(one, (bottom - top, right - left)) for one in maps])
                parts.append(fine if config.compat else fine.mean(0, keepdim=True))
            total[:, :, top:bottom, left:right] += torch.cat(parts, 1)
            count[top:bottom, left:right] += 1
    found = (total / count.clamp(min=1)).unflatten(1, states.shape[:2]).mean(2)  # (layers, n, rows, columns)
    if config.compat:
        found = found.flatten(2).softmax(2).view_as(found)
    return found.mean(0)


def _maps(
    backbone: Backbone,
    noisy: Tensor,
    states: Tensor,
    plain: Context,
    t: int,
    config: EmbeddingCorrespondenceConfig,
    *,
    gradient: bool,
) -> list[Tensor]:
    """Of each layer (rows, h, w): the share of attention that goes to the token, mean over heads."""
    sites = point_sites(backbone)
    read = Read(sites, "probabilities", reduce=Columns((TOKEN,), heads=config.compat), gradient=gradient)
    count = len(states)
    context = Context.join([plain] * count).with_states(states)
    with tapped(backbone.sites, read, stop=True) as seen:
        backbone.denoise(noisy.expand(count, -1, -1, -1), t, context, Moment(timestep=t, rows=Rows(("prompt",), count)))
    latent = (noisy.shape[-2], noisy.shape[-1])
    found = []
    for name in sites:
        values = seen[read][name][..., 0]  # (rows, cells), or (rows, heads, cells)
        if config.compat:  # what was to drop rows without a prompt drops heads
            values = values[:, values.shape[1] // 2 :].mean(1)
        found.append(values.unflatten(-1, backbone.sites[name].grid(latent)))
    return found


def point_sites(backbone: Backbone) -> list[str]:
    """The text attentions of the semantic level, and the first of the next finer one."""
    own = backbone.sites.role("semantic", "text")
    finer = [
        site
        for site in backbone.sites.values()
        if site.kind == "text" and site.branch == "up" and site.stride < own[0].stride
    ]
    return [site.name for site in (*own, *finer[:1])]


def _loss(maps: Sequence[Tensor], wanted: Tensor) -> Tensor:
    """The mean square distance from the Gaussians (rows, h, w), layer by layer; summed over rows, which are apart."""
    size = (wanted.shape[-2], wanted.shape[-1])
    errors = [(resize(one, size) - wanted).square().mean((1, 2)) for one in maps]
    return torch.stack(errors).mean(0).sum()


# Crops


def _crop_around(
    points: Tensor, size: tuple[int, int], config: EmbeddingCorrespondenceConfig, generator: torch.Generator
) -> Box:
    """At random, with every point as far inside as is asked; where that cannot be, as far as can be."""
    sides = []
    for side, along in zip(size, (points[:, 1], points[:, 0]), strict=True):
        length = round(config.crop * side)
        low = float((along * side).max()) - (1 - config.margin) * length
        high = float((along * side).min()) - config.margin * length
        if low > high:  # they are too far apart: the crop whose middle is midway between the outermost
            low = high = round((low + high) / 2)
        low, high = (min(max(0, end), side - length) for end in (int(np.ceil(low)), int(np.floor(high))))
        low, high = min(low, high), max(low, high)
        first = int(torch.randint(low, high + 1, (), generator=generator))
        sides.append((first, first + length))
    (top, bottom), (left, right) = sides
    return top, left, bottom, right


def _boxes(size: tuple[int, int], config: EmbeddingCorrespondenceConfig, generator: torch.Generator) -> list[Box]:
    """The four corners, then anywhere: the same for all points, where the authors' later ones are centred on the
    best place so far, of each point apart.
    """
    spare = [side - round(config.crop * side) for side in size]
    corners = [(0, 0), (0, spare[1]), (spare[0], 0), (spare[0], spare[1])]
    others = [
        tuple(int(torch.randint(0, one + 1, (), generator=generator)) for one in spare) for _ in range(config.crops - 4)
    ]
    return [
        (top, left, top + size[0] - spare[0], left + size[1] - spare[1])
        for top, left in [*corners, *others][: config.crops]
    ]


def _noisy(
    backbone: Backbone,
    pixels: Tensor,
    box: Box,
    t: int,
    config: EmbeddingCorrespondenceConfig,
    generator: torch.Generator,
) -> Tensor:
    """(1, c, h, w): a crop at the size of the whole, encoded and noised."""
    top, left, bottom, right = box
    whole = (pixels.shape[0], pixels.shape[1])
    part = resize(pixels[top:bottom, left:right].permute(2, 0, 1).float(), whole)
    clean = backbone.encode_values(part[None] / 127.5 - 1)
    draw = torch.rand if config.compat else torch.randn
    noise = draw(clean.shape, generator=generator).to(clean)
    return backbone.levels.noisy(clean, noise, torch.tensor([t], device=clean.device))


def _gaussians(points: Tensor, box: Box, pixels: Tensor, spread: float) -> Tensor:
    """(rows, h, w): 1 at each point, seen through the crop, falling off by `spread` of the side."""
    rows, columns = pixels.shape[:2]
    top, left, bottom, right = box
    x = (points[:, 0] * columns - left) / (right - left)
    y = (points[:, 1] * rows - top) / (bottom - top)
    across = ((torch.arange(columns) + 0.5) / columns - x[:, None]) / spread
    down = ((torch.arange(rows) + 0.5) / rows - y[:, None]) / spread
    return torch.exp(-(down[:, :, None] ** 2 + across[:, None] ** 2) / 2)


def _check(config: EmbeddingCorrespondenceConfig, levels: int) -> None:
    if not all(0 <= t < levels for t in (config.timestep, config.target_timestep)):
        raise InputError(
            f"expected timesteps from 0 to {levels - 1}, got {config.timestep} and {config.target_timestep}"
        )
    if config.rate is not None and not config.rate > 0:
        raise InputError(f"rate: expected a number above 0, got {config.rate}")
    if not (0 < config.crop <= 1 and 0 <= config.margin < 0.5 and config.spread > 0):
        raise InputError(
            f"expected a crop above 0 up to 1, a margin below 0.5, a spread above 0; got {config.crop}, "
            f"{config.margin}, {config.spread}"
        )
    if config.steps < 0 or min(config.restarts, config.crops, config.together) < 1:
        raise InputError(
            f"expected steps from 0 on, restarts, crops and together from 1 on; got {config.steps}, "
            f"{config.restarts}, {config.crops}, {config.together}"
        )
