"""The demonstration: one page of pictures of what the library has, each under the call that it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from innerlight import __version__, viz
from innerlight.bench import demo_methods
from innerlight.bench.demo_methods import model
from innerlight.bench.world_pages import contact_sheet, partner_picture, truths
from innerlight.files import write_picture, write_text
from innerlight.methods import names
from innerlight.types import InputError, LabelMap
from innerlight.world import truth
from innerlight.world.alteration import alter
from innerlight.world.captions import caption
from innerlight.world.draw import render
from innerlight.world.layout import sample
from innerlight.world.looks import distractors, individual
from innerlight.world.scene import STYLES

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Exhibit:
    """One picture of the page."""

    chapter: str
    name: str
    title: str
    text: str
    code: str
    draw: Callable[[int], Image.Image]


def write_demo(
    folder: Path, seed: int = 7, only: Sequence[str] = (), *, progress: Progress = lambda done, of: None
) -> Path:
    """Draw all exhibits, or those of some chapters, into `folder` and write the page; returns the page."""
    from jinja2 import Environment, PackageLoader

    if unknown := set(only) - set(CHAPTERS):
        raise InputError(f"the demonstration has the chapters {', '.join(CHAPTERS)}; got {', '.join(sorted(unknown))}")
    folder = Path(folder)
    exhibits = [one for one in EXHIBITS if not only or one.chapter in only]
    for done, exhibit in enumerate(exhibits):
        progress(done, len(exhibits))
        write_picture(exhibit.draw(seed), folder / f"{exhibit.name}.png", recipe={"command": "demo", "seed": seed})
    progress(len(exhibits), len(exhibits))
    chapters = {name: [one for one in exhibits if one.chapter == name] for name in CHAPTERS if not only or name in only}
    templates = Environment(loader=PackageLoader("innerlight.bench"), autoescape=True)
    page = templates.get_template("demo.html").render(chapters=chapters, seed=seed, version=__version__)
    write_text(page, folder / "index.html")
    return folder / "index.html"


def _sheet(seed: int) -> Image.Image:
    return contact_sheet(range(seed, seed + 16), (256, 256))


def _truths(seed: int) -> Image.Image:
    drawn = render(sample(seed, categories=["dog", "chair"], arrangement="on", setting="room", style="photo"), 256, 256)
    shown = truths(drawn, scale=1.5)
    return viz.grid(list(shown.values()), list(shown), columns=3)


def _altered(seed: int) -> Image.Image:
    scene = sample(seed, categories=["cat", "car"], arrangement="in", setting="street", style="photo")
    pairs = [alter(scene, change, seed) for change in ("colour", "pattern", "setting")]
    scenes = [scene, *(pair.after for pair in pairs)]
    captions = [caption(scene, "long").text, *(f"{pair.change}: {pair.old} to {pair.new}" for pair in pairs)]
    return viz.grid([render(one, 320, 320).picture for one in scenes], captions, columns=4)


def _partners(seed: int) -> Image.Image:
    """A dog and a horse: animals of different kinds match part by part."""
    one = render(sample(seed, categories=["dog"], setting="grass", style="photo"), 384, 384)
    other = render(sample(seed + 1, categories=["horse"], setting="snow", style="photo"), 384, 384)
    return partner_picture(one, other, count=14, scale=1.0, partners={0: 0})


def _individuals(seed: int) -> Image.Image:
    look = individual(seed, "elephant")
    same = [render(sample(seed + k, looks=[look], style="photo"), 256, 256).picture for k in range(3)]
    others = [
        render(sample(seed + 3 + k, looks=[other], style="photo"), 256, 256).picture
        for k, other in enumerate(distractors(look, 3, seed))
    ]
    captions = ["this elephant", "again", "and again", "another", "and another", "one more"]
    return viz.grid([*same, *others], captions, columns=6)


def _styles(seed: int) -> Image.Image:
    categories = ["giraffe", "teapot"]
    scenes = [
        sample(seed, categories=categories, arrangement="beside", style=style, shape=(256, 448)) for style in STYLES
    ]
    return viz.grid([render(scene, 256, 448).picture for scene in scenes], STYLES, columns=3)


# After prompts that the papers draw with, in words that the embedded model knows.
PAPER_PROMPTS = (
    "a cat and a frog",
    "a red chair and a yellow clock",
    "a giraffe on the grass",
    "a horse in the snow",
    "a blue bicycle on the street",
    "a castle on the sand",
)


def _drawn(seed: int) -> Image.Image:
    from innerlight.sampling import generate

    made = generate(model(), PAPER_PROMPTS, seed=seed)
    return viz.grid([viz.enlarge(image, 2) for image in made.images], PAPER_PROMPTS, columns=3)


def _word_maps(seed: int) -> Image.Image:
    from innerlight.methods.reading.daam import daam

    words = ["car", "red", "street"]
    found = daam(model(), "a red car on the street", words, seed=seed)
    maps = [one.picture(found.images[0]) for one in found.maps[0].values()]
    return viz.grid([viz.enlarge(image, 2) for image in (found.images[0], *maps)], ["the picture", *words], columns=4)


def _edited(seed: int) -> Image.Image:
    from innerlight.methods.editing.diffedit import diffedit
    from innerlight.methods.editing.masactrl import masactrl
    from innerlight.methods.editing.prompt_to_prompt import prompt_to_prompt

    source, target = "a castle in the snow", "a giraffe in the snow"
    drawn = prompt_to_prompt(model(), source, target, seed=seed)
    scene = render(sample(seed, categories=["castle"], setting="snow", style="photo"), *model().size).picture
    asked = masactrl(model(), "", target, image=scene, seed=seed)
    masked = diffedit(model(), "", target, image=scene, seed=seed)
    inside = LabelMap(masked.masks["diffedit"][0].astype("uint8"), {0: "", 1: "inside"})
    shown = {
        f"drawn: {source}": drawn.sources[0],
        f"Prompt-to-Prompt: {target}": drawn.images[0],
        "given": asked.sources[0],
        f"MasaCtrl: {target}": asked.images[0],
        "where DiffEdit edits": viz.labels(scene, inside, legend=False, hidden=(0,)),
        f"DiffEdit: {target}": masked.images[0],
    }
    return viz.grid([viz.enlarge(image, 2) for image in shown.values()], list(shown), columns=3)


def _recognised(seed: int) -> Image.Image:
    from innerlight.methods.correspondence.dift import dift
    from innerlight.methods.segmentation.diffseg import diffseg

    scenes = [render(sample(seed + k), *model().size).picture for k in range(3)]
    found = diffseg(model(), scenes)
    animals = [
        render(sample(f"recognised/{seed}/{name}", categories=[name], style="photo"), *model().size)
        for name in ("horse", "zebra")
    ]
    keypoints = [{name: one for name, one in truth.keypoints(one)[0].items() if one.visible} for one in animals]
    points = [(one.x, one.y) for name, one in keypoints[0].items() if name in keypoints[1]]
    matched = dift(model(), animals[0].picture, animals[1].picture, points, seed=seed)
    segments = [viz.labels(scenes[k], found.labels[k], legend=False, scale=2) for k in range(3)]
    lines = viz.matches(animals[0].picture, animals[1].picture, matched.matches(), scale=2)
    return viz.grid([*segments, lines], ["segments", "", "", "points of a horse on a zebra"], columns=4)


CHIEF = (
    Exhibit(
        "Draw",
        "drawn",
        "Six prompts after those of the papers, drawn by the model that ships",
        "A latent diffusion model in diffusers layout, small enough for a laptop, trained on the world below. "
        "What it cannot do stands in its model card.",
        "generate(load(), ['a cat and a frog', ...], seed={seed})",
        _drawn,
    ),
    Exhibit(
        "Read",
        "daam",
        "Where each word is",
        "DAAM: cross-attention summed over steps and layers, while the picture is drawn. The picture does not change.",
        "daam(load(), 'a red car on the street', ['car', 'red', 'street'], seed={seed})",
        _word_maps,
    ),
    Exhibit(
        "Edit",
        "edited",
        "Another prompt for the same picture",
        "Three ways to edit, of a drawn picture and of a given one: under the source's attention, painted "
        "with the source's keys and values, or only where the two prompts disagree.",
        "prompt_to_prompt(load(), 'a castle in the snow', 'a giraffe in the snow', seed={seed})",
        _edited,
    ),
    Exhibit(
        "Recognise",
        "recognised",
        "What is one thing, and which point is which",
        "Drawn scenes that the model never saw: DiffSeg merges cells that look at the same places, DIFT takes points "
        "to the cells whose feature is most alike. Neither was trained for it.",
        "diffseg(load(), pictures); dift(load(), horse, zebra, points)",
        _recognised,
    ),
    Exhibit(
        "The world",
        "world",
        "A world whose truth is known",
        "Scenes drawn from a seed, each with captions. Whatever a method finds can be held against what is there.",
        "innerlight world --seed {seed} --count 16",
        _sheet,
    ),
    Exhibit(
        "The world",
        "truths",
        "What is where, exactly",
        "Category and part of every pixel, boxes, keypoints; depth order and relations besides.",
        "truth.parts(render(sample({seed}, categories=['dog', 'chair'], arrangement='on', setting='room')))",
        _truths,
    ),
    Exhibit(
        "The world",
        "altered",
        "The same scene, one thing changed",
        "An edit can be scored: what should change did, and the rest did not.",
        "alter(sample({seed}, categories=['cat', 'car'], arrangement='in', setting='street'), 'colour')",
        _altered,
    ),
    Exhibit(
        "The world",
        "partners",
        "The dog's ear is the horse's ear",
        "Dense correspondence between two renders, exact and with occlusion; animals share their parts.",
        "correspond(render(one), render(other), {{0: 0}})",
        _partners,
    ),
    Exhibit(
        "The world",
        "individuals",
        "This very elephant",
        "Individuals are finer than words: marks, patches and proportions persist. Others share all its words.",
        "distractors(individual({seed}, 'elephant'), 3, {seed})",
        _individuals,
    ),
    Exhibit(
        "The world",
        "styles",
        "One geometry, three styles",
        "Photo, drawing and night differ in nothing but how they are painted.",
        "sample({seed}, categories=['giraffe', 'teapot'], arrangement='beside', style='night')",
        _styles,
    ),
)
CHAPTERS = {"Draw": (), "Read": ("reading",), "Edit": ("editing",), "Teach": ("teaching",),
            "Recognise": ("segmentation", "correspondence", "retrieval"), "The world": ()}  # fmt: skip
EXHIBITS = tuple(
    exhibit
    for chapter, families in CHAPTERS.items()
    for exhibit in (
        *(one for one in CHIEF if one.chapter == chapter),
        *(
            Exhibit(
                chapter, f"method_{name}", demo_methods.title(name), demo_methods.text(name), demo_methods.code(name),
                demo_methods.EXHIBITS[name],
            )
            for family in families
            for name in names(family)
        ),
    )
)  # fmt: skip
