"""What must hold exactly holds exactly on the model that ships, on a rectangle and in a batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from innerlight.backbones import Backbone, load
from innerlight.methods.editing.attend_and_excite import AttendAndExciteConfig, attend_and_excite
from innerlight.methods.editing.diffedit import DiffEditConfig, diffedit
from innerlight.methods.editing.masactrl import MasaCtrlConfig, masactrl
from innerlight.methods.editing.plug_and_play import PlugAndPlayConfig, plug_and_play
from innerlight.methods.editing.prompt_to_prompt import PromptToPromptConfig, prompt_to_prompt
from innerlight.methods.editing.style_mixing import StyleMixingConfig, style_mixing
from innerlight.methods.editing.text_anatomy import TextAnatomyConfig, text_anatomy

A, B = ["a red cat on the grass", "a castle"], ["a blue dog on the grass", "a castle at night"]
NONE = ["", ""]
SETTINGS: dict[str, Any] = {"steps": 3, "size": (96, 128), "seed": 5}


@pytest.fixture(scope="module")
def pocket() -> Backbone:
    torch.set_num_threads(1)
    return load()


BLEND = PromptToPromptConfig(blend=("cat", "castle"), blend_start=0.0)
SAME = {  # what leaves the target as the source is
    "the same prompts": (prompt_to_prompt, A, A, PromptToPromptConfig()),
    "the same prompts, blended": (prompt_to_prompt, A, A, BLEND),
    "a blend of nothing": (prompt_to_prompt, A, A, PromptToPromptConfig(blend=("cat", "castle"), threshold=1.0)),
    "no prompts": (plug_and_play, NONE, NONE, PlugAndPlayConfig()),
    "the same prompts, asked": (masactrl, A, A, MasaCtrlConfig()),
    "nothing asked for": (diffedit, NONE, A[0], DiffEditConfig(reference=A[0], noises=1)),
    "no way back": (diffedit, A, B, DiffEditConfig(ratio=0.0, noises=1)),
    "the same prompts, mixed": (style_mixing, A, A, StyleMixingConfig()),
    "the same prompts, taken": (text_anatomy, A, A, TextAnatomyConfig(take="words")),
    "nothing taken": (text_anatomy, A, B, TextAnatomyConfig(take="none")),
    "no window": (attend_and_excite, A, A, AttendAndExciteConfig(window=0.0, refine=(), targets=())),
}
PLAIN = {  # what draws the target as if nothing stood between
    "prompt_to_prompt": (prompt_to_prompt, PromptToPromptConfig(cross=0.0, self_maps=0.0)),
    "plug_and_play": (plug_and_play, PlugAndPlayConfig(features=0.0, self_maps=0.0)),
    "masactrl": (masactrl, MasaCtrlConfig(start=1.0)),
    "style_mixing": (style_mixing, StyleMixingConfig(first=1, last=0)),
    "text_anatomy": (text_anatomy, TextAnatomyConfig(take="all")),
    "attend_and_excite": (attend_and_excite, AttendAndExciteConfig(window=0.0, refine=(), targets=())),
}


@pytest.mark.parametrize("case", SAME)
def test_nothing_is_changed(pocket: Backbone, equal, case: str):
    method, source, target, config = SAME[case]
    assert equal(method(pocket, source, target, config, **SETTINGS))


@pytest.mark.parametrize("case", PLAIN)
def test_without_windows_the_target_is_drawn_plainly(pocket: Backbone, plain, case: str):
    method, config = PLAIN[case]
    found, other = method(pocket, A, B, config, **SETTINGS), plain(pocket, A, B, **SETTINGS)
    assert torch.equal(found.latents, other.latents)
    assert torch.equal(found.source_latents, other.source_latents)


@pytest.mark.parametrize("method", [prompt_to_prompt, plug_and_play, masactrl, attend_and_excite])
def test_the_source_is_never_touched(pocket: Backbone, plain, method):
    found, other = method(pocket, A, B, **SETTINGS), plain(pocket, A, B, **SETTINGS)
    assert torch.equal(found.source_latents, other.source_latents)
    assert not torch.equal(found.latents, other.latents)


def test_outside_its_mask_diffedit_leaves_the_source(pocket: Backbone):
    found = diffedit(pocket, A, B, DiffEditConfig(noises=2), **SETTINGS)
    for image, mask in enumerate(found.masks["diffedit"]):
        step = pocket.shrink
        inside = torch.from_numpy(mask[step // 2 :: step, step // 2 :: step])
        assert 0 < inside.float().mean() < 1
        assert (found.latents[image] == found.source_latents[image]).all(0)[~inside].all()
