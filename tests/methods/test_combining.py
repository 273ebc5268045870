"""Several methods in one run: what they give together, and what is refused, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from innerlight.backbones import Backbone
from innerlight.files import write_recipe
from innerlight.methods.combining import combine
from innerlight.methods.editing.attend_and_excite import AttendAndExciteConfig
from innerlight.methods.editing.diffedit import DiffEditConfig
from innerlight.methods.editing.masactrl import MasaCtrlConfig
from innerlight.methods.editing.plug_and_play import PlugAndPlayConfig
from innerlight.methods.editing.prompt_to_prompt import PromptToPromptConfig
from innerlight.methods.editing.text_anatomy import TextAnatomyConfig
from innerlight.methods.reading.daam import DaamConfig
from innerlight.sampling import CancelToken, Inversion, Run, invert
from innerlight.sampling.editing import Edited
from innerlight.types import CancelledError, InnerlightError, InputError, NotFoundError

CAT, DOG = "a cat on the grass", "a dog on the grass"
BLEND = PromptToPromptConfig(cross=0, self_maps=0, blend=("cat", "dog"), blend_start=0, threshold=0.9)
EXCITE = AttendAndExciteConfig(iterations=1)


@dataclass(frozen=True)
class OtherConfig:
    """Settings of no method."""

    start: float = 0.0


@pytest.fixture
def edited(small: Backbone):
    def edited(*configs: Any, source: Any = CAT, target: Any = DOG, **settings: Any) -> Edited:
        quick: dict[str, Any] = {"steps": 3, "guidance": 3.0, "seed": 3, "size": (64, 96)}
        return combine(small, source, target, configs, **(quick | settings))

    return edited


@pytest.fixture
def untouched(small: Backbone):
    """Says whether a network is as it was: no hooks, the very same forwards, no gradient asked of its weights."""
    before = state(small)
    return lambda: state(small) == before


def state(backbone: Backbone) -> list[Any]:
    return [
        (
            name,
            len(module._forward_hooks),
            len(module._forward_pre_hooks),
            "forward" in vars(module),
            type(getattr(module, "processor", None)),
            id(getattr(module, "processor", None)),
        )
        for name, module in backbone.unet.named_modules()
    ] + [(name, one.requires_grad, one.grad is None) for name, one in backbone.unet.named_parameters()]


def picture(seed: int, size: tuple[int, int] = (64, 96)) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (*(side // 8 for side in size), 3), np.uint8)
    return Image.fromarray(values).resize(size[::-1], Image.Resampling.BILINEAR)


def differ(results: Sequence[Edited]) -> bool:
    return not any(torch.equal(a.latents, b.latents) for k, a in enumerate(results) for b in results[:k])


def test_a_word_is_swapped_and_weighted_in_one_run(edited):
    swap = edited(PromptToPromptConfig())
    weight = edited(PromptToPromptConfig(weights={"cat": 4.0}), target=CAT)
    both = edited(PromptToPromptConfig(weights={"dog": 4.0}))
    assert differ([swap, weight, both])
    assert torch.equal(swap.source_latents, both.source_latents)


def test_outside_the_blend_the_look_of_another_method_does_not_reach(edited):
    found = edited(BLEND, MasaCtrlConfig())
    mask = torch.from_numpy(found.masks["prompt_to_prompt"][0])[::4, ::4]  # a latent cell is 4 x 4 pixels
    assert found.masks["prompt_to_prompt"][0].shape == (64, 96)
    assert 0 < int(mask.sum()) < mask.numel()
    same = (found.latents == found.source_latents).all(1)[0]
    assert bool(same[~mask].all())
    assert not bool(same[mask].any())
    assert differ([found, edited(BLEND), edited(MasaCtrlConfig())])
    assert found.maps.keys() == {"source", "target"}


def test_two_methods_share_a_run_and_its_recipe(edited):
    ours, theirs = PromptToPromptConfig(cross=0.5), EXCITE
    found = edited(ours, theirs)
    assert found.recipe["method"] == "edit"
    assert list(found.recipe["parts"]) == ["prompt_to_prompt", "attend_and_excite"]
    assert found.recipe["parts"]["prompt_to_prompt"]["cross"] == 0.5
    assert found.recipe["parts"]["attend_and_excite"]["iterations"] == 1
    assert differ([found, edited(ours), edited(theirs)])
    assert edited(ours).recipe["method"] == "prompt_to_prompt"


def test_maps_of_both_methods_are_given(edited):
    alone = edited(PromptToPromptConfig())
    found = edited(PromptToPromptConfig(), EXCITE)
    assert found.maps.keys() == alone.maps.keys() == {"source", "target"}
    assert found.maps["target"][0].keys() >= alone.maps["target"][0].keys()


CONFLICTS = {
    "cells look": (
        [PlugAndPlayConfig(), PromptToPromptConfig(self_maps=0.5)],
        r"plug_and_play .*prompt_to_prompt .*heads at \S*self\S* in steps 0 to 0",
    ),
    "cells look, the other way round": (
        [PromptToPromptConfig(self_maps=1.0, self_stride=2), PlugAndPlayConfig(self_maps=0.7)],
        r"prompt_to_prompt .*plug_and_play .*heads at \S*self\S* in steps 0 to 1",
    ),
    "keys and values": (
        [MasaCtrlConfig(start=0.0), PlugAndPlayConfig(self_maps=1.0)],
        r"masactrl .*plug_and_play .*heads at up\S*self\S* in steps 0 to 2",
    ),
    "of three the two that clash": (
        [EXCITE, MasaCtrlConfig(start=0.4), PlugAndPlayConfig(self_maps=0.7)],
        r"masactrl .*plug_and_play .*heads at \S+ in steps 1 to 1",
    ),
    "latents put back": (
        [DiffEditConfig(), BLEND],
        r"diffedit and prompt_to_prompt both put latents back",
    ),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_what_wants_the_same_place_is_refused(edited, untouched, name: str):
    configs, says = CONFLICTS[name]
    with pytest.raises(InputError, match=says):
        edited(*configs)
    assert untouched()


@pytest.mark.parametrize(
    "configs",
    [
        [PlugAndPlayConfig(), PromptToPromptConfig(self_maps=0)],
        [PlugAndPlayConfig(self_maps=0), PromptToPromptConfig(self_maps=0.5)],
        [MasaCtrlConfig(start=1.0), PlugAndPlayConfig()],
        [MasaCtrlConfig(start=0.5), PlugAndPlayConfig(self_maps=0.3, features=0.3)],
        [DiffEditConfig(noises=1), PromptToPromptConfig(cross=0.5, self_maps=0)],
    ],
    ids=["no self maps", "no self maps of the other", "never begins", "one after the other", "no blend"],
)
def test_the_same_pairs_go_together_where_they_do_not_meet(edited, untouched, configs: list[Any]):
    found = edited(*configs)
    assert len(found.recipe["parts"]) == 2
    assert bool(torch.isfinite(found.latents).all())
    assert untouched()


def test_words_are_not_looked_for_where_another_prompt_s_stand(edited):
    """Text anatomy has the source's words in the target's place."""
    for config, name in ((EXCITE, "attend_and_excite"), (PromptToPromptConfig(self_maps=0), "prompt_to_prompt")):
        with pytest.raises(InputError, match=f"{name} would look .* text_anatomy"):
            edited(TextAnatomyConfig(), config)
        assert len(edited(TextAnatomyConfig(), config, target=CAT).recipe["parts"]) == 2
    assert len(edited(TextAnatomyConfig(), MasaCtrlConfig()).recipe["parts"]) == 2


def test_a_method_that_never_begins_changes_nothing(edited):
    both = edited(MasaCtrlConfig(start=1.0), PlugAndPlayConfig())
    assert torch.equal(both.latents, edited(PlugAndPlayConfig()).latents)


def test_the_order_of_methods_does_not_matter(edited):
    configs = [PromptToPromptConfig(self_maps=0), MasaCtrlConfig()]
    assert torch.equal(edited(*configs).latents, edited(*reversed(configs)).latents)


def test_a_method_twice_or_none_is_refused(edited):
    with pytest.raises(InputError, match="each once; got masactrl, masactrl"):
        edited(MasaCtrlConfig(), MasaCtrlConfig(start=0.5))
    with pytest.raises(InputError, match="got none"):
        edited()


def test_settings_of_no_editing_method_are_refused(edited):
    with pytest.raises(NotFoundError, match=r"OtherConfig are the settings of no method.*masactrl"):
        edited(MasaCtrlConfig(), OtherConfig())
    with pytest.raises(InnerlightError, match="daam"):
        edited(DaamConfig())


def test_of_one_source_there_may_be_several_targets(edited):
    found = edited(PromptToPromptConfig(cross=0.5, self_maps=0), target=[DOG, "a bird on the grass"])
    assert found.seeds == (3, 3)
    assert found.sources[0].tobytes() == found.sources[1].tobytes()
    assert torch.equal(found.source_latents[0], found.source_latents[1])
    assert not torch.equal(found.latents[0], found.latents[1])
    alone = edited(PromptToPromptConfig(cross=0.5, self_maps=0))
    torch.testing.assert_close(found.latents[:1], alone.latents, atol=1e-4, rtol=1e-4)


def test_of_one_picture_there_may_be_several_targets(edited):
    given = picture(1, (70, 90))
    configs = [PromptToPromptConfig(cross=0.5, self_maps=0), MasaCtrlConfig()]
    found = edited(*configs, target=[DOG, "a bird on the grass"], image=given, inversion="ddim")
    assert [one.size for one in found.images] == [(96, 64)] * 2
    assert found.sources[0].tobytes() == found.sources[1].tobytes()
    assert found.sources[0].size == (96, 64)
    assert torch.equal(found.source_latents[0], found.source_latents[1])
    assert not torch.equal(found.latents[0], found.latents[1])
    assert len(found.recipe["pictures"]) == 1
    whole = edited(MasaCtrlConfig(), image=given, size=None)
    assert whole.images[0].size == given.size
    assert whole.sources[0].tobytes() == given.tobytes()


def test_sources_and_targets_that_are_not_as_many_are_refused(edited):
    with pytest.raises(InputError, match="each of 2 pictures, got 3"):
        edited(MasaCtrlConfig(), source=[CAT, CAT], target=[DOG, DOG, DOG])


@pytest.fixture
def inverted(small: Backbone) -> Inversion:
    return invert(small, [picture(1)], CAT, steps=3, size=(64, 96))


def test_an_inversion_is_of_its_own_pictures(edited, inverted: Inversion):
    found = edited(MasaCtrlConfig(), image=picture(1), inversion=inverted, size=None)
    assert torch.equal(found.source_latents, inverted.clean)
    assert found.recipe["inversion"]["passed"] is True
    assert torch.equal(found.latents, edited(MasaCtrlConfig(), inversion=inverted, size=None).latents)
    with pytest.raises(InputError, match="the inversion is of 1 pictures, got 2"):
        edited(MasaCtrlConfig(), image=[picture(1), picture(2)], inversion=inverted)
    with pytest.raises(InputError, match="has 3 steps, not 2"):
        edited(MasaCtrlConfig(), image=picture(1), inversion=inverted, steps=2)


def test_an_inversion_is_brought_to_where_the_model_is(
    edited, inverted: Inversion, small: Backbone, monkeypatch: pytest.MonkeyPatch
):
    asked, to = [], Inversion.to
    monkeypatch.setattr(Inversion, "to", lambda self, device: asked.append(device) or to(self, device))
    edited(MasaCtrlConfig(), inversion=inverted, size=None)
    assert asked == [small.device]


def test_an_inversion_must_go_back_as_far_as_the_edit(edited, small: Backbone):
    settings: dict[str, Any] = {"steps": 3, "size": (64, 96)}
    short = invert(small, [picture(1)], reach=0.5, **settings)
    with pytest.raises(InputError, match=r"back to step 2 of 3, and this edit begins at step 0; .*reach=1\.0"):
        edited(MasaCtrlConfig(), inversion=short)
    assert torch.isfinite(edited(DiffEditConfig(noises=1, ratio=0.5), inversion=short).latents).all()
    skipping = invert(small, [picture(1)], CAT, method="edit_friendly", skip=0.5, **settings)
    assert torch.isfinite(edited(MasaCtrlConfig(), inversion=skipping).latents).all()


def test_what_an_inversion_cannot_be_measured_by_is_no_number_in_the_recipe(edited, small: Backbone, tmp_path: Path):
    latents = small.encode([picture(1)], (64, 96))
    found = edited(MasaCtrlConfig(), inversion=invert(small, None, CAT, latents=latents, steps=3), size=None)
    assert found.recipe["inversion"]["floor"] == [None]
    write_recipe(found.recipe, tmp_path / "kept.json")


def test_a_negative_prompt_is_read_or_refused(edited, small: Backbone):
    settings: dict[str, Any] = {"image": picture(1), "negative": "a bird"}
    kept = invert(small, [picture(1)], CAT, method="negative_prompt", guidance=3.0, steps=3, size=(64, 96))
    for inversion in (kept, "negative_prompt", "null_text", "auto"):
        with pytest.raises(InputError, match=r"negative: .*'a bird' would not be read; .*ddim"):
            edited(PromptToPromptConfig(), inversion=inversion, **settings)
    found = edited(PromptToPromptConfig(), **settings)
    assert found.recipe["inversion"]["method"] == "ddim"
    other = edited(PromptToPromptConfig(), inversion="ddim", image=picture(1))
    assert not torch.equal(found.latents, other.latents)


ZEBRA = PromptToPromptConfig(self_maps=0, weights={"zebra": 2.0})
BEFORE: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "a word": ([ZEBRA], {}, "zebra"),
    "a word of a prompt that is changed": ([TextAnatomyConfig(without=("zebra",))], {}, "zebra"),
    "one place": ([MasaCtrlConfig(start=0.0), PlugAndPlayConfig(self_maps=1.0)], {}, "both change heads"),
    "targets": ([MasaCtrlConfig()], {"image": [picture(1), picture(2)], "target": [DOG] * 3}, "got 3"),
    "a word of a source that is drawn first": ([DiffEditConfig(), ZEBRA], {"image": None}, "zebra"),
}


@pytest.mark.parametrize("name", BEFORE)
def test_what_is_refused_is_refused_before_an_inversion(edited, small: Backbone, counted, name: str):
    configs, settings, says = BEFORE[name]
    with counted(small) as rows, pytest.raises(InnerlightError, match=says):
        edited(*configs, **({"image": picture(1)} | settings))
    assert rows == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"inversion": "ddim"}, "inversion='ddim': of what"),
        ({"image": [], "inversion": "ddim"}, "empty"),
        ({"image": "nowhere.png"}, "nowhere.png"),
        ({"image": picture(1), "inversion": "magic"}, "null_text"),
        ({"target": []}, "prompts"),
        ({"source": 3}, "prompts"),
        ({"size": (61, 96)}, "size"),
        ({"seed": -1}, "seed"),
        ({"steps": 0}, "steps"),
        ({"guidance": float("nan")}, "guidance"),
        ({"guidance": 0.0}, "guidance: expected a weight other than 0"),
    ],
    ids=lambda one: str(next(iter(one.items())))[:40] if isinstance(one, dict) else "",
)
def test_what_cannot_be_done_is_refused_with_a_sentence(edited, untouched, settings: dict[str, Any], says: str):
    with pytest.raises(InnerlightError, match=says):
        edited(MasaCtrlConfig(), **settings)
    assert untouched()


def test_a_word_that_is_not_there_leaves_no_trace(edited, untouched):
    with pytest.raises(NotFoundError, match="zebra"):
        edited(MasaCtrlConfig(), PromptToPromptConfig(self_maps=0, weights={"zebra": 2.0}))
    assert untouched()


def test_a_run_that_fails_leaves_no_trace(edited, untouched, small: Backbone, monkeypatch: pytest.MonkeyPatch):
    configs = [PromptToPromptConfig(self_maps=0), MasaCtrlConfig(), EXCITE]

    def fail(*given: Any, **named: Any) -> Any:
        raise RuntimeError("out of memory")

    handle = small.unet.mid_block.register_forward_hook(fail)
    try:
        with pytest.raises(RuntimeError, match="out of memory"):
            edited(*configs)
    finally:
        handle.remove()
    assert untouched()
    token = CancelToken()
    with pytest.raises(CancelledError):
        edited(*configs, run=Run(progress=False, cancel=token, on_step=lambda step: token.cancel()))
    assert untouched()
    assert isinstance(small.unet, nn.Module)
    assert bool(torch.isfinite(edited(*configs).latents).all())
