"""Angles, heights and masks beside the backscatter of a scene."""

from pathlib import Path

import numpy as np
import pytest

from sarseg.errors import InputError
from sarseg.scenes.auxiliary import AUXILIARY, LAYOVER_SHADOW, is_auxiliary
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.window import Window
from tests.rasters import speckle, write_raster

WHOLE = Window(0, 0, 8, 9)


def test_names() -> None:
    assert all(map(is_auxiliary, AUXILIARY))
    assert not is_auxiliary(LAYOVER_SHADOW)
    assert not is_auxiliary("VV")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint16", "uint8"])
def test_a_file_beside_the_scene(tmp_path: Path, dtype: str) -> None:
    """Its numbers stay as they are: they have no unit of backscatter, and 0 m is a height."""
    heights = np.arange(72).reshape(8, 9).astype(dtype)
    heights[:, 0] = 0
    scene_file = write_raster(tmp_path / "a_vv.tif", speckle(8, 9))
    beside = write_raster(tmp_path / "dem.tif", heights)
    with Scene.open([scene_file, beside]) as scene:
        assert (scene.bands, scene.unit) == (("VV", "elevation"), "intensity")
        values, valid = scene.read(WHOLE, [1, 0])
    np.testing.assert_array_equal(values[0], heights)
    np.testing.assert_array_equal(values[1], speckle(8, 9))
    assert valid.all()


def test_the_nodata_value_of_one_takes_the_pixel_out_of_both(tmp_path: Path) -> None:
    angles = np.full((8, 9), 35.0, np.float32)
    angles[1, 2] = -9999
    scene_file = write_raster(tmp_path / "a_vv.tif", speckle(8, 9))
    beside = write_raster(tmp_path / "a_incidence_angle.tif", angles, nodata=-9999.0)
    with Scene.open([scene_file, beside]) as scene:
        assert not scene.read(WHOLE, [0, 1])[1][1, 2]
        assert scene.read(WHOLE, [0])[1].all()


def test_a_mask_only_invalidates(tmp_path: Path) -> None:
    marks = np.zeros((8, 9), np.uint8)
    marks[0], marks[3, 4] = 1, 2
    files = [
        write_raster(tmp_path / "a_vv.tif", speckle(8, 9)),
        write_raster(tmp_path / "a_layover_shadow_mask.tif", marks),
    ]
    with Scene.open(files) as scene:
        assert scene.bands == ("VV",)
        np.testing.assert_array_equal(scene.read(WHOLE, [0])[1], marks == 0)
    with Scene.open(files, Reading(keep_layover=True)) as scene:
        assert scene.read(WHOLE, [0])[1].all()
    with Scene.open(files, Reading(bands=("VV", "layover_shadow"))) as scene:
        np.testing.assert_array_equal(scene.read(WHOLE, [0])[1], marks == 0)


def test_names_given_decide_what_is_auxiliary(tmp_path: Path) -> None:
    values = np.stack([speckle(8, 9), np.full((8, 9), 40, np.float32)])
    values[1, :, 0] = 0
    path = write_raster(tmp_path / "s.tif", values)
    with Scene.open([path], Reading(bands=("VH", "local_incidence_angle"))) as scene:
        assert scene.bands == ("VH", "local_incidence_angle")
        assert scene.read(WHOLE, [0, 1])[1].all()


def test_a_scene_needs_backscatter(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "dem.tif", speckle(8, 9))
    with pytest.raises(InputError, match=r"No band of backscatter was given, only elevation"):
        Scene.open([path])
