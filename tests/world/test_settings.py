"""Settings and styles: the same picture at every size and shape, decided by the decor alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from innerlight.world import settings, styles
from innerlight.world.draw import fit
from innerlight.world.scene import SETTINGS, STYLES, UNIT, Look, Scene, Thing
from innerlight.world.shapes import Array

EVERY = [(setting, style) for setting in SETTINGS for style in STYLES]
THING = Thing(
    Look("cat", "red", "white", "blue", "plain", 160, 0, "none", (), ()),
    "standing", 0, False, 0, "medium", 5000, 5000, 8000, True,
)  # fmt: skip


def bare(setting: str, style: str = "photo", decor: int = 1, width: int = UNIT, height: int = UNIT) -> Scene:
    """A setting with nothing in it."""
    return Scene(0, width, height, setting, decor, 3600 * height // UNIT, style, (), (), ())


def pixels(height: int, width: int) -> tuple[Array, Array]:
    """Pixel centres, x (1, w) and y (h, 1)."""
    x, y = np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32) + 0.5
    return x[None, :], y[:, None]


def painted(scene: Scene, height: int, width: int) -> Array:
    """The setting of `scene` alone (3, h, w)."""
    return settings.paint(scene, *pixels(height, width), fit(scene, height, width))


def halved(picture: Array) -> Array:
    """Every 2 x 2 pixels averaged."""
    channels, height, width = picture.shape
    return picture.reshape(channels, height // 2, 2, width // 2, 2).mean((2, 4))


def test_every_setting_and_style_is_there():
    assert tuple(settings.SHADOWS) == SETTINGS
    assert tuple(styles.LOOKS) == STYLES


@pytest.mark.parametrize(("setting", "style"), EVERY)
@pytest.mark.parametrize("shape", [(48, 48), (40, 90), (90, 40), (1, 1)])
def test_pictures_are_sound(setting: str, style: str, shape: tuple[int, int]):
    for scene in (
        bare(setting, style),
        bare(setting, style, 2, width=2 * UNIT),
        bare(setting, style, 3, height=3 * UNIT),
    ):
        picture = painted(scene, *shape)
        assert picture.shape == (3, *shape)
        assert picture.dtype == np.float32
        assert np.isfinite(picture).all()
        assert picture.min() >= 0
        assert picture.max() <= 255
        finished = styles.finish(picture, scene, *pixels(*shape), fit(scene, *shape))
        assert finished.shape == picture.shape
        assert finished.dtype == np.float32
        assert np.isfinite(finished).all()


@pytest.mark.parametrize(("setting", "style"), EVERY)
def test_a_larger_picture_is_the_same_in_more_detail(setting: str, style: str):
    for decor in range(4):
        scene = bare(setting, style, decor)
        away = np.abs(halved(painted(scene, 192, 192)) - painted(scene, 96, 96))
        assert away.mean() < 1.5
        assert np.percentile(away, 99) < 20.0


@pytest.mark.parametrize(("setting", "style"), EVERY)
def test_a_picture_wider_or_higher_than_the_canvas_shows_more_of_the_same(setting: str, style: str):
    scene = bare(setting, style)
    middle = painted(scene, 64, 64)
    np.testing.assert_allclose(painted(scene, 64, 128)[:, :, 32:96], middle, atol=0.5)
    np.testing.assert_allclose(painted(scene, 128, 64)[:, 32:96], middle, atol=0.5)


@pytest.mark.parametrize(("setting", "style"), EVERY)
def test_the_decor_decides_and_things_do_not(setting: str, style: str):
    scene = bare(setting, style)
    picture = painted(scene, 64, 64)
    np.testing.assert_array_equal(painted(scene, 64, 64), picture)
    np.testing.assert_array_equal(painted(replace(scene, things=(THING,), order=(0,), seed=5), 64, 64), picture)
    others = [painted(replace(scene, decor=decor), 64, 64) for decor in range(2, 8)]
    assert min(np.abs(other - picture).mean() for other in others) > 1.5


@pytest.mark.parametrize("style", STYLES)
def test_finish_is_local(style: str):
    scene = bare("grass", style)
    x, y = pixels(40, 60)
    frame = fit(scene, 40, 60)
    before = painted(scene, 40, 60)
    after = before.copy()
    after[:, 11, 23] = (250, 20, 30)
    changed = (styles.finish(before, scene, x, y, frame) != styles.finish(after, scene, x, y, frame)).any(0)
    assert changed.sum() == 1
    assert changed[11, 23]
    whole = styles.finish(before, scene, x, y, frame)
    part = styles.finish(before[:, 5:20, 7:30], scene, x[:, 7:30], y[5:20], frame)
    np.testing.assert_array_equal(part, whole[:, 5:20, 7:30])


@pytest.mark.parametrize("setting", SETTINGS)
def test_night_is_darker_and_a_drawing_paler(setting: str):
    light = {style: np.mean([painted(bare(setting, style, d), 32, 32) for d in range(6)]) for style in STYLES}
    assert light["night"] < 0.6 * light["photo"]
    spread = {style: np.mean([painted(bare(setting, style, d), 32, 32).std() for d in range(6)]) for style in STYLES}
    assert spread["drawing"] < spread["photo"]
