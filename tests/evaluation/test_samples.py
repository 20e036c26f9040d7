"""Reference samples on maps of known areas."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from sarseg.errors import InputError
from sarseg.evaluation.judging import Judging, Outcome, evaluate_map
from sarseg.vectors.vectorize import vectorize
from tests.vectors.maps import DEGREES, UTM, blocky, write_map

NAMES = {0: "water", 1: "field", 2: "moor", 3: "road"}


def write_samples(
    path: Path, cols: Sequence[float], rows: Sequence[float], values: Sequence[Any], place: Any
) -> Path:
    """Points at pixel coordinates of a map with the profile ``place``."""
    transform, crs = place.get("transform"), place.get("crs")
    places = [transform * at if transform else at for at in zip(cols, rows, strict=True)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        frame = geopandas.GeoDataFrame(
            {"class": list(values)}, geometry=[shapely.Point(at) for at in places], crs=crs
        )
        frame.to_file(path)
    return path


def judged(landcover: Path, samples: Path, **options: Any) -> Outcome:
    return evaluate_map(landcover, Judging(samples=samples, **options))


@pytest.fixture
def classes() -> NDArray[np.uint8]:
    return blocky(60, 80, seed=3)


@pytest.mark.parametrize("place", [UTM, DEGREES, {}], ids=["UTM", "degrees", "no CRS"])
@pytest.mark.parametrize("by_name", [True, False])
def test_samples_that_agree_give_the_areas_of_the_map(
    tmp_path: Path, classes: NDArray[np.uint8], place: dict[str, Any], by_name: bool
) -> None:
    landcover = write_map(tmp_path / "map.tif", classes, names=NAMES, **place)
    rows, cols = np.random.default_rng(5).integers(0, (60, 80), (200, 2)).T
    ids = classes[rows, cols].tolist()
    values = [NAMES[i].upper() for i in ids] if by_name else ids
    path = write_samples(tmp_path / "points.gpkg", cols + 0.3, rows + 0.8, values, place)
    areas = judged(landcover, path).evaluation.areas
    assert areas is not None
    assert areas.samples == 200
    assert areas.overall_accuracy.value == pytest.approx(1)
    assert [each.samples for each in areas.classes] == np.bincount(ids).tolist()
    shares = np.bincount(classes.ravel()) / classes.size
    assert [each.share.value for each in areas.classes] == pytest.approx(shares, rel=1e-4)
    if not place:
        assert all(each.area_ha.value is None for each in areas.classes)
        assert all(each.mapped_ha is None for each in areas.classes)
        return
    polygons = vectorize(landcover, tmp_path / "map.gpkg").classes
    expected = [each.area_ha for each in polygons]
    assert [each.mapped_ha for each in areas.classes] == pytest.approx(expected, rel=1e-9)
    assert [each.area_ha.value for each in areas.classes] == pytest.approx(expected, rel=1e-9)


def test_what_samples_find_elsewhere_is_moved(tmp_path: Path) -> None:
    """Half the map's field is water; of 100 samples in each class, all in water are right."""
    classes = np.repeat(np.array([[0, 1]], np.uint8), 50, axis=1).repeat(100, axis=0)
    landcover = write_map(tmp_path / "map.tif", classes, names=NAMES, **UTM)
    rows = np.tile(np.arange(100), 2) + 0.5
    cols = np.repeat([10.5, 60.5], 100)
    values = ["water"] * 100 + ["water", "field"] * 50
    path = write_samples(tmp_path / "points.geojson", cols, rows, values, UTM)
    areas = judged(landcover, path).evaluation.areas
    assert areas is not None
    water, field = areas.classes[:2]
    assert water.share.value == pytest.approx(0.75, rel=1e-3)
    # 1.96 * sqrt(W^2 * p (1 - p) / (n - 1))
    assert water.share.margin == pytest.approx(1.96 * 0.5 * np.sqrt(0.25 / 99), rel=1e-3)
    assert field.users_accuracy.value == pytest.approx(0.5)
    assert field.producers_accuracy.value == pytest.approx(1)
    assert water.producers_accuracy.value == pytest.approx(2 / 3, rel=1e-3)


def test_samples_without_a_pixel_are_left_out_and_told(tmp_path: Path) -> None:
    classes = np.zeros((100, 100), np.uint8)
    classes[:50] = 1
    classes[0, 0] = 255
    landcover = write_map(tmp_path / "map.tif", classes, names=NAMES, **UTM)
    cols, rows = [0.5, 5, 6, 5, -0.5], [0.5, 5, 5, 80, 5]
    path = write_samples(tmp_path / "points.gpkg", cols, rows, [1, 1, 1, 0, 1], UTM)
    evaluation = judged(landcover, path).evaluation
    assert evaluation.areas is not None
    assert evaluation.areas.samples == 3
    notes = " ".join(evaluation.notes)
    assert "1 samples lie on no pixel" in notes
    assert "1 samples lie where the map has no class" in notes
    assert "shows water" in notes  # one sample tells no spread
    assert "field: 2 samples; its figures say little." in notes
    assert evaluation.areas.classes[0].users_accuracy.margin is None


@pytest.mark.parametrize(
    ("value", "cols", "message"),
    [
        ("swamp", 5.0, r"'swamp' as its class.*0 water, 1 field"),
        (None, 5.0, "null as its class"),
        ("water", -500.0, "lies on"),
    ],
)
def test_unusable_samples(tmp_path: Path, value: str | None, cols: float, message: str) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(20, 20, classes=2), names=NAMES, **UTM)
    path = write_samples(tmp_path / "p.gpkg", [cols] * 2, [5, 6], [value, "water"], UTM)
    with pytest.raises(InputError, match=message):
        judged(landcover, path)


def test_polygons_are_no_samples(tmp_path: Path) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(20, 20), names=NAMES, **UTM)
    vectorize(landcover, tmp_path / "map.gpkg")
    with pytest.raises(InputError, match="a reference sample is a point"):
        judged(landcover, tmp_path / "map.gpkg", attribute="class_id")


def test_another_attribute_has_to_be_named(tmp_path: Path) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(20, 20), names=NAMES, **UTM)
    path = write_samples(tmp_path / "p.gpkg", [5], [5], [0], UTM)
    with pytest.raises(InputError, match="--samples-attribute"):
        judged(landcover, path, attribute="kind")
