"""The scene on the pixels of the map."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine, from_origin

from sarseg.errors import InputError
from sarseg.report.backdrop import Backdrop, backdrop
from sarseg.report.survey import LONGEST, survey_map
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import to_map
from sarseg.scenes.reader import Scene
from tests.georeferences import gcp_georeference
from tests.rasters import speckle, write_raster
from tests.report.maps import UTM, random_map, write_landcover


def below(folder: Path, values: np.ndarray, profile: dict[str, Any], **of_map: Any) -> Backdrop:
    """The scene ``values`` below a map of the shape and place ``of_map``."""
    shape = of_map.pop("shape")
    landcover = write_landcover(folder / "map.tif", random_map(*shape)[0], **of_map)
    scene = write_raster(folder / "scene_vv.tif", values, **profile)
    with Scene.open([scene]) as opened:
        return backdrop(opened, survey_map(landcover))


def ordered(shades: np.ndarray, values: np.ndarray) -> bool:
    """True where brighter is brighter."""
    return bool((np.diff(shades.ravel()[np.argsort(values.ravel())].astype(int)) >= 0).all())


@pytest.mark.parametrize("place", [{}, UTM])
def test_a_scene_of_the_same_pixels(tmp_path: Path, place: dict[str, Any]) -> None:
    values = speckle(40, 50)
    values[:10] = np.nan
    found = below(tmp_path, values, place, shape=(40, 50), **place)
    assert found.name == "scene_vv.tif"
    assert not found.known[:10].any()
    assert found.known[10:].all()
    assert ordered(found.shades[10:], values[10:])
    assert (found.shades[10:].min(), found.shades[10:].max()) == (0, 255)


def test_a_map_of_a_part_of_the_scene(tmp_path: Path) -> None:
    values = speckle(60, 80)
    west, north = UTM["transform"] * (10, 20)
    part = {"crs": UTM["crs"], "transform": from_origin(west, north, 20, 20)}
    found = below(tmp_path, values, UTM, shape=(30, 40), **part)
    assert ordered(found.shades, values[20:50, 10:50])


def test_a_scene_that_covers_a_part_of_the_map(tmp_path: Path) -> None:
    west, north = UTM["transform"] * (10, 20)
    part = {"crs": UTM["crs"], "transform": from_origin(west, north, 20, 20)}
    found = below(tmp_path, speckle(10, 10), part, shape=(60, 80), **UTM)
    assert found.known[20:30, 10:20].all()
    assert found.known.sum() == 100


def test_a_scene_in_another_crs(tmp_path: Path) -> None:
    """One bright pixel is found where it lies, through control points."""
    georeference = gcp_georeference()
    values = np.full((200, 300), 0.01, np.float32)
    values[100:104, 150:154] = 1
    profile = georeference.profile()
    profile = {key: profile[key] for key in ("gcps", "crs")}
    west, north, east, south = 73.2, 30.41, 73.27, 30.36
    grid = {"crs": "EPSG:4326", "transform": from_origin(west, north, 1e-4, 1e-4)}
    shape = (round((north - south) / 1e-4), round((east - west) / 1e-4))
    found = below(tmp_path, values, profile, shape=shape, **grid)
    rows, cols = np.nonzero(found.shades > 128)
    with rasterio.open(tmp_path / "scene_vv.tif") as opened:
        ((x, y),) = to_map(np.array([[152.0, 102.0]]), Georeference.of(opened))
    assert (cols.mean() + 0.5) * 1e-4 + west == pytest.approx(x, abs=1e-4)
    assert north - (rows.mean() + 0.5) * 1e-4 == pytest.approx(y, abs=1e-4)


def test_large_scenes_are_averaged(tmp_path: Path) -> None:
    height, width = 5, 2 * LONGEST - 1
    values = speckle(height, width)
    found = below(tmp_path, values, UTM, shape=(height, width), **UTM)
    means = [
        [values[row : row + 2, col : col + 2].mean(dtype=float) for col in range(0, width, 2)]
        for row in range(0, height, 2)
    ]
    assert found.shades.shape == (3, LONGEST)
    assert ordered(found.shades, np.array(means))


def test_a_finer_scene_is_averaged(tmp_path: Path) -> None:
    values = speckle(40, 80)
    finer = {"crs": UTM["crs"], "transform": UTM["transform"] * Affine.scale(0.25)}
    found = below(tmp_path, values, finer, shape=(10, 20), **UTM)
    means = values.reshape(10, 4, 20, 4).mean(axis=(1, 3), dtype=float)
    assert ordered(found.shades, means)


@pytest.mark.parametrize(
    ("scene", "of_map", "message"),
    [
        ({}, UTM, "without a CRS of the scene"),
        (UTM, {}, "without a CRS of the map"),
        (
            {"crs": UTM["crs"], "transform": from_origin(100_000, 100_000, 20, 20)},
            UTM,
            "does not overlap the map",
        ),
    ],
)
def test_a_scene_that_cannot_be_placed(
    tmp_path: Path, scene: dict[str, Any], of_map: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        below(tmp_path, speckle(9, 9), scene, shape=(8, 9), **of_map)
