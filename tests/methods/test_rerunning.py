"""A picture again, from the recipe it carries: the same pixels, or a sentence that says why not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from innerlight.backbones import Backbone, StepRule, scheduler_named
from innerlight.files import read_picture, read_recipe, write_picture
from innerlight.methods import names
from innerlight.methods.combining import combine
from innerlight.methods.editing.attend_and_excite import AttendAndExciteConfig
from innerlight.methods.editing.diffedit import DiffEditConfig
from innerlight.methods.editing.masactrl import MasaCtrlConfig
from innerlight.methods.editing.plug_and_play import PlugAndPlayConfig
from innerlight.methods.editing.prompt_to_prompt import PromptToPromptConfig
from innerlight.methods.editing.style_mixing import StyleMixingConfig
from innerlight.methods.editing.text_anatomy import TextAnatomyConfig
from innerlight.methods.reading.daam import DaamConfig, daam
from innerlight.methods.rerunning import pictured, rerun
from innerlight.sampling import Ddim, Ddpm, Guidance, Stepper, from_image, generate, invert
from innerlight.types import InnerlightError, InputError, NotFoundError

CAT, DOG = "a cat on the grass", "a dog on the grass"
QUICK: dict[str, Any] = {"steps": 2, "guidance": 3.0, "seed": 3, "size": (64, 96)}

CONFIGS: dict[str, Any] = {
    "prompt_to_prompt": PromptToPromptConfig(
        cross=0.5, word_cross={"dog": 0.0}, weights={"grass": 2.0}, blend=("cat", "dog"), align="replace"
    ),
    "masactrl": MasaCtrlConfig(source_words=("cat",), target_words=("dog",), start=0.0),
    "plug_and_play": PlugAndPlayConfig(away_from="a cat", alpha=0.5),
    "attend_and_excite": AttendAndExciteConfig(words=("dog",), refine=(0.0,), targets=(0.5,), iterations=2),
    "diffedit": DiffEditConfig(noises=2),
    "style_mixing": StyleMixingConfig(first=2, last=9, share=0.5),
    "text_anatomy": TextAnatomyConfig(without=("cat",), fade={"grass": 0.5}, strength=0.5),
}


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    values = np.random.default_rng(1).integers(0, 256, (10, 12, 3), np.uint8)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(values).resize((90, 70), Image.Resampling.BILINEAR).save(path)
    return path


@pytest.fixture
def again(small: Backbone, tmp_path: Path):
    """Write every picture with its recipe, make it again from the file, compare pixels."""

    def again(made: Any, **given: Any) -> Any:
        found = None
        for number, image in enumerate(made.images):
            path = tmp_path / f"{number}.png"
            write_picture(image, path, recipe={**made.recipe, "picture": number})
            found = rerun(path, small, **given)
            same = np.array_equal(np.asarray(read_picture(path)), np.asarray(pictured(found, read_recipe(path))))
            assert same, f"picture {number} is another"
            assert told(found, moved="image" in given) == told(made, moved="image" in given)
        return found

    return again


def told(made: Any, *, moved: bool) -> dict[str, Any]:
    """The recipe as a file would have it; without the places of pictures that are given again."""
    recipe = json.loads(json.dumps(made.recipe))
    for one in recipe.get("pictures") or [] if moved else []:
        del one["path"]
    return recipe


def edited(backbone: Backbone, *configs: Any, target: Any = DOG, **settings: Any) -> Any:
    return combine(backbone, CAT, target, configs, **(QUICK | settings))


def test_drawn_pictures(small: Backbone, again):
    again(generate(small, [CAT, DOG], **QUICK, negative="a bird"))
    again(generate(small, CAT, seed=[7], steps=2, size=(64, 96)))


STEPPERS = {
    "eta": lambda levels: Ddim(levels, 3, 0.7),
    "small variance": lambda levels: Ddpm(levels, 3, "small"),
    "large variance": lambda levels: Ddpm(levels, 3, "large"),
    "euler": lambda levels: StepRule(scheduler_named("EulerDiscreteScheduler"), 3),
    "random steps": lambda levels: StepRule(scheduler_named("EulerAncestralDiscreteScheduler"), 3),
    "steps in two halves": lambda levels: StepRule(scheduler_named("HeunDiscreteScheduler"), 3),
    "more timesteps than steps": lambda levels: StepRule(scheduler_named("PNDMScheduler"), 3),
}


@pytest.mark.parametrize("name", STEPPERS)
def test_the_rule_of_steps_is_the_same(small: Backbone, again, photo: Path, name: str):
    rule: Stepper = STEPPERS[name](small.levels)
    settings = {"seed": 3, "guidance": 3.0, "size": (64, 96)}
    found = again(generate(small, CAT, stepper=rule, **settings))
    plain = generate(small, CAT, steps=3, **settings)
    assert found.images[0].tobytes() != plain.images[0].tobytes()
    again(from_image(small, photo, CAT, strength=0.7, stepper=rule, **settings))


def test_from_a_picture(small: Backbone, again, photo: Path):
    settings = {**QUICK, "size": None}
    again(from_image(small, photo, [CAT], strength=0.5, **settings))
    again(from_image(small, [photo, photo], [CAT, DOG], strength=1.0, **QUICK))
    own = Image.open(photo)
    made = from_image(small, own, CAT, strength=0.5, **settings)
    again(made, image=own)
    with pytest.raises(InputError, match="image="):
        rerun(made.recipe, small)


@pytest.mark.parametrize("name", CONFIGS)
def test_an_edit_of_a_drawn_source(small: Backbone, again, name: str):
    made = edited(small, CONFIGS[name])
    assert made.recipe["method"] == name
    again(made)


def test_every_method_of_the_family_is_done_again_here():
    assert CONFIGS.keys() == set(names("editing"))


@pytest.mark.parametrize("size", [None, (64, 96)])
@pytest.mark.parametrize("name", CONFIGS)
def test_an_edit_of_a_picture_on_disk(small: Backbone, again, photo: Path, name: str, size: Any):
    again(edited(small, CONFIGS[name], image=photo, size=size))


@pytest.mark.parametrize("how", ["ddim", "fixed_point", "null_text", "negative_prompt", "edit_friendly", "auto"])
def test_every_way_of_inversion(small: Backbone, again, photo: Path, how: str):
    made = edited(small, CONFIGS["prompt_to_prompt"], image=photo, inversion=how, steps=3, seed=5)
    again(made)


def test_a_combination(small: Backbone, again, photo: Path):
    configs = [replace(CONFIGS["prompt_to_prompt"], self_maps=0), CONFIGS["masactrl"], CONFIGS["attend_and_excite"]]
    assert edited(small, *configs).recipe["method"] == "edit"
    again(edited(small, *configs))
    again(edited(small, *configs, image=photo))


def test_several_edits_of_one_source(small: Backbone, again, photo: Path):
    config, targets = PromptToPromptConfig(), [DOG, "a bird on the grass"]
    again(edited(small, config, target=targets))
    again(edited(small, config, target=targets, image=photo))
    again(edited(small, DiffEditConfig(noises=1), target=targets, image=photo))


def test_several_pictures(small: Backbone, again, photo: Path):
    other = Image.open(photo).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    made = edited(small, MasaCtrlConfig(), image=[photo, other])
    again(made, image=[photo, other])
    with pytest.raises(InputError, match="not the pictures"):
        rerun(made.recipe, small, image=[other, photo])
    with pytest.raises(InputError, match="image="):
        rerun(made.recipe, small)


def test_several_drawn_sources(small: Backbone, again):
    again(combine(small, [CAT, "a bird"], [DOG, "a red bird"], [PromptToPromptConfig()], **QUICK))


def test_an_inversion_that_was_made_elsewhere(small: Backbone, again, photo: Path):
    found = invert(small, photo, CAT, steps=2, method="negative_prompt", guidance=3.0)
    settings = {"inversion": found, "size": None}
    made = edited(small, PromptToPromptConfig(), **settings)
    again(made, inversion=found)
    again(edited(small, PromptToPromptConfig(), image=photo, **settings), inversion=found)
    with pytest.raises(InputError, match="inversion="):
        rerun(made.recipe, small)


def test_several_edits_by_an_inversion_that_was_made_elsewhere(small: Backbone, again, photo: Path):
    found = invert(small, photo, CAT, steps=2)
    made = edited(small, MasaCtrlConfig(), target=[DOG, CAT], inversion=found, size=None)
    again(made, inversion=found)


def test_masks_from_outside_are_not_forgotten_in_silence(small: Backbone):
    from innerlight.methods.editing.masactrl import masactrl

    left = np.zeros((64, 96), bool)
    left[:, :48] = True
    made = masactrl(small, CAT, DOG, MasaCtrlConfig(start=0.0), masks=(left, ~left), **QUICK)
    assert made.images[0].tobytes() != edited(small, MasaCtrlConfig(start=0.0)).images[0].tobytes()
    with pytest.raises(InputError, match="masks"):
        rerun(made.recipe, small)


# What cannot be done again


@pytest.fixture(scope="module")
def recipe(photo: Path) -> Mapping[str, Any]:
    """Of an edit of a picture, as it is read from a file."""
    from innerlight.backbones import blank

    made = edited(blank("sd15"), MasaCtrlConfig(), image=photo)
    return json.loads(json.dumps(made.recipe))


def changed(recipe: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    return {**recipe, **facts}


SPOILT: dict[str, tuple[dict[str, Any], str]] = {
    "other weights": ({"model_hash": "0123"}, "weights 0123"),
    "terms of guidance": ({"terms": ["Repel()"]}, r"terms.*Repel\(\)"),
    "settings of another version": ({"parts": {"masactrl": {"begin": 1}}}, "masactrl has no settings begin"),
    "a method of another version": ({"parts": {"mosactrl": {}}}, "masactrl"),
    "a method that is no part": ({"parts": {"daam": {}}}, "daam"),
    "no method at all": ({"parts": {}}, "parts"),
    "another picture": ({"pictures": [{"path": "PHOTO", "sha256": "0"}]}, "not the pictures"),
    "a picture that is gone": ({"pictures": [{"path": "nowhere.png", "sha256": "0"}]}, "nowhere.png"),
    "no number of steps": ({"steps": "many"}, "steps"),
    "an unknown way of inversion": ({"inversion": {"method": "magic", "passed": False}}, "magic"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_recipe_that_does_not_fit_is_refused(small: Backbone, recipe: Mapping[str, Any], photo: Path, name: str):
    facts, says = json.loads(json.dumps(SPOILT[name][0]).replace("PHOTO", str(photo))), SPOILT[name][1]
    with pytest.raises(InnerlightError, match=says):
        rerun(changed(recipe, **facts), small)


@pytest.mark.parametrize("key", ["method", "model_hash", "prompts", "seeds", "steps", "guidance", "sources", "parts"])
def test_a_recipe_without_a_key_is_refused(small: Backbone, recipe: Mapping[str, Any], key: str):
    with pytest.raises(InnerlightError, match=r"lacks|again by its own command"):
        rerun({name: value for name, value in recipe.items() if name != key}, small)


@pytest.mark.parametrize("key", ["stepper", "guidance", "strength", "pictures", "eta"])
def test_a_recipe_of_a_drawing_without_a_key_is_refused(small: Backbone, photo: Path, key: str):
    whole = from_image(small, photo, CAT, **QUICK).recipe
    with pytest.raises(InnerlightError, match="lacks"):
        rerun({name: value for name, value in whole.items() if name != key}, small)


def test_a_changed_picture_is_noticed(small: Backbone, tmp_path: Path):
    path = tmp_path / "given.png"
    Image.new("RGB", (96, 64), "white").save(path)
    made = edited(small, MasaCtrlConfig(), image=path)
    Image.new("RGB", (96, 64), "black").save(path)
    with pytest.raises(InputError, match=r"given\.png: not the pictures"):
        rerun(made.recipe, small)
    rerun(made.recipe, small, image=Image.new("RGB", (96, 64), "white"))


def test_guidance_with_terms_of_code_is_not_done_again(small: Backbone):
    class Nothing:
        def reads(self, backbone: Backbone) -> tuple[()]:
            return ()

        def __call__(self, step: Any, stream: str) -> None:
            return None

        def __repr__(self) -> str:
            return "Nothing()"

    made = generate(small, CAT, **{**QUICK, "guidance": Guidance(3.0, (Nothing(),))})
    with pytest.raises(InputError, match=r"terms of guidance.*Nothing\(\)"):
        rerun(made.recipe, small)


def test_what_a_reading_method_finds_has_a_command_of_its_own(small: Backbone):
    found = daam(small, CAT, ["cat"], DaamConfig(steps=2), seed=3, size=(64, 96))
    with pytest.raises(InputError, match="innerlight daam"):
        rerun(found.recipe, small)


def test_a_picture_without_a_recipe_is_refused(small: Backbone, photo: Path):
    with pytest.raises(NotFoundError, match="no recipe"):
        rerun(photo, small)


def test_settings_come_back_as_they_were(small: Backbone):
    config = CONFIGS["prompt_to_prompt"]
    made = edited(small, config)
    told = json.loads(json.dumps(made.recipe))
    assert rerun(told, small).recipe["parts"]["prompt_to_prompt"] == asdict(config)
