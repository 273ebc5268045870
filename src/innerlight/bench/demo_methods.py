"""Of the demonstration: each registered method once, on a scene of its claim that was chosen to be looked at."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from PIL import Image

from innerlight import viz
from innerlight.methods import get, names, summaries

# Scenes of development, and settings with which a method is done in seconds.
SCENES = {"daam": 60_006, "attend_and_excite": 60_001, "diffedit": 60_002, "masactrl": 60_010, "plug_and_play": 60_004,
          "prompt_to_prompt": 60_003, "text_anatomy": 60_002, "diffseg": 60_004, "emerdiff": 60_003, "dift": 60_003,
          "embedding_correspondence": 60_026, "pdm": 60_003, "pdm_voting": 60_003}  # fmt: skip
QUICKER: dict[str, dict[str, Any]] = {
    "emerdiff": {"fast": True, "clusters": 20},
    "embedding_correspondence": {"steps": 60, "restarts": 2},
}
CALLS = {
    "reading": "{name}(model, prompt, words, image=picture)",
    "editing": "{name}(model, prompt, new_prompt)  # or image=picture",
    "segmentation": "{name}(model, picture)",
    "correspondence": "{name}(model, picture, other, points)",
    "retrieval": "{name}(model, reference, pictures, mask=mask, word='{word}')",
    "teaching": "{name}(model, pictures, '<toy>', like='balloon')",
}
SHAPE, LOOK = "a castle on the grass", "an orange balloon on the water"
STEPS = 20  # of a training that is shown; what ships had as many as the model needs
ARTEFACTS = {
    "textual_inversion": "textual_inversion.safetensors", "p_plus": "p_plus.safetensors", "dreambooth_lora": "lora"
}  # fmt: skip
LIKE = "balloon"  # what the artefacts are of


@cache
def model() -> Any:
    """The embedded model, opened once for all exhibits; torch is imported no earlier."""
    from innerlight.backbones import load

    return load()


def title(name: str) -> str:
    """The method by its name, without its paper."""
    return summaries()[name][1].partition(" (")[0]


def text(name: str) -> str:
    """What it is."""
    what = summaries()[name][1].partition(": ")[2]
    told = {
        "emerdiff": " Here the fast mode, an approximation.",
        "textual_inversion": f" Of this thing the vector that ships keeps little; {STEPS} steps show how one begins.",
        "p_plus": f" The one that ships had 120 steps; {STEPS} show how it begins.",
        "dreambooth_lora": f" The one that ships had 200 steps; {STEPS} show how it begins.",
        "dreambooth": f" {STEPS} steps, with a prior of four pictures.",
    }
    return what[:1].upper() + what[1:] + told.get(name, "")


def code(name: str) -> str:
    """The call."""
    return CALLS[summaries()[name][0]].format(name=name, word="dog")


def draw(name: str, seed: int) -> Image.Image:
    """The method at work."""
    if summaries()[name][0] == "teaching":
        panels = _learned(name, seed)
    elif name == "style_mixing":
        panels = _styled(seed)
    else:
        from innerlight.bench.shown import PANELS, Taking

        method = get(name)
        panels = PANELS[method.family](Taking(method, model(), QUICKER.get(name, {})), SCENES[name])
    columns = min(len(panels), 6)
    return viz.grid([viz.enlarge(one, 1.5) for one in panels.values()], list(panels), columns=columns)


def _styled(seed: int) -> dict[str, Image.Image]:
    """The shape of one prompt, the look of another."""
    from innerlight.sampling import generate

    mixing = get("style_mixing")
    other = generate(model(), LOOK, seed=seed).images[0]
    panels = {}
    for width in (3, 5):  # places from the middle outwards that read the first prompt
        config = mixing.config(first=5 - width, last=4 + width)
        found = mixing.function(model(), SHAPE, LOOK, config, seed=seed)
        panels |= {f"the shape: {SHAPE}": found.sources[0], f"{2 * width} of 13 places": found.images[0]}
    return panels | {f"the look: {LOOK}": other}


def _learned(name: str, seed: int) -> dict[str, Image.Image]:
    """What is learned from, what the artefact that ships draws, and a word or weights a few steps old."""
    from innerlight.backbones import WEIGHTS
    from innerlight.files import read_pictures
    from innerlight.sampling import generate
    from innerlight.tuning.adapters import open_lora
    from innerlight.tuning.words import open_word

    taught = WEIGHTS / "taught"
    shots = read_pictures(sorted(taught.glob("shot-*.png")))
    panels = {"learned from": shots[0], "and": shots[1]}
    settings = {"steps": STEPS} | ({"prior": 4} if name == "dreambooth" else {})
    method = get(name)
    begun = method.function(model(), shots, "<toy>", LIKE, method.config(**settings), report=0, seed=seed)
    arms = {f"after {STEPS} steps": (begun.backbone, f"a {begun.name}")}
    if name == "dreambooth_lora":
        arms["as it ships"] = open_lora(taught / ARTEFACTS[name], model()), "a sks balloon"
    elif name in ARTEFACTS:
        word = open_word(taught / ARTEFACTS[name], model())
        arms["as it ships"] = model().knowing(word), f"a {word.name}"
    for told, (knowing, prompt) in arms.items():
        made = generate(knowing, [prompt] * 2, seed=[seed, seed + 1]).images
        panels |= {f"{told}: {prompt}, {number}": one for number, one in enumerate(made, start=1)}
    return panels


EXHIBITS = {name: partial(draw, name) for name in names()}
