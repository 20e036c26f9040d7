"""The picture, looked at pixel by pixel."""

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from PIL import Image
from rasterio.transform import from_origin

from sarseg.report.backdrop import Backdrop
from sarseg.report.quicklook import quicklook, write_quicklook
from sarseg.report.survey import LONGEST, survey_map
from tests.report.maps import COLOURS, UTM, random_map, write_landcover

INK = (29, 39, 51)
DEGREES = {"crs": "EPSG:4326", "transform": from_origin(20, 60.02, 2e-4, 1e-4)}


def drawn(tmp_path: Path, classes: np.ndarray, **place: Any) -> np.ndarray:
    survey = survey_map(write_landcover(tmp_path / "map.tif", classes, **place))
    return np.asarray(quicklook(survey, None, "Title"))


def bar(picture: np.ndarray) -> int:
    """Pixels from one end of the scale bar to the other: the longest run of ink."""
    ink = (picture == INK).all(axis=-1).astype(int)
    edges = np.flatnonzero(np.diff(ink, axis=1, prepend=0, append=0).ravel())
    return int((edges[1::2] - edges[::2]).max())


@pytest.mark.parametrize(
    ("place", "length"), [(UTM, 2000), (DEGREES, 1000)], ids=["metres", "degrees"]
)
def test_the_scale_bar_is_right_on_the_ellipsoid(
    tmp_path: Path, place: dict[str, Any], length: float
) -> None:
    picture = drawn(tmp_path, np.full((400, 400), 1, np.uint8), **place)
    pixels = bar(picture) / 2  # drawn at twice its size
    ends = [place["transform"] * (200 + side * pixels / 2, 200) for side in (-1, 1)]
    to_degrees = pyproj.Transformer.from_crs(place["crs"], 4326, always_xy=True)
    lon, lat = zip(*(to_degrees.transform(*end) for end in ends), strict=True)
    _, _, metres = pyproj.Geod(ellps="WGS84").inv(lon[0], lat[0], lon[1], lat[1])
    assert metres == pytest.approx(length, rel=0.005)


def test_without_a_place_the_bar_counts_pixels(tmp_path: Path) -> None:
    assert bar(drawn(tmp_path, np.full((400, 400), 1, np.uint8))) == 2 * 100


def test_the_bar_of_a_narrow_map_is_wider_than_the_map(tmp_path: Path) -> None:
    """It has the scale of the longer side: 2000 pixels on 1600."""
    assert bar(drawn(tmp_path, np.full((2000, 1), 1, np.uint8))) == 100 * 1600 / 2000


def test_map_and_legend_have_the_colours_of_the_classes(tmp_path: Path) -> None:
    classes = np.full((100, 100), 1, np.uint8)
    classes[:, 50:], classes[:10] = 5, 255
    picture = drawn(tmp_path, classes, **UTM)
    shown = [tuple(each) for each in np.unique(picture.reshape(-1, 3), axis=0).tolist()]
    assert {COLOURS[1], COLOURS[5], (238, 238, 238)} <= set(shown)
    for class_id in (1, 5):
        area = (picture == COLOURS[class_id]).all(axis=-1)
        assert area.sum() >= 800 * 800 * 0.45  # of the map, eight times as large
        assert area[:, -400:].any()  # of the legend


def test_the_scene_shines_through(tmp_path: Path) -> None:
    path = write_landcover(tmp_path / "map.tif", np.full((100, 100), 1, np.uint8), **UTM)
    shades = np.zeros((100, 100), np.uint8)
    shades[:, 50:] = 255
    scene = Backdrop("scene.tif", shades, np.ones((100, 100), bool))
    picture = np.asarray(quicklook(survey_map(path), scene, "Title")).astype(int)
    left, right = picture[500, 200], picture[500, 700]
    assert (right - left > 50).sum() >= 2
    assert left[2] > left[0]


@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 900), (2 * LONGEST, 40), (1700, 1200), (2000, 1), (1, 2000)]
)
def test_maps_of_all_sizes(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = write_landcover(tmp_path / "map.tif", np.full(shape, 1, np.uint8), **UTM)
    target = tmp_path / "map.png"
    write_quicklook(target, survey_map(path), None, "A title " * 40)
    with Image.open(target) as picture:
        assert picture.format == "PNG"
        assert max(picture.size) <= 2200
        assert min(picture.size) >= 100


def test_confidence_is_told(tmp_path: Path) -> None:
    """The text differs, and nothing else."""
    classes, confidence = random_map(40, 60)
    without = quicklook(survey_map(write_landcover(tmp_path / "a.tif", classes)), None, "T")
    beside = quicklook(
        survey_map(write_landcover(tmp_path / "b.tif", classes, confidence)), None, "T"
    )
    assert beside.width == without.width
    assert np.asarray(beside)[:, -350:].sum() != np.asarray(without)[:, -350:].sum()
