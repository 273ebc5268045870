"""Textual Inversion: one vector moves, all else stands still; its variants are what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from innerlight.backbones import Backbone, load
from innerlight.embedded.concepts import likeness
from innerlight.files import read_picture
from innerlight.methods.teaching.textual_inversion import (
    TextualInversionConfig,
    _sentences,
    _unlocked,
    textual_inversion,
)
from innerlight.sampling import CancelToken, Run, generate
from innerlight.tuning import lessons
from innerlight.tuning import taught as taught_module
from innerlight.tuning.freezing import ChangedError
from innerlight.tuning.lessons import Vectors, begun
from innerlight.tuning.templates import PAIRS, known_to
from innerlight.tuning.words import open_word
from innerlight.types import CancelledError, InputError
from innerlight.world import render, sample

PICTURES = [render(sample(seed), 64).picture for seed in (1, 2)]
QUICK: dict[str, Any] = {"size": (64, 64), "report": 0, "seed": 3}


def config(**settings: Any) -> TextualInversionConfig:
    return TextualInversionConfig(steps=3, batch=2, **settings)


def taught(backbone: Backbone, settings: TextualInversionConfig, **more: Any) -> Any:
    return textual_inversion(backbone, PICTURES, "<toy>", "car", settings, **{**QUICK, **more})


def test_the_word_moves_and_nothing_else(backbone: Backbone):
    before = {key: value.clone() for key, value in backbone.texts[0].model.state_dict().items()}
    found = taught(backbone, config())
    assert found.word.name == "<toy>"
    for vectors, begin in zip(found.word.vectors, begun(backbone, "car"), strict=True):
        assert vectors.shape == begin.shape
        assert (vectors != begin).any()
    assert all(torch.equal(value, before[key]) for key, value in backbone.texts[0].model.state_dict().items())
    assert "<toy>" not in backbone.texts[0].tokenizer.get_vocab()


def test_before_the_first_step_it_is_the_word_it_begins_as(small: Backbone):
    vectors = Vectors(small, {"<toy>": begun(small, "car")})
    known = small.knowing(vectors.learned("<toy>"))
    made = [generate(one, f"a {word}", steps=2, size=(64, 64)) for one, word in ((known, "<toy>"), (small, "car"))]
    assert torch.equal(made[0].latents, made[1].latents)


def test_one_seed_one_word(small: Backbone):
    first, again, other = (taught(small, config(), seed=seed).word.hash for seed in (3, 3, 4))
    assert first == again != other


def test_a_great_hold_leaves_it_at_the_word(small: Backbone):
    settings = {"steps": 12, "batch": 2, "rate": 0.01}  # Adam's steps are of one length, to and fro, and fall
    free, held = (taught(small, TextualInversionConfig(**settings, hold=hold)).word.vectors[0] for hold in (0.0, 1e9))
    begin = begun(small, "car")[0]
    assert (held - begin).norm() < 0.05 * (free - begin).norm()


def test_vectors_wait_at_where_they_began(small: Backbone):
    """Progressive: two of two vectors from the middle of the run on."""
    assert [_unlocked(config(vectors=2, progressive=True), 4, step) for step in range(4)] == [1, 1, 2, 2]
    assert [_unlocked(config(vectors=3, progressive=True), 6, step) for step in range(6)] == [1, 1, 2, 2, 3, 3]
    assert _unlocked(config(vectors=3), 6, 0) == 3
    vectors = Vectors(small, {"<toy>": begun(small, "car", 2)})
    known = small.knowing(vectors.word("<toy>"))
    alone = known.relearning(vectors.word("<toy>", 1)).embed("a <toy> on it", gradient=True)
    assert alone.tokens[0][0].end == known.embed("a <toy> on it").tokens[0][0].end - 1, "absent from the prompt"
    alone.states.square().sum().backward()
    first, second = vectors.offsets[0][0]  # type: ignore[index]
    assert first.grad is not None
    assert first.grad.abs().max() > 0
    assert second.grad is None, "an optimiser passes it by"


def test_one_vector_is_the_plain_method_to_the_bit(small: Backbone):
    plain = taught(small, config())
    assert taught(small, config(vectors=1, progressive=True)).word.hash == plain.word.hash
    two = taught(small, config(vectors=2)).word
    assert two.tokens == 2
    assert not torch.equal(two.vectors[0][0], two.vectors[0][1])


def test_words_of_the_pictures_own_are_thrown_away(small: Backbone):
    found = taught(small, config(own_words=1.0))
    assert [word.name for word in found.backbone.learned] == ["<toy>"]
    assert torch.equal(found.backbone.embed("a cat").states, small.embed("a cat").states)


def test_words_of_the_pictures_own_that_are_never_said_change_nothing(small: Backbone):
    """They wait beside the word, and of two pictures no more than two sentences are said in either case."""
    plain, never, always = (taught(small, config(own_words=share)).word.hash for share in (0.0, 1e-12, 1.0))
    assert plain == never != always


def test_sentences_hold_the_word_and_at_times_the_pictures_own(small: Backbone):
    random = np.random.default_rng(0)
    owners = ["<toy-0>", "<toy-1>"]
    said = _sentences(small, "<toy>", owners, config(own_words=0.25))([k % 2 for k in range(400)], random)
    mixed = [number for number, one in enumerate(said) if "<toy-" in one]
    assert 60 < len(mixed) < 140
    assert all(f"<toy-{number % 2}>" in said[number] for number in mixed)
    assert all(one.count("<toy>") == 1 for one in said)
    plain = _sentences(small, "<toy>", [], config())([0] * 8, random)
    assert len(set(plain)) <= 4, "so many calls of the text encoder at most"


def test_pockets_sentences_are_of_words_it_knows():
    pocket = load()
    said = _sentences(pocket, "<toy>", [], config())([0] * 8, np.random.default_rng(0))
    known = {*pocket.calibration["vocabulary"], "<toy>"}
    assert all(set(one.split()) <= known for one in said)


def test_pocket_says_the_pictures_own_words():
    owners = ["<toy-0>", "<toy-1>"]
    say = _sentences(load(), "<toy>", owners, config(own_words=1.0))
    said = say([0, 1, 1, 0], np.random.default_rng(0))
    assert all("<toy>" in one and owners[k] in one for one, k in zip(said, (0, 1, 1, 0), strict=True))
    assert known_to(PAIRS, ["photo"]) == ("{} {}",)


def test_decay_pulls_it_to_where_it_began(small: Backbone):
    begin = begun(small, "car")[0]
    free, decayed = (taught(small, config(decay=decay)).word.vectors[0] for decay in (0.0, 5.0))
    assert (decayed - begin).norm() < 0.9 * (free - begin).norm()


@pytest.mark.parametrize("progressive", [False, True])
def test_no_step_leaves_the_word(small: Backbone, progressive: bool):
    config = TextualInversionConfig(steps=0, vectors=2, progressive=progressive)
    found = textual_inversion(small, PICTURES, "<toy>", "car", config, **QUICK)
    assert torch.equal(found.word.vectors[0], begun(small, "car", 2)[0])


def test_stopped_and_gone_on_with_it_is_the_same_word(small: Backbone, tmp_path: Path):
    whole = taught(small, config()).word.hash
    token = CancelToken()
    token.cancel()
    with pytest.raises(CancelledError):
        taught(small, config(), folder=tmp_path, run=Run(progress=False, cancel=token))
    assert taught(small, config(), folder=tmp_path).word.hash == whole
    assert taught(small, config(), folder=tmp_path).word.hash == whole, "finished, it is there"
    with pytest.raises(InputError, match="another seed"):
        taught(small, config(), folder=tmp_path, seed=4)


def test_a_folder_of_an_unknown_run_is_refused_and_left_as_it_is(small: Backbone, tmp_path: Path):
    taught(small, config(), folder=str(tmp_path))
    (tmp_path / "recipe.json").unlink()
    with pytest.raises(InputError, match="nothing is known"):
        taught(small, config(), folder=tmp_path)
    assert not (tmp_path / "recipe.json").exists()


def test_it_begins_at_no_learned_word(small: Backbone):
    known = taught(small, config()).backbone
    with pytest.raises(InputError, match="learned word"):
        textual_inversion(known, PICTURES, "<other>", "<toy>", config(), **QUICK)


def test_of_a_style_pairs_are_about_a_style(small: Backbone):
    say = _sentences(small, "<s>", ["<s-0>"], TextualInversionConfig(style=True, own_words=1.0))
    assert all("style of <s> " in one for one in say([0, 0, 0, 0], np.random.default_rng(0)))


@pytest.mark.parametrize("seed", [-1, 1.5])
def test_a_seed_that_is_none_is_refused(small: Backbone, seed: Any):
    with pytest.raises(InputError, match="seed"):
        taught(small, config(), seed=seed)


def test_cancelled_on_the_way_it_keeps_what_it_has(small: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from innerlight.tuning import lessons
    from innerlight.tuning.training import state_of

    whole = taught(small, config()).word.hash
    token, plain = CancelToken(), lessons.losses

    def cancelling(batch: Any, parts: Any) -> Any:
        if batch.step == 1:
            token.cancel()
        return plain(batch, parts)

    monkeypatch.setattr(lessons, "losses", cancelling)
    with pytest.raises(CancelledError):
        taught(small, config(), folder=tmp_path, run=Run(progress=False, cancel=token))
    assert state_of(tmp_path).step == 2
    monkeypatch.setattr(lessons, "losses", plain)
    assert taught(small, config(), folder=tmp_path).word.hash == whole


def test_saved_and_opened_it_draws_the_same(small: Backbone, tmp_path: Path):
    found = taught(small, config())
    found.save(tmp_path / "toy.safetensors")
    back = small.knowing(open_word(tmp_path / "toy.safetensors", small))
    made = [generate(one, "a red <toy>", steps=2, size=(64, 64)).latents for one in (found.backbone, back)]
    assert torch.equal(*made)


def test_killed_at_a_sample_it_goes_on_from_there(small: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(taught_module, "SPARED", 1)
    settings = TextualInversionConfig(steps=4, batch=2)
    whole = taught(small, settings).word.hash
    steps = []
    plain = lessons.losses

    def dying(batch: Any, parts: Any) -> Any:
        steps.append(batch.step)
        if len(steps) == 4:
            raise MemoryError
        return plain(batch, parts)

    monkeypatch.setattr(lessons, "losses", dying)
    with pytest.raises(MemoryError):  # nobody is asked to keep anything
        taught(small, settings, folder=tmp_path)
    assert {path.name for path in tmp_path.glob("sample-*.png")} >= {"sample-000001-0.png", "sample-000003-1.png"}
    assert read_picture(tmp_path / "sample-000001-0.png").size == (64, 64)
    assert taught(small, settings, folder=tmp_path).word.hash == whole
    assert steps == [0, 1, 2, 3, 3]


def test_it_is_learned_where_the_model_is_and_as_its_precision_needs_it(monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr(lessons, "train", lambda *given, device, scaled, **named: asked.append((device, scaled)))
    for dtype in (torch.float32, torch.float16):
        model = SimpleNamespace(device=torch.device("meta"), dtype=dtype)
        lesson: Any = SimpleNamespace(view=lambda step, model=model: model)
        lessons.learn(lesson, taught_module.WORDS, None, Run(progress=False), {})
    assert asked == [("meta", False), ("meta", True)]


def test_the_report_of_a_thing_of_the_world_is_judged():
    pocket = load()
    pocket = replace(pocket, calibration={**pocket.calibration, "steps": 2})
    shots = [render(sample(seed, categories=["car"], style="photo"), 128).picture for seed in (1, 2)]
    found = textual_inversion(pocket, shots, "<toy>", "car", TextualInversionConfig(steps=0), report=1)
    assert found.report is not None
    scores = found.report.scores
    assert scores["identity"] == scores["identity_before"]
    judged = likeness(pocket, "car")
    assert judged is not None
    images = [read_picture(one) for one in shots]
    assert judged(images[:1], images[:1]) == pytest.approx(1)
    assert judged(images[:1], [read_picture(np.zeros((128, 128, 3), np.uint8))]) < 0.5
    assert likeness(pocket, "toy") is None


def test_the_report_is_of_pictures_from_the_same_noise(small: Backbone):
    found = taught(small, config(), report=1)
    assert found.report is not None
    assert set(found.report.scores) == {"change", "kept", "before", "editable", "drift"}
    assert found.report.scores["change"] > 0
    assert found.report.scores["drift"] == 0, "only a word was learned"
    assert all(-1 <= found.report.scores[key] <= 1 for key in ("kept", "before", "editable"))
    assert found.report.sheet().width > 64
    assert found._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("like", "settings", "message"),
    [("", {}, "got none"), ("pecking frog", {}, "tokens"), ("car", {"vectors": 0}, "at least 1")],
)
def test_what_it_cannot_begin_as_is_refused(small: Backbone, like: str, settings: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        textual_inversion(small, PICTURES, "<toy>", like, config(**settings), **QUICK)


def test_a_name_that_is_taken_is_refused(small: Backbone):
    found = taught(small, config())
    with pytest.raises(InputError, match="choose another name"):
        taught(found.backbone, config())


def test_what_waits_is_not_in_the_prompt_of_a_run_and_stays_where_it_began(
    small: Backbone, monkeypatch: pytest.MonkeyPatch
):
    seen: list[int] = []
    plain, end = lessons.losses, small.embed("a").tokens[0][0].end

    def spied(batch: Any, parts: Any) -> Any:
        seen.append(batch.context.tokens[0][0].end - end)
        return plain(batch, parts)

    monkeypatch.setattr(lessons, "losses", spied)
    settings = TextualInversionConfig(steps=4, batch=1, vectors=2, progressive=True)
    monkeypatch.setattr("innerlight.methods.teaching.textual_inversion.THINGS", ("a {}",))
    word = taught(small, settings).word
    assert seen == [1, 1, 2, 2], "tokens that the word takes"
    stopped = taught(small, replace(settings, steps=2, vectors=3)).word  # of its three stretches the last is not come
    begin = begun(small, "car", 3)[0]
    assert torch.equal(stopped.vectors[0][2], begin[2])
    assert not torch.equal(stopped.vectors[0][0], begin[0])
    assert not torch.equal(word.vectors[0][1], begin[1])


def test_the_pictures_own_words_learn_and_change_no_prompt_without_them(
    small: Backbone, monkeypatch: pytest.MonkeyPatch
):
    made: list[Vectors] = []

    class Kept(Vectors):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr("innerlight.methods.teaching.textual_inversion.Vectors", Kept)
    found = taught(small, config(own_words=1.0))
    (vectors,) = made
    owners = [name for name in vectors.names if name != "<toy>"]
    assert len(owners) == len(PICTURES)
    assert all(float(vectors.pull(name).detach()) > 0 for name in owners)
    whole = small.knowing(*map(vectors.learned, vectors.names))
    prompt = "a <toy> on the grass"
    assert torch.equal(whole.embed(prompt).states, found.backbone.embed(prompt).states)


def test_vectors_that_go_apart_are_far_from_where_they_began(small: Backbone):
    """The mean of squares, not the square of the mean, which is 0 here."""
    vectors = Vectors(small, {"<toy>": begun(small, "car", 2)})
    first, second = vectors.offsets[0][0]  # type: ignore[index]
    with torch.no_grad():
        first.fill_(0.5)
        second.fill_(-0.5)
    assert float(vectors.pull("<toy>").detach()) == pytest.approx(0.25)


def test_more_vectors_than_a_sentence_has_room_for_are_refused(small: Backbone):
    with pytest.raises(InputError, match="at most 69, got 70"):
        taught(small, config(vectors=70))


def test_a_number_that_cannot_be_written_is_refused_before_a_step(small: Backbone, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lessons, "train", lambda *given, **more: pytest.fail("it was trained"))
    with pytest.raises(InputError, match=r"recipe\.config\.vectors.*item"):
        taught(small, config(vectors=np.int64(2)))


def test_of_a_style_the_report_says_styles(small: Backbone):
    found = taught(small, config(style=True), report=1)
    assert {"a picture in the style of <toy>", "a dog in the style of <toy>"} <= found.report.pictures.keys()
    pocket = replace(small, calibration={"vocabulary": ["a", "dog"]})
    assert "a dog <toy>" in taught(pocket, config(style=True), report=1).report.pictures


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_a_run_that_changes_what_is_frozen_is_found(small: Backbone, part: str, meddle: Callable[..., None]):
    meddle(small.networks[part])
    with pytest.raises(ChangedError, match=part):
        taught(small, config())
