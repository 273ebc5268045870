"""Text anatomy: states look back only; what is not changed stays to the bit; a direction taken away is gone."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from innerlight.backbones import Backbone, blank
from innerlight.embedded.concepts import two_places
from innerlight.methods import get
from innerlight.methods.editing.text_anatomy import TextAnatomyConfig, text_anatomy
from innerlight.prompts import LearnedWord
from innerlight.sampling.anatomy import GROUPS, anatomy, chosen, faded, moved, muted, positions_of, swapped
from innerlight.sampling.editing import Control, Part, edit
from innerlight.types import InputError, NotFoundError
from innerlight.world import render

SHORT, LONG = "a red cat", "a blue dog on the grass"
QUICK: dict[str, Any] = {"steps": 2, "size": (64, 64), "seed": 3}
ROUNDING = 1e-4  # of pixels in 0 to 1: rows of one batch


def made(backbone: Backbone, source: str = SHORT, target: str = LONG, **settings: Any) -> torch.Tensor:
    return text_anatomy(backbone, source, target, TextAnatomyConfig(**settings), **QUICK).latents


def plain(backbone: Backbone, source: str, target: str) -> torch.Tensor:
    """The target beside the source, with nothing between them."""
    return edit(backbone, source, target, [Part("plain", {}, lambda case: Control())], **QUICK).latents


def states(backbone: Backbone, *prompts: str) -> torch.Tensor:
    return backbone.embed(list(prompts)).states


def test_the_first_state_is_the_same_for_all_prompts_and_so_is_all_that_stands_before_a_difference(backbone: Backbone):
    first, second, third = states(backbone, "a red cat", "a red dog", "the red cat")
    assert torch.equal(first[0], third[0])
    tokens = backbone.embed("a red cat").tokens[0][0]
    differs = chosen(tokens, ["cat"])[0]
    assert torch.equal(first[:differs], second[:differs])
    assert not torch.equal(first[differs:], second[differs:])


def test_words_reach_forward_only(backbone: Backbone):
    found = anatomy(backbone, LONG)
    words = found.tokens.end - 1
    assert found.reach.shape == (words, len(found.tokens.ids))
    for word in range(words):
        assert (found.reach[word, : word + 1] == 0).all(), "its own position is word + 1"
        assert (found.reach[word, word + 1 :] > 0).all()
    assert set(found.spectra) == {*GROUPS, "all"}
    assert all((one[:-1] >= one[1:]).all() for one in found.spectra.values())
    width = backbone.texts[0].model.config.hidden_size  # it looks at the first of two encoders
    mark = states(backbone, LONG)[0, 0, :width]
    assert float(found.spectra["bos"][0]) == pytest.approx(float(mark.norm()), rel=1e-4)


def test_groups_are_all_positions_once(backbone: Backbone):
    tokens = backbone.embed(LONG).tokens[0][0]
    groups = positions_of(tokens)
    assert sorted(one for group in groups.values() for one in group) == list(range(len(tokens.ids)))
    assert groups["words"][-1] == tokens.end
    assert positions_of(tokens, 9)["pads"][0] == 10


def test_what_changes_nothing_is_the_source_to_the_bit(backbone: Backbone):
    expected = plain(backbone, SHORT, SHORT)
    nothing = {"take": "none"}
    for settings in (nothing, {"share": 0.0}, nothing | {"fade": {"red": 1.0}}, nothing | {"strength": 0.0}):
        assert torch.equal(made(backbone, SHORT, SHORT, **settings), expected)
    for take in ("words", "pads", "all"):
        assert torch.equal(made(backbone, SHORT, SHORT, take=take), expected), "from itself"


def test_all_taken_is_the_target_to_the_bit(backbone: Backbone):
    assert torch.equal(made(backbone, take="all"), plain(backbone, SHORT, LONG))


def test_a_word_with_vectors_for_each_place_keeps_them(small: Backbone):
    vectors = torch.randn(len(small.places), 1, 24, generator=torch.Generator().manual_seed(0))
    word = LearnedWord("<toy>", (vectors,))
    known, told = small.knowing(word), "a <toy>"
    alone = plain(known, told, told)
    assert not torch.equal(alone, plain(known, "a cat", "a cat"))
    assert torch.equal(made(known, told, LONG, take="none"), alone)
    assert torch.equal(made(known, LONG, told, take="all"), alone)
    assert torch.equal(made(known, told, told, take="pads"), alone)
    assert not torch.equal(made(known, told, LONG, take="pads"), alone)


def test_each_position_is_mixed_as_it_is_told(small: Backbone):
    assert torch.equal(made(small, take="none", mix={"words": 1.0}), made(small, take="words"))
    assert torch.equal(made(small, take="none", mix={"pads": 0.5}), made(small, take="pads", share=0.5))
    assert torch.equal(made(small, take="none", mix=dict.fromkeys(GROUPS, 1.0)), plain(small, SHORT, LONG))
    assert torch.equal(made(small, take="none", mix={"red": 0.0}), made(small, take="none"))
    one, both = made(small, take="none", mix={"red": 1.0}), made(small, take="none", mix={"red": 1.0, "cat": 0.5})
    assert not torch.equal(one, both)
    assert not torch.equal(one, made(small, take="none"))
    assert torch.equal(made(small, mix={"pads": 0.5}), made(small, take="pads", share=0.5)), "in place of share"
    assert torch.equal(made(small, take="all", mix={"pads": 0.0}), made(small, take="words"))
    assert torch.equal(
        made(small, take="none", mix={"words": 1.0, "red": 0.0, "cat": 1.0}),
        made(small, take="words", mix={"red": 0.0}),
    )


def test_the_state_of_the_whole_goes_with_the_end_mark():
    xl = blank("sdxl")
    assert torch.equal(made(xl, take="all", mix={"words": 0.0}), made(xl, take="none", mix={"bos": 1.0, "pads": 1.0}))
    assert torch.equal(made(xl, take="none", mix={"words": 1.0}), made(xl, take="words"))


def test_each_word_and_group_is_muted_by_itself_from_one_noise(backbone: Backbone):
    found = muted(backbone, SHORT, **QUICK)
    assert list(found.without) == ["a", "red", "cat", *GROUPS] == list(found.change)
    assert found.change["bos"] < ROUNDING, "it says the same in every prompt"
    assert all(found.change[name] > ROUNDING for name in ("red", "cat", "words", "pads"))
    (alone,) = text_anatomy(backbone, SHORT, SHORT, TextAnatomyConfig(take="none", without=("red",)), **QUICK).images
    assert np.abs(np.asarray(alone, int) - np.asarray(found.without["red"], int)).max() <= 1
    (twice,) = muted(backbone, SHORT, ["red"], guidance=1.0, **QUICK).without.values()
    assert not np.array_equal(twice, found.without["red"])
    with pytest.raises((InputError, NotFoundError), match="zebra"):
        muted(backbone, SHORT, ["zebra"], **QUICK)


def test_a_word_is_muted_at_every_place(small: Backbone):
    vectors = torch.randn(len(small.places), 1, 24, generator=torch.Generator().manual_seed(0))
    known = small.knowing(LearnedWord("<toy>", (vectors,)))
    found = muted(known, "a <toy>", ["<toy>", "bos"], **QUICK)
    assert found.change["<toy>"] > ROUNDING > found.change["bos"]


def test_of_a_prompt_that_leaves_no_pads_none_are_taken(small: Backbone):
    full = " ".join(["cat"] * len(small.embed("").tokens[0][0].ids))
    assert chosen(small.embed(full).tokens[0][0], ["pads"]) == []


def test_words_and_pads_are_the_two_halves(small: Backbone):
    """Of both prompts those of the longer: words from one and pads from the other are the same either way round."""
    assert torch.equal(made(small, SHORT, LONG, take="words"), made(small, LONG, SHORT, take="pads"))
    found = [made(small, take=take) for take in ("none", "words", "pads", "all")]
    for one in found:
        assert sum(torch.equal(one, other) for other in found) == 1


def test_what_was_taken_is_muted_and_faded_to_the_same_end(small: Backbone):
    """Words of the longer prompt, taken by the shorter, are all words of what stands there."""
    expected = made(small, LONG, SHORT, take="pads", without=("words",))
    assert torch.equal(made(small, SHORT, LONG, take="words", without=("words",)), expected)
    assert torch.equal(made(small, SHORT, LONG, take="words", fade={"words": 0.0}), expected)
    assert not torch.equal(made(small, SHORT, LONG, take="none", without=("words",)), expected)


def test_a_direction_taken_away_is_gone(small: Backbone):
    (given,) = states(small, LONG).double()
    sigma = torch.linalg.svdvals(given)
    gone = moved(given, 1, -1.0)
    assert float(gone.square().sum()) == pytest.approx(float(given.square().sum() - sigma[1] ** 2), rel=1e-9)
    assert float(torch.linalg.svdvals(moved(given, 0, 1.0))[0]) == pytest.approx(2 * float(sigma[0]), rel=1e-9)
    assert moved(given, 0, 0.0) is given
    assert not torch.equal(made(small, take="none", component=1, strength=-1.0), plain(small, SHORT, SHORT))


def test_muted_words_say_what_the_empty_prompt_says(small: Backbone):
    given, empty = states(small, SHORT, "")
    mute = faded(given, empty, [2, 3], 0.0)
    assert torch.equal(mute[2:4], empty[2:4])
    assert torch.equal(mute[4:], given[4:])
    assert torch.allclose(faded(given, empty, [2], 2.0)[2] - empty[2], 2 * (given[2] - empty[2]), atol=1e-5)
    assert torch.equal(swapped(given, empty, [2, 3]), mute)
    muted = made(small, take="none", fade={"red": 0.0})
    assert torch.equal(muted, made(small, take="none", without=("red",)))
    assert not torch.equal(muted, plain(small, SHORT, SHORT))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"take": "some"}, InputError, "none, bos, words, pads, all"),
        ({"share": 2.0}, InputError, "0 to 1"),
        ({"mix": {"red": -0.5}}, InputError, "red: expected 0 to 1"),
        ({"mix": {"share": 0.5}, "share": 5.0}, InputError, "share: expected 0 to 1"),
        ({"mix": {"zebra": 0.5}}, (InputError, NotFoundError), "zebra"),
        ({"component": 999, "strength": 1.0}, InputError, "directions 0 to"),
        ({"fade": {"zebra": 0.0}}, (InputError, NotFoundError), "zebra"),
        ({"without": ("zebra",)}, (InputError, NotFoundError), "zebra"),
    ],
)
def test_bad_settings_are_refused(small: Backbone, settings: dict[str, Any], error: Any, message: str):
    with pytest.raises(error, match=message):
        made(small, **settings)


def test_with_nothing_said_anywhere_it_is_the_empty_prompt(backbone: Backbone):
    """The state of the prompt as a whole is muted with its end mark, too."""
    empty = plain(backbone, SHORT, "")
    assert torch.equal(made(backbone, take="none", without=GROUPS), empty)
    faded_out = made(backbone, take="none", fade=dict.fromkeys(GROUPS, 0.0))
    torch.testing.assert_close(faded_out, empty, atol=1e-4, rtol=1e-3)
    assert not torch.allclose(made(backbone, take="none", without=("bos", "pads")), empty, atol=1e-3)


def test_the_state_of_the_whole_is_shared_as_its_words_are():
    xl = blank("sdxl")
    whole = [made(xl, take="words", share=share) for share in (0.0, 0.4, 0.6, 1.0)]
    assert torch.equal(whole[0], made(xl, take="none"))
    near, far = (float((one - whole[0]).norm()) for one in (whole[1], whole[2]))
    assert 0 < near < far < float((whole[3] - whole[0]).norm())


def test_what_is_muted_to_zero_is_not_what_the_empty_prompt_says(backbone: Backbone):
    """So that the mark at 0, alike in all prompts, can be taken away, too."""
    names = ["bos", "words"]
    empty, zero = (muted(backbone, SHORT, names, null=null, **QUICK) for null in ("empty", "zero"))
    assert empty.change["bos"] < ROUNDING < zero.change["bos"]
    assert not np.array_equal(empty.without["words"], zero.without["words"])
    with pytest.raises(InputError, match="empty, zero"):
        muted(backbone, SHORT, null="none", **QUICK)  # type: ignore[arg-type]


def test_the_state_of_the_whole_is_muted_with_the_words():
    xl = blank("sdxl")
    found = muted(xl, SHORT, ["words", "pads"], **QUICK).without
    for name in found:
        (alone,) = text_anatomy(xl, SHORT, SHORT, TextAnatomyConfig(take="none", without=(name,)), **QUICK).images
        assert np.abs(np.asarray(alone, int) - np.asarray(found[name], int)).max() <= 1


@pytest.mark.parametrize("claim", get("text_anatomy").claims, ids=lambda claim: claim.id)
def test_a_claim_scores_the_arms_that_it_names(small: Backbone, claim: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules[text_anatomy.__module__], "DRAWN", 2)
    model = replace(small, calibration={"steps": 1})
    scores = next(filter(None, (claim.score(model, seed) for seed in range(60_000, 60_020))))
    assert scores.keys() == {"method", *claim.baselines}
    assert all(0 <= value <= 1 for value in scores.values())


def test_a_scene_is_in_its_setting_with_its_thing_and_not_the_others():
    found = [places for places in map(two_places, range(60_000, 60_040)) if places]
    assert len(found) > 10
    seen = []
    for places in found:
        moved = replace(places.first, setting=places.second.setting)
        shown = [Image.fromarray(render(one, 128).picture) for one in (places.first, places.second, moved)]
        seen.append([places.arrived(shown), places.stayed(shown)])
    arrived, stayed = np.mean(seen, 0)
    assert arrived[0] < 0.1 < 0.9 < min(arrived[1:])
    assert stayed[1] < 0.1 < 0.6 < min(stayed[0], stayed[2])
    assert found[0].captions[2].endswith(found[0].captions[1].rpartition(" ")[2])
