"""What the reading commands write, and how they go through given pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from innerlight.types import InputError

if TYPE_CHECKING:
    from innerlight.backbones import Backbone
    from innerlight.methods import Method

MASK = "-mask"  # ends the name of a word's mask


def mapped(
    method: Method,
    config: Any,
    backbone: Backbone,
    prompts: Sequence[str],
    words: Sequence[str] | None,
    images: Sequence[Path],
    output: Path,
    given: Mapping[str, Any],
) -> tuple[list[str], list[dict[str, Any]]]:
    """Maps of given pictures, journalled one by one: the files written, and what they show."""
    from dataclasses import asdict

    from innerlight.bench.claims import settings_of
    from innerlight.cli._recognising import one_by_one, pictures_of, place_of
    from innerlight.prompts import noun_phrases
    from innerlight.sampling import Run
    from innerlight.sampling.generate import learned_of

    pictures = pictures_of(images)
    if len(prompts) not in (1, len(pictures)):
        raise InputError(f"expected one prompt, or one for each of {len(pictures)} pictures; got {len(prompts)}")
    texts = dict(zip(pictures, prompts if len(prompts) > 1 else [*prompts] * len(pictures), strict=True))

    def work(name: str, path: Path) -> dict[str, Any]:
        found = method.function(
            backbone, texts[place_of(path)], words, config, image=path, run=Run(progress=False), **given
        )
        written, facts = write_maps(found, 0, output / name)
        return {"written": written, "maps": facts}

    settings = {
        "model": backbone.hash, "method": method.name, "config": asdict(config),
        "prompts": list(prompts) if len(prompts) == 1 else texts,  # a prompt of its own belongs to the picture
        "words": list(words) if words else None, **given, **learned_of(backbone),
        "calibration": settings_of(backbone.calibration, {method.name}),
    }  # fmt: skip
    named = words or [text[one.head_start : one.head_end] for text in prompts for one in noun_phrases(text)]
    endings = [f"{stem}{end}" for stem in map(_ending, named) for end in ("", MASK)]
    done = one_by_one(pictures, output, "maps", settings, work, endings)
    facts = [{"picture": one["picture"], **fact} for one in done for fact in one["maps"]]
    return [place for one in done for place in one["written"]], facts


def write_maps(found: Any, number: int, stem: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """One picture, and of each word its heat map and mask: the files written, and what they show."""
    import numpy as np

    from innerlight.files import write_label_map, write_picture
    from innerlight.types import LabelMap

    picture = found.images[number]
    masks = {word: one.mask(found.threshold).astype(np.uint8) for word, one in found.maps[number].items()}
    places = [Path(f"{stem}.png")]
    write_picture(picture, places[0], recipe={**found.recipe, "picture": number})
    facts = []
    for word, one in found.maps[number].items():
        heat, mask = (Path(f"{stem}{_ending(word)}{end}.png") for end in ("", MASK))
        write_picture(one.picture(picture), heat)
        write_label_map(LabelMap(masks[word], {0: "", 1: word}), mask)
        places += [heat, mask]
        facts.append({"word": word, "peak": list(one.peak()), "heat": heat.name})
    return [str(place) for place in places], facts


def _ending(word: str) -> str:
    """What follows a picture's name in that of a word's map."""
    return f"-{word.replace(' ', '-')}"
