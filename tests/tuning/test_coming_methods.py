"""Miniatures of the methods to come, of the common code alone: what each needs is there, and what it saves is read by
stock diffusers. Of their papers they have the shape, not the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from innerlight.backbones import Backbone, load
from innerlight.backbones.opening import quiet
from innerlight.cli._teaching import write_taught
from innerlight.files import read_pictures
from innerlight.prompts import LearnedWord
from innerlight.sampling import Run, generate
from innerlight.taps import Columns, Read, tapped
from innerlight.tuning.adapters import FILE, as_lora, open_lora
from innerlight.tuning.denoising import Batch, Draw, Part, Shots, TextStates, draw
from innerlight.tuning.freezing import settled
from innerlight.tuning.lessons import Lesson, Term, Vectors, begun
from innerlight.tuning.offsets import Offset, offset
from innerlight.tuning.taught import PLAN, WORDS, Taught, teach, teach_word
from innerlight.tuning.words import open_word, read_word
from innerlight.types import InputError
from innerlight.world import render, sample

PICTURES = read_pictures([render(sample(seed), 64).picture for seed in (1, 2)])
SIZE = (64, 64)
ROUNDING = 2e-5  # between two libraries that compute the same
QUICK: dict[str, Any] = {"report": 0, "seed": 3, "run": Run(progress=False)}


def saying(*prompts: str) -> Any:
    return lambda chosen, random: [prompts[random.integers(len(prompts))] for _ in chosen]


def latents(backbone: Backbone, prompt: str, noise: Tensor) -> Tensor:
    return generate(backbone, prompt, steps=2, guidance=7.5, latents=noise, size=SIZE, decode=False).latents


def stock(folder: str | Path) -> Any:
    from diffusers import StableDiffusionPipeline

    with quiet():
        pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def assert_drawn_alike(taught: Taught, base: Backbone, pipe: Any, prompt: str) -> None:
    """By stock diffusers, from the same noise; and otherwise than by the model that it was learned on."""
    noise = torch.randn(1, 4, *base.latent_size(SIZE), generator=torch.Generator().manual_seed(0))
    size = {"height": SIZE[0], "width": SIZE[1]}
    theirs = pipe(prompt, num_inference_steps=2, guidance_scale=7.5, latents=noise, output_type="latent", **size).images
    ours, without = latents(taught.backbone, prompt, noise), latents(taught.plain, prompt, noise)
    assert (ours - theirs).abs().max() < ROUNDING
    assert (ours - without).abs().max() > 10 * ROUNDING, "its words count"
    assert (without - latents(base, prompt, noise)).abs().max() > 10 * ROUNDING, "and so do its weights"


def custom_diffusion(base: Backbone, **told: Any) -> Taught:
    """A word, and the keys and values by which prompts are read."""
    tuned, vectors = base.copy(), Vectors(base, {"<toy>": begun(base, "car")})
    paths = [f"{site.path}.{end}" for site in base.places for end in ("to_k", "to_v")]
    layers = nn.ModuleDict({path.replace(".", "/"): tuned.unet.get_submodule(path) for path in paths})
    learning = nn.ModuleDict({"word": vectors, "weights": layers.requires_grad_(True)})
    known = tuned.knowing(vectors.word("<toy>"))
    shots = Shots.of(base, PICTURES, SIZE)
    parts = [Part("thing", shots, saying("a <toy> car"), 2), Part("class", shots, saying("a car"), 2, weight=0.5)]
    lesson = Lesson(
        learning, lambda step: known.relearning(vectors.word("<toy>")), parts,
        changing=lambda prompt: "<toy>" in prompt, seed=3, shown=["a <toy> car"],
    )  # fmt: skip
    schedule = replace(PLAN, steps=3, batch=4, rate=0.1, shares={"weights": 0.1})

    def learned() -> tuple[Backbone, list[Any]]:
        plain = base.unet
        changes = {
            path: tuned.unet.get_submodule(path).weight - plain.get_submodule(path).weight  # type: ignore[operator]
            for path in paths
        }
        return as_lora(base, changes), [vectors.learned("<toy>")]

    return teach(
        base, "<toy>", "car", PICTURES, SIZE, lambda: [(lesson, schedule)], learned, kind="lora",
        recipe={"method": "custom_diffusion"}, **{**QUICK, **told},
    )  # fmt: skip


def test_custom_diffusion_is_a_lora_and_a_word(small: Backbone, model: str, tmp_path: Path):
    base = load(model)
    before = {name: one.clone() for name, one in base.unet.state_dict().items()}
    found = custom_diffusion(base)
    assert all(torch.equal(one, before[name]) for name, one in base.unet.state_dict().items())
    found.save(tmp_path / "toy")
    assert {path.name for path in (tmp_path / "toy").iterdir()} == {FILE, "toy.safetensors"}
    pipe = stock(model)
    with quiet():
        pipe.load_lora_weights(tmp_path / "toy")
        pipe.load_textual_inversion(str(tmp_path / "toy" / "toy.safetensors"))
    assert_drawn_alike(found, base, pipe, "a <toy> car")
    opened = open_lora(tmp_path / "toy", base)
    back = opened.knowing(open_word(tmp_path / "toy" / "toy.safetensors", opened))
    assert back.hash == found.backbone.hash
    assert [word.hash for word in back.learned] == [found.word.hash]
    with pytest.raises(InputError, match="expected a folder"):
        found.save(tmp_path / "toy.safetensors")
    assert write_taught(found, tmp_path / "out") == [str(tmp_path / "out" / "toy")]


def test_its_report_is_of_words_and_weights(small: Backbone):
    found = custom_diffusion(replace(small, calibration={"steps": 1}), report=1)
    assert found.report is not None
    assert found.report.scores["change"] > 0
    assert found.report.scores["drift"] > 0, "the class is drawn by other weights"


HANDLES = ("<first>", "<second>")


def break_a_scene(base: Backbone, told: dict[str, float]) -> Taught:
    """A handle for each half of one picture: at first words alone, then all weights with them."""
    tuned = base.copy(texts=True)
    vectors = Vectors(base, dict.fromkeys(HANDLES, begun(base, "car")))
    known = tuned.knowing(*map(vectors.word, HANDLES))
    shots = Shots.of(base, PICTURES[:1], SIZE)
    rows, columns = base.latent_size(SIZE)
    halves = torch.zeros(2, 1, rows, columns)
    halves[0, ..., : columns // 2], halves[1, ..., columns // 2 :] = 1, 1

    def mask(chosen: Sequence[int], said: Sequence[str]) -> Tensor:
        """The union of those that are named."""
        return torch.stack([halves[[name in one for name in HANDLES]].amax(0) for one in said])

    def say(chosen: Sequence[int], random: np.random.Generator) -> list[str]:
        return [" and ".join(random.permutation(HANDLES)[: random.integers(1, 3)]) for _ in chosen]

    read = Read("semantic.text", "probabilities", reduce=Columns((1,)), gradient=True)

    def attention(batch: Batch, seen: Any) -> Tensor:
        """To each prompt's first handle, where it is and where it ought to be."""
        found = []
        for site, one in seen[read].items():
            first = [halves[HANDLES.index(said.split()[0])] for said in batch.said]
            wanted = F.interpolate(torch.stack(first), base.sites[site].grid((rows, columns)))
            columns_of = one.mean(1).flatten(1)  # (rows of the batch, cells)
            found.append((columns_of / columns_of.amax(1, keepdim=True) - wanted.flatten(1)).square().mean())
        return 0.01 * torch.stack(found).mean()

    part = Part("scene", shots, say, 2, mask=mask, over="mask")
    weights = nn.ModuleDict({"unet": tuned.unet, "text": tuned.texts[0].model}).requires_grad_(True)
    before = {name: one.clone() for name, one in tuned.unet.state_dict().items()}

    def view(step: int) -> Backbone:
        return known.relearning(*map(vectors.word, HANDLES))

    def waiting(step: int) -> Backbone:
        told["moved in the first phase"] = max(
            float((one - before[name]).abs().max()) for name, one in tuned.unet.state_dict().items()
        )
        return view(step)

    terms = {"attention": Term(attention, (read,))}
    shared: dict[str, Any] = {"changing": lambda prompt: True, "seed": 3, "shown": ["a <first>"], "terms": terms}
    phases = [
        (Lesson(vectors, waiting, [part], **shared), replace(WORDS, steps=2, batch=2, rate=0.1)),
        (
            Lesson(nn.ModuleDict({"words": vectors, "weights": weights}), view, [part], **shared),
            replace(PLAN, steps=2, batch=2, rate=1e-3),
        ),
    ]
    return teach(
        base, "<first>", "car", PICTURES[:1], SIZE, lambda: phases,
        lambda: (settled(tuned, base, weights), [vectors.learned(name) for name in HANDLES]), kind="model",
        recipe={"method": "break_a_scene"}, **QUICK,
    )  # fmt: skip


def test_break_a_scene_is_a_pipeline_and_words(small: Backbone, tmp_path: Path):
    told: dict[str, float] = {}
    found = break_a_scene(small, told)
    assert told == {"moved in the first phase": 0.0}
    first, second = found.words
    assert not torch.equal(first.vectors[0], second.vectors[0])
    found.save(tmp_path)
    assert {path.name for path in tmp_path.glob("*.safetensors")} == {"first.safetensors", "second.safetensors"}
    pipe = stock(tmp_path)
    for name in ("first", "second"):
        with quiet():
            pipe.load_textual_inversion(str(tmp_path / f"{name}.safetensors"))
    assert_drawn_alike(found, small.knowing(*found.words), pipe, "a <second> and a <first>")
    again = load(tmp_path)
    assert read_word(tmp_path / "first.safetensors").about["base"] == again.hash
    assert open_word(tmp_path / "first.safetensors", again).hash == first.hash
    with pytest.raises(InputError, match="learned on a model of hash"):
        open_word(tmp_path / "first.safetensors", small)


def test_reversion_draws_late_times_and_steers_the_word(small: Backbone):
    """f(t) = (1 - alpha cos(pi t / T)) / T, and a contrast between prepositions and the captions' other words."""
    alpha, temperature, levels = 0.5, 0.07, len(small.levels)
    table = small.texts[0].model.get_input_embeddings().weight.detach()
    ids = {word: small.texts[0].cut(word).ids[1] for word in ("on", "in", "under", "cat", "dog")}
    assert len(set(ids.values())) == 5
    good, bad = (F.normalize(table[[ids[word] for word in words]]) for words in (("on", "in", "under"), ("cat", "dog")))
    density = 1 - alpha * torch.cos(math.pi * torch.arange(levels) / levels)
    drawn: list[int] = []

    def late(count: int, generator: torch.Generator) -> Tensor:
        found = torch.multinomial(density, count, replacement=True, generator=generator)
        drawn.extend(found.tolist())
        return found

    def taught(weight: float) -> Taught:
        vectors = Vectors(small, {"<r>": begun(small, "and")})
        known = small.knowing(vectors.word("<r>"))

        def steer(batch: Batch, seen: Any) -> Tensor:
            word = F.normalize(vectors.word("<r>").vectors[0])[0]
            near, far = ((word @ rows.T / temperature).logsumexp(0) for rows in (good, bad))
            return weight * (torch.logaddexp(near, far) - near)

        part = Part("pairs", Shots.of(small, PICTURES, SIZE), saying("cat <r> dog"), 4)
        return teach_word(
            small, vectors, "<r>", "and", PICTURES, [part], lambda step: known.relearning(vectors.word("<r>")),
            steps=8, rate=0.4, times=late, terms={"steer": Term(steer)}, recipe={"method": "reversion"}, **QUICK,
        )  # fmt: skip

    def nearness(found: Taught) -> float:
        word = F.normalize(found.word.vectors[0])
        return float((word @ good.T).mean() - (word @ bad.T).mean())

    assert nearness(taught(1.0)) > nearness(taught(0.0)) + 0.05
    assert np.mean(drawn) == pytest.approx(levels * (1 / 2 + 2 * alpha / math.pi**2), abs=0.1 * levels)


class Encoder(nn.Module):
    """E4T's: what is added to the coarse word, by a picture and by what the network's first half makes of it, and
    factors of weights, by nothing but what is learned; all of it 0 at first.
    """

    def __init__(self, base: Backbone, pictures: Tensor, coarse: Tensor) -> None:
        super().__init__()
        paths = [f"{site.path}.to_q" for site in base.sites.values() if site.kind in ("self", "text")]
        shapes = {path: base.unet.get_submodule(path).weight.shape for path in paths}
        self.paths, self.pictures, self.coarse = paths, pictures.mean((2, 3)), coarse
        self.read = Read("mid.s8.0.residual")
        width = base.sites["mid.s8.0.residual"].width
        self.word = nn.Linear(self.pictures.shape[1] + width, len(coarse))
        nn.init.zeros_(self.word.weight)
        nn.init.zeros_(self.word.bias)
        self.rows = nn.ParameterList(torch.zeros(rows, 1) for rows, _ in shapes.values())
        self.columns = nn.ParameterList(torch.ones(1, columns) for _, columns in shapes.values())

    def offsets(self) -> dict[str, Offset]:
        pairs = zip(self.paths, self.rows, self.columns, strict=True)
        return {path: Offset(rows @ columns, multiplies=True) for path, rows, columns in pairs}

    def added(self, base: Backbone, draw: Draw) -> Tensor:
        """(rows of the batch, d), by a first pass that ends in the middle of the network."""
        prompt = base.embed(["a car"] * len(draw.times))
        with torch.no_grad(), tapped(base.sites, self.read, stop=True) as seen:
            base.estimate(draw.noisy, draw.times, prompt)
        (features,) = seen[self.read].values()
        return self.word(torch.cat([self.pictures[draw.chosen["faces"]], features.mean((2, 3))], dim=1))


def e4t(base: Backbone, steps: int, told: list[tuple[float, Tensor]]) -> Taught:
    """A word for each picture, by an encoder, and scaled weights; in the end one word, that of their mean."""
    (coarse,) = begun(base, "car")
    shots = Shots.of(base, PICTURES, SIZE)
    encoder = Encoder(base, shots.mean, coarse[0])
    rows = [f"<face-{row}>" for row in range(4)]
    known = base.knowing(*(LearnedWord(name, (coarse,)) for name in rows))
    last: list[Tensor] = []

    def seeing(view: Backbone, draw: Draw) -> Backbone:
        last[:] = [encoder.added(base, draw)]
        words = zip(rows, coarse + 0.1 * last[0], strict=True)
        return view.relearning(*(LearnedWord(name, (vector[None],)) for name, vector in words))

    def penalty(batch: Batch, seen: Any) -> Tensor:
        told.append((float((batch.estimate - batch.target).square().mean().detach()), batch.context.states.detach()))
        return 0.01 * last[0].square().mean()

    part = Part("faces", shots, lambda chosen, random: [f"a {name}" for name in rows], len(rows))
    lesson = Lesson(
        encoder, lambda step: known, [part], changing=lambda prompt: True, seed=3, shown=["a <face-0>"],
        seeing=seeing, open_while=lambda: offset(base.unet, encoder.offsets()), terms={"penalty": Term(penalty)},
    )  # fmt: skip

    def learned() -> tuple[Backbone, list[LearnedWord]]:
        tuned = base.copy()
        with torch.no_grad():
            for path, one in encoder.offsets().items():
                weight: Any = tuned.unet.get_submodule(path).weight
                weight.add_(one.of(weight))
            mean = coarse + 0.1 * encoder.added(base, draw(base, [part], seed=3, step=steps)).mean(0)
        return settled(tuned, base, encoder), [LearnedWord("<face>", (mean,))]

    schedule = replace(PLAN, steps=steps, batch=len(rows), rate=0.05)
    return teach(
        base, "<face>", "car", PICTURES, SIZE, lambda: [(lesson, schedule)], learned, kind="model",
        recipe={"method": "e4t"}, **QUICK,
    )  # fmt: skip


def test_e4t_has_a_word_for_each_picture_and_scaled_weights(small: Backbone, tmp_path: Path):
    told: list[tuple[float, Tensor]] = []
    found = e4t(small, 3, told)
    part = Part("faces", Shots.of(small, PICTURES, SIZE), lambda chosen, random: ["a car"] * 4, 4)
    plain = Batch.of(small, [part], TextStates(SIZE, lambda prompt: True), seed=3, step=0)
    (first, states), (_, later), _ = told
    assert torch.equal(states[0], plain.context.states[0]), "at first it is the coarse word"
    assert first == pytest.approx(float((plain.estimate - plain.target).square().mean()), rel=1e-5)
    assert len({tuple(one.flatten().tolist()) for one in later}) > 1, "and then a word for each picture"
    found.save(tmp_path)
    pipe = stock(tmp_path)
    with quiet():
        pipe.load_textual_inversion(str(tmp_path / "face.safetensors"))
    assert_drawn_alike(found, small.knowing(*found.words), pipe, "a <face>")
