"""What the pictures show: the peak where the map peaks, ends at the points, names inside, colours apart."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from innerlight import viz
from innerlight.types import InputError, LabelMap, Match, NotFoundError
from innerlight.viz.colours import RIGHT, WRONG
from innerlight.viz.lettering import text_width, wrap

GREY = Image.new("RGB", (160, 96), (128, 128, 128))
MAP = np.random.default_rng(0).random((6, 10))


def lightness(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L")).astype(int)


def near(image: Image.Image, point: tuple[float, float], colour: tuple[int, int, int], reach: int = 1) -> bool:
    """True if the pixels around a point have the colour."""
    x, y = int(point[0]), int(point[1])
    patch = np.asarray(image)[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach].astype(int)
    return bool(np.abs(patch - colour).max() <= 3)


def has_colour(image: Image.Image, colour: tuple[int, int, int], pixels: int = 1) -> bool:
    return int((np.asarray(image) == colour).all(-1).sum()) >= pixels


@pytest.mark.parametrize("grid", [(4, 8), (16, 16), (9, 5), (200, 300)])
@pytest.mark.parametrize("size", [(160, 96), (64, 200)])
def test_the_hottest_pixel_is_where_the_map_peaks(grid: tuple[int, int], size: tuple[int, int]):
    rows, columns = np.mgrid[: grid[0], : grid[1]]
    peak = (grid[0] // 4, grid[1] * 2 // 3)
    spread = 0.1 * np.array(grid)
    values = np.exp(-(((rows - peak[0]) / spread[0]) ** 2) - ((columns - peak[1]) / spread[1]) ** 2)
    light = lightness(viz.heat(Image.new("RGB", size), values))
    hottest = np.mean(np.argwhere(light == light.max()), axis=0)
    wanted = (np.array(peak) + 0.5) / grid * (size[1], size[0])
    assert np.abs(hottest - wanted).max() <= 1 + 0.6 * max(size[1] / grid[0], size[0] / grid[1])


@given(st.floats(-1e6, 1e6))
def test_a_constant_map_is_one_colour(value: float):
    assert len(viz.heat(GREY, np.full((3, 4), value)).getcolors() or []) == 1


def test_heat_of_a_map_is_the_same_whatever_its_scale_and_shift():
    assert np.array_equal(np.asarray(viz.heat(GREY, MAP)), np.asarray(viz.heat(GREY, MAP * 8 - 4)))


def test_limits_hold_maps_against_one_another():
    weak, strong = (viz.heat(GREY, MAP * factor, limits=(0, 1)) for factor in (0.3, 1.0))
    assert lightness(weak).max() < lightness(strong).max()


def test_opacity_nothing_shows_the_picture_and_all_hides_its_hottest_place():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 160, 3), dtype=np.uint8))
    assert np.array_equal(np.asarray(viz.heat(noise, MAP, opacity=0)), np.asarray(noise))
    plateau = np.repeat([[0.0, 0.0, 0.0, 1.0, 1.0]], 3, axis=0)
    assert has_colour(viz.heat(noise, plateau, opacity=1), (252, 253, 191), pixels=96)


def test_the_colour_bar_stands_beside_the_picture_and_runs_from_high_to_low():
    plain, barred = viz.heat(GREY, MAP), viz.heat(GREY, MAP, colour_bar=True)
    assert np.array_equal(np.asarray(barred)[:, :160], np.asarray(plain))
    ends = viz.colour_map(np.array([1.0, 0.0])).tolist()
    beside = np.asarray(barred)[:, 160:]
    assert (beside[0] == ends[0]).all(-1).any()
    assert (beside[-1] == ends[1]).all(-1).any()


@pytest.mark.parametrize("name", ["magma", "viridis", "grey"])
def test_colour_maps_grow_lighter_all_the_way(name: str):
    colours = viz.colour_map(np.linspace(0, 1, 200), name).astype(float)
    light = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) > -0.6).all()
    assert light[-1] - light[0] > 150


def test_colours_of_neighbouring_numbers_are_far_apart():
    colours = np.array([viz.distinct_colour(index) for index in range(21)]).astype(int)
    for one, other in combinations(range(21), 2):
        apart = np.abs(colours[one] - colours[other]).sum()
        assert apart > {1: 150, 2: 110, 3: 75}.get(other - one, 30), (one, other, apart)
    assert viz.distinct_colour(10**6) == viz.distinct_colour(10**6)


def label_map() -> LabelMap:
    labels = np.zeros((6, 10), np.uint8)
    labels[:3, :5], labels[3:, 5:], labels[0, 9] = 1, 2, 255
    return LabelMap(labels, {0: "ground", 1: "cat", 2: "a house with a very long name that has to be wrapped"}, 255)


def test_labels_are_tinted_outlined_and_the_ignored_stay_bare():
    shown = np.asarray(viz.labels(GREY, label_map(), legend=False, opacity=0.5)).astype(int)
    assert shown.shape == (96, 160, 3)
    for label, inside in ((1, (20, 30)), (2, (70, 120)), (0, (70, 30))):
        colour = np.array(viz.distinct_colour(label))
        assert np.abs(shown[inside] - (colour + 128) / 2).max() <= 1
    assert (shown[20, 79] == viz.distinct_colour(1)).all()  # the outline lies inside its region
    assert (shown[20, 80] == viz.distinct_colour(0)).all()
    assert (shown[5, 155] == 128).all()


def test_the_legend_has_a_swatch_of_each_colour_below_the_picture():
    shown = viz.labels(GREY, label_map(), opacity=0.5)
    below = shown.crop((0, 96, shown.width, shown.height))
    for label in (0, 1, 2):
        assert has_colour(below, viz.distinct_colour(label), pixels=100)
    assert not has_colour(below, viz.distinct_colour(255))
    assert np.array_equal(
        np.asarray(shown)[:96, :160], np.asarray(viz.labels(GREY, label_map(), opacity=0.5, legend=False))
    )
    assert (np.asarray(shown)[96:, -1] == 255).all(), "the legend runs over the right side"


def test_hidden_labels_and_colours_of_ones_own():
    shown = viz.labels(GREY, label_map(), hidden=(0,), colours={1: (1, 2, 3)}, opacity=1)
    assert near(shown, (30, 70), (128, 128, 128))
    assert near(shown, (30, 20), (1, 2, 3))
    assert not has_colour(shown, viz.distinct_colour(0))


def test_all_ignored_needs_no_legend():
    assert viz.labels(GREY, LabelMap(np.full((2, 2), 255), {}, 255)).size == GREY.size


@pytest.mark.parametrize("scale", [1, 3, 4.5])
@pytest.mark.parametrize("heights", [(50, 80), (80, 50)])
def test_dots_and_lines_lie_at_the_points(scale: float, heights: tuple[int, int]):
    left, right = Image.new("RGB", (60, heights[0])), Image.new("RGB", (40, heights[1]), (255, 255, 255))
    pairs = [Match((10.5, 20.5), (30.5, 40.5)), Match((50.0, 10.0), (8.0, 15.0))]
    shown = viz.matches(left, right, pairs, scale=scale, gap=10)
    assert shown.size == (round(60 * scale) + 10 + round(40 * scale), round(80 * scale))
    insets = [(round(80 * scale) - round(height * scale)) // 2 for height in heights]
    for index, pair in enumerate(pairs):
        start = pair.source[0] * scale, insets[0] + pair.source[1] * scale
        end = round(60 * scale) + 10 + pair.target[0] * scale, insets[1] + pair.target[1] * scale
        middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        colour = viz.distinct_colour(index)
        assert near(shown, start, colour)
        assert near(shown, end, colour)
        around = np.asarray(shown)[int(middle[1]) - 2 : int(middle[1]) + 3, int(middle[0]) - 2 : int(middle[0]) + 3]
        assert (np.abs(around.astype(int) - colour).max(-1) < 60).any(), "no line halfway"


def test_right_and_wrong_matches_differ_in_colour_and_form():
    pairs = [Match((40, 20), (40, 20)), Match((40, 70), (40, 70))]
    shown = viz.matches(GREY, GREY, pairs, correct=[True, False], scale=3)
    assert near(shown, (120, 60), RIGHT)
    assert near(shown, (120, 210), (255, 255, 255))  # hollow
    assert has_colour(shown, WRONG, pixels=20)


def test_lines_read_on_any_background():
    """The halo: beside the line something is darker than a background of the line's own colour."""
    ground = Image.new("RGB", (100, 60), viz.distinct_colour(0))
    shown = viz.matches(ground, ground, [Match((20, 30), (80, 30))], scale=2)
    assert lightness(shown)[40:80, 100].min() < lightness(ground).min() - 20


@given(st.floats(0, 160), st.floats(0, 96))
def test_names_stay_inside_and_dots_at_their_points(x: float, y: float):
    shown = viz.points(GREY, {"left ear": (x, y), "right ear": (80, 48)})
    assert shown.size == GREY.size
    bare = viz.points(GREY, {"left ear": (x, y), "right ear": (80, 48)}, names=False)
    text = np.abs(np.asarray(shown).astype(int) - np.asarray(bare)).max(-1) > 100
    assert text.sum() > 100
    assert not text[:, 0].any()
    assert not text[:, -1].any()
    inner = min(max(x, 1), 159), min(max(y, 1), 95)
    if abs(x - 80) + abs(y - 48) > 20:
        assert near(bare, inner, viz.distinct_colour(0))


def test_names_avoid_one_another():
    names = {"left eye": (70, 40), "right eye": (80, 40), "nose": (75, 44)}

    def letters(image: Image.Image) -> int:
        return int((lightness(image) > 200).sum())

    alone = sum(letters(viz.points(GREY, {name: place}, scale=3)) for name, place in names.items())
    assert letters(viz.points(GREY, names, scale=3)) > 0.97 * alone


def test_boxes_are_framed_on_their_edges_and_named():
    bare = viz.boxes(GREY, [(20, 30, 80, 80)], scale=4)
    frame = viz.distinct_colour(0)
    for x, y in ((80, 220), (320, 220), (200, 120), (200, 320)):
        patch = np.asarray(bare)[y - 1 : y + 1, x - 1 : x + 1].astype(int)
        assert (np.abs(patch - frame).max(-1) < 30).any(), (x, y)
    assert near(bare, (200, 220), (128, 128, 128))
    named = np.asarray(viz.boxes(GREY, [(20, 30, 80, 80)], ["cat"], scale=4))
    assert (named[103:117, 82:105] == frame).all(-1).mean() > 0.4  # the tag above the box


def test_a_tag_stays_in_the_picture():
    shown = viz.boxes(GREY, [(150, 0, 160, 20), (0, 90, 500, 590)], ["a long name at the right", "below"])
    assert shown.size == GREY.size
    assert has_colour(shown, viz.distinct_colour(0), pixels=200)


def test_the_grid_shows_every_picture_whole_and_in_order():
    colours = [(10, 0, 0), (0, 20, 0), (0, 0, 30), (40, 40, 0), (0, 50, 50)]
    sizes = [(80, 60), (120, 40), (64, 64), (30, 90), (100, 100)]
    pictures = [Image.new("RGB", size, colour) for size, colour in zip(sizes, colours, strict=True)]
    shown = np.asarray(viz.grid(pictures, columns=3))
    places = []
    for colour, (width, height) in zip(colours, sizes, strict=True):
        rows, columns = np.nonzero((shown == colour).all(-1))
        assert len(rows) == width * height
        places.append((columns.mean(), rows.mean()))
    assert places[0][0] < places[1][0] < places[2][0]
    assert places[3][1] == places[4][1] > places[0][1] == places[1][1] == places[2][1]
    assert abs(places[0][0] - places[3][0]) <= 1  # centred in the column


def test_captions_title_and_heads_make_room_and_stay_inside():
    pictures = [Image.new("RGB", (160, 96), (10, 200, 30))] * 4
    plain = viz.grid(pictures, columns=2)
    words = "a caption with_a_word_that_is_far_too_long_for_the_width_of_one_picture " * 2
    full = viz.grid(
        pictures,
        [words, "", "short", "two\nlines"],
        2,
        words,
        row_heads=["first row with a very long head indeed", "b"],
        column_heads=["left", words],
    )
    assert full.height > plain.height
    assert full.width > plain.width
    paper = np.asarray(full)
    for border in (paper[:4], paper[-4:], paper[:, :4], paper[:, -4:]):
        assert (border == 255).all(), "text runs to the edge"
    assert int((paper == (10, 200, 30)).all(-1).sum()) == 4 * 160 * 96, "text lies on a picture"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x24F), max_size=60), st.integers(20, 200))
def test_wrapped_lines_fit_and_lose_no_letter(text: str, width: int):
    lines = wrap(text, 12, width)
    assert all(text_width(line, 12) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_enlarging_shows_or_hides_pixels():
    checks = Image.fromarray((np.indices((8, 8)).sum(0) % 2 * 255).astype(np.uint8))
    crisp, smooth = (viz.enlarge(checks, 4, how) for how in ("nearest", "lanczos"))
    assert crisp.size == smooth.size == (32, 32)
    assert len(crisp.getcolors() or []) == 2
    assert len(smooth.getcolors() or []) > 2
    assert np.array_equal(np.asarray(crisp)[::4, ::4, 0], np.asarray(checks))


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: viz.heat(GREY, np.full((2, 2), np.nan)), "nan_to_num"),
        (lambda: viz.heat(GREY, np.zeros((2, 2, 3))), "expected numbers"),
        (lambda: viz.heat(GREY, np.zeros((0, 2))), "expected numbers"),
        (lambda: viz.heat(GREY, [["a"]]), "expected numbers"),
        (lambda: viz.heat(GREY, MAP, limits=(1, 0)), "low below high"),
        (lambda: viz.heat(GREY, MAP, opacity=2), "0..1"),
        (lambda: viz.heat(np.zeros((3, 8, 8), np.uint8), MAP), "transpose"),
        (lambda: viz.labels(GREY, LabelMap(np.zeros((2, 2)), {})), "whole numbers"),
        (lambda: viz.labels(GREY, LabelMap(np.zeros((2, 2, 2), int), {})), "whole numbers"),
        (lambda: viz.matches(GREY, GREY, []), "at least one Match"),
        (lambda: viz.matches(GREY, GREY, [((1, 2), (3, 4))]), "at least one Match"),
        (lambda: viz.matches(GREY, GREY, [Match((1, 2), (300, 4))]), "outside the 160 x 96 picture"),
        (lambda: viz.matches(GREY, GREY, [Match((1, float("nan")), (3, 4))]), "source of match 0"),
        (lambda: viz.matches(GREY, GREY, [Match((1, 2), (3, 4))], correct=[]), "one for each"),
        (lambda: viz.points(GREY, {}), "no point"),
        (lambda: viz.points(GREY, {"ear": (1, 2, 3)}), "expected (x, y)"),
        (lambda: viz.points(GREY, {"ear": (-1, 2)}), "point 'ear'"),
        (lambda: viz.boxes(GREY, []), "n at least 1"),
        (lambda: viz.boxes(GREY, [(1, 2, 3)]), "expected (n, 4)"),
        (lambda: viz.boxes(GREY, [(1, 2, -3, 4)]), "out of order"),
        (lambda: viz.boxes(GREY, [(1, 2, 3, 4)], ["a", "b"]), "2 names for 1 boxes"),
        (lambda: viz.grid([]), "at least one"),
        (lambda: viz.grid([GREY], ["a", "b"]), "captions"),
        (lambda: viz.grid([GREY], "a"), "captions"),
        (lambda: viz.grid([GREY], columns=0), "from 1"),
        (lambda: viz.grid([GREY] * 3, columns=2, row_heads=["a"]), "row_heads"),
        (lambda: viz.grid([GREY], gap=-1), "gap is -1"),
        (lambda: viz.matches(GREY, GREY, [Match((1, 2), (3, 4))], gap=-1), "gap is -1"),
        (lambda: viz.enlarge(GREY, 0), "over 0"),
        (lambda: viz.enlarge(GREY, float("nan")), "over 0"),
        (lambda: viz.enlarge(Image.new("L", (3000, 3000)), 64), "smaller scale"),
        (lambda: viz.enlarge(GREY, 2, "cubic"), "lanczos, nearest"),
        (lambda: viz.distinct_colour(1.5), "whole numbers"),
    ],
)
def test_bad_input_is_refused(act: Callable[[], object], says: str):
    with pytest.raises(InputError) as caught:
        act()
    assert says in str(caught.value)


def test_an_unknown_colour_map_is_not_found():
    with pytest.raises(NotFoundError, match="magma, viridis, grey"):
        viz.heat(GREY, MAP, colours="jet")
