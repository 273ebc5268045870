"""A picture again, from the recipe that it carries."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, get_origin, get_type_hints

from PIL import Image

from innerlight.backbones import Backbone, StepRule, load, scheduler_named
from innerlight.files import Source, read_pictures, read_recipe
from innerlight.methods._registry import get
from innerlight.sampling import Ddim, Ddpm, Inversion, Stepper, from_image, generate
from innerlight.sampling.editing import edit
from innerlight.types import InputError

SHIPPED = "pocket"


def rerun(
    recipe: Mapping[str, Any] | str | os.PathLike[str],
    backbone: Backbone | None = None,
    *,
    image: Source | Iterable[Source] | None = None,
    inversion: Inversion | None = None,
) -> Any:
    """What a recipe, or the picture that carries it, was made by, done again: a value with `images` and `recipe`.

    `image` stands in for given pictures that are no longer where they were; they must be the same.
    """
    told = _Told(recipe if isinstance(recipe, Mapping) else read_recipe(recipe))
    backbone = backbone or load(model_of(told))
    if backbone.hash != told["model_hash"]:
        raise InputError(
            f"the recipe is of {told['model']!r} with weights {told['model_hash']}, and these are {backbone.hash}; "
            "open the weights it was made with"
        )
    if told.get("terms"):
        raise InputError(f"the recipe has terms of guidance that are code, not settings: {', '.join(told['terms'])}")
    shared: dict[str, Any] = {
        "seed": tuple(told["seeds"]),
        "guidance": told["guidance"],
        "negative": told.get("negative"),
    }
    shared["size"] = tuple(told["size"]) if told.get("size") else None
    if told["method"] in ("generate", "from_image"):
        return _drawn(backbone, told, shared, image)
    if "parts" in told:
        return _edited(backbone, told, shared, image, inversion)
    raise InputError(
        f"{told['method']}: what it finds is made again by its own command; see innerlight {told['method']}"
    )


class _Told(dict[str, Any]):
    """What a recipe says; what it does not say cannot be done again."""

    def __missing__(self, key: str) -> Any:
        raise InputError(f"this recipe lacks {key}; it was not written by a run of a method")


def model_of(recipe: Mapping[str, Any]) -> str | None:
    """What `load` opens to have a recipe's model; None: the one that ships."""
    name = recipe.get("model")
    return None if name == SHIPPED else name


def pictured(result: Any, recipe: Mapping[str, Any]) -> Image.Image:
    """Of a batch the picture that carried the recipe."""
    return result.images[int(recipe.get("picture", 0))]


def _drawn(backbone: Backbone, told: Mapping[str, Any], shared: Mapping[str, Any], image: Any) -> Any:
    stepper = _stepper(backbone, told)
    if told["method"] == "generate":
        return generate(backbone, told["prompts"], stepper=stepper, **shared)
    pictures = _pictures(told, image)
    return from_image(backbone, pictures, told["prompts"], strength=told["strength"], stepper=stepper, **shared)


def _edited(
    backbone: Backbone, told: Mapping[str, Any], shared: Mapping[str, Any], image: Any, inversion: Inversion | None
) -> Any:
    parts = [get(name).part(_config(name, settings)) for name, settings in told["parts"].items()]
    how = told.get("inversion")
    if how and how["passed"] and inversion is None:
        raise InputError("this edit began from an inversion that was made elsewhere; pass it: inversion=")
    images = _pictures(told, image) if told.get("pictures") else None
    # of one picture there may be several edits
    own = len(images) if images else len(inversion.psnr) if inversion else len(told["sources"])
    shared = {**shared, "seed": shared["seed"][:own]}
    return edit(
        backbone, told["sources"][:own], told["prompts"], parts, steps=told["steps"], **shared,
        image=images, inversion=inversion or (how["method"] if how else None),
    )  # fmt: skip


def _stepper(backbone: Backbone, told: Mapping[str, Any]) -> Stepper:
    match told["stepper"]:
        case "Ddim":
            return Ddim(backbone.levels, told["steps"], told["eta"])
        case "Ddpm":
            return Ddpm(backbone.levels, told["steps"], told["variance"])
    return StepRule(scheduler_named(told["scheduler"], backbone.levels), told["steps"])


def _config(name: str, settings: Mapping[str, Any]) -> Any:
    """Settings as they were: JSON has no tuples."""
    kind = get(name).config
    hints = get_type_hints(kind)
    known = {field.name for field in fields(kind)}
    if not settings.keys() <= known:
        raise InputError(
            f"{name} has no settings {', '.join(sorted(settings.keys() - known))}: another version had, or what was "
            f"given beside them is not kept in a recipe; call {name} itself"
        )
    tuples = {key for key in known if get_origin(hints[key]) is tuple}
    return kind(**{key: tuple(value) if key in tuples else value for key, value in settings.items()})


def _pictures(told: Mapping[str, Any], image: Source | Iterable[Source] | None) -> Sequence[Source]:
    """The pictures that were given, which must not have changed."""
    paths = [one["path"] for one in told["pictures"]]
    if image is None and None in paths:
        raise InputError("the recipe's pictures had no path; pass them: image=")
    images = read_pictures(paths if image is None else image)
    hashes = [hashlib.sha256(one.tobytes()).hexdigest() for one in images]
    if hashes != [one["sha256"] for one in told["pictures"]]:
        shown = ", ".join(path or "a picture without a path" for path in paths)
        raise InputError(f"{shown}: not the pictures that the recipe was made with")
    return images if image is not None else paths  # paths stay in the new recipe
