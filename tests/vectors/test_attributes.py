from itertools import pairwise
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize

from sarseg.classes import LandCoverClass
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_crs, to_map
from sarseg.scenes.pixel_size import PixelSize
from sarseg.vectors.attributes import attributes, class_names, dissolved
from sarseg.vectors.formats.features import Features
from sarseg.vectors.polygonise import polygonise
from sarseg.vectors.regions import Geometries, Regions
from sarseg.vectors.smooth import smoothed
from tests.georeferences import gcp_georeference
from tests.scenes.test_pixel_size import (
    HEIGHT,
    NORTH_OF_PIXELS,
    PROFILES,
    WIDTH,
    georeference,
    pixel_areas,
)
from tests.vectors.maps import blocky

LEGEND = [
    LandCoverClass(id=0, name="water", colour=(0, 0, 255)),
    LandCoverClass(id=2, name="wheat", colour=(255, 255, 0)),
]
CLASSES = blocky(HEIGHT, WIDTH).astype(np.int32)
CLASSES[20:30, 40:60] = -1


def regions_of(
    classes: NDArray[np.int32],
    size: PixelSize | None = None,
    percent: NDArray[np.uint8] | None = None,
) -> Regions:
    confidence = None if percent is None else lambda first, end: percent[first:end]
    (regions,) = polygonise(iter([classes]), classes.shape[1], size, confidence)
    return regions


def numbers_of(polygons: Geometries, shape: tuple[int, int]) -> NDArray[np.int32]:
    """The polygon of each pixel, -1 where there is none."""
    pairs = zip(polygons, range(len(polygons)), strict=True)
    return np.asarray(rasterize(pairs, out_shape=shape, fill=-1, dtype=np.int32))


def features_of(percent: NDArray[np.uint8] | None = None) -> Features:
    size = PixelSize.of(georeference(PROFILES["degrees"]))
    regions = regions_of(CLASSES, size, percent)
    return Features(regions.outlines, attributes(regions, regions.outlines, LEGEND, size))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
def test_areas_are_the_sums_of_the_pixels_on_the_ellipsoid(profile: dict[str, Any]) -> None:
    place = georeference(profile)
    size = PixelSize.of(place)
    regions = regions_of(CLASSES, size)
    numbers = numbers_of(regions.outlines.geometries(), CLASSES.shape)
    inside = numbers >= 0
    expected = np.bincount(numbers[inside], pixel_areas(place)[inside]) / 1e4
    fields = attributes(regions, regions.outlines, LEGEND, size)
    np.testing.assert_allclose(fields["area_ha"], expected, rtol=1e-6)
    np.testing.assert_array_equal(fields["pixels"], np.bincount(numbers[inside]))


def on_earth(polygons: Geometries, place: Georeference) -> tuple[Geometries, pyproj.Geod]:
    """Polygons in pixels as polygons of longitude and latitude, whose edges follow the grid."""
    crs = map_crs(place)
    assert crs is not None
    assert crs.geodetic_crs is not None
    lonlat = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    degrees = np.degrees(crs.geodetic_crs.axis_info[0].unit_conversion_factor)

    def placed(corners: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(lonlat.transform(*to_map(corners, place).T)) * degrees

    geod = crs.get_geod()
    assert geod is not None
    return shapely.transform(shapely.segmentize(polygons, 1), placed), geod


@pytest.mark.parametrize("name", ["gcps", *sorted(PROFILES.keys() - NORTH_OF_PIXELS)])
@pytest.mark.parametrize("smooth", [False, True])
def test_perimeters_are_those_of_geodesics(name: str, smooth: bool) -> None:
    place = gcp_georeference() if name == "gcps" else georeference(PROFILES[name])
    size = PixelSize.of(place)
    classes = blocky(place.height, place.width).astype(np.int32)
    regions = regions_of(classes, size)
    outlines = smoothed(regions.outlines) if smooth else regions.outlines
    found = attributes(regions, outlines, LEGEND, size)["perimeter_m"]
    polygons, geod = on_earth(outlines.geometries(), place)
    expected = [geod.geometry_length(shapely.boundary(polygon)) for polygon in polygons]
    assert any(len(polygon.interiors) for polygon in polygons)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_without_the_size_of_pixels_areas_and_perimeters_are_unknown() -> None:
    regions = regions_of(CLASSES)
    fields = attributes(regions, regions.outlines, LEGEND, None)
    assert np.isnan(fields["area_ha"]).all()
    assert np.isnan(fields["perimeter_m"]).all()
    assert fields["pixels"].sum() == (CLASSES >= 0).sum()


def test_fields_and_their_types() -> None:
    kinds = {name: values.dtype.kind for name, values in features_of().fields.items()}
    without = {"class_id": "i", "class_name": "O", "area_ha": "f", "perimeter_m": "f"}
    without |= {"pixels": "i"}
    assert kinds == without
    percent = np.zeros(CLASSES.shape, np.uint8)
    kinds = {name: values.dtype.kind for name, values in features_of(percent).fields.items()}
    assert kinds == without | {"confidence_mean": "f", "confidence_min": "f"}


def test_names_come_from_the_legend_or_from_the_number() -> None:
    assert class_names([2, 10, 4000], LEGEND) == {2: "wheat", 10: "class 10", 4000: "class 4000"}
    regions = regions_of(np.array([[2, 10, 4000, 2]], np.int32))
    fields = attributes(regions, regions.outlines, LEGEND, None)
    assert fields["class_id"].tolist() == [2, 10, 4000, 2]
    assert fields["class_name"].tolist() == ["wheat", "class 10", "class 4000", "wheat"]


def test_dissolved_are_one_a_class() -> None:
    features = features_of()
    together = dissolved(features)
    ids = features.fields["class_id"]
    assert together.fields["class_id"].tolist() == [0, 1, 2, 3]
    assert together.fields["class_name"].tolist() == ["water", "class 1", "wheat", "class 3"]
    shapes, parts = features.polygons.geometries(), together.polygons.geometries()
    assert together.parts is not None
    assert np.diff(together.parts).tolist() == np.bincount(ids).tolist()
    for class_id, (first, end) in enumerate(pairwise(together.parts)):
        geometry = shapely.multipolygons(parts[first:end])
        assert geometry.is_valid
        own = ids == class_id
        assert shapely.area(geometry) == (class_id == CLASSES).sum()
        assert geometry.equals(shapely.union_all(shapes[own]))
        assert together.fields["pixels"][class_id] == (class_id == CLASSES).sum()
        for name in ("area_ha", "perimeter_m"):
            expected = features.fields[name][own].sum()
            assert together.fields[name][class_id] == pytest.approx(expected, rel=1e-12)


def test_the_confidence_of_dissolved_is_that_of_their_pixels() -> None:
    percent = np.random.default_rng(0).integers(30, 101, CLASSES.shape, np.uint8)
    fields = dissolved(features_of(percent)).fields
    for class_id in range(4):
        own = percent[class_id == CLASSES]
        assert fields["confidence_mean"][class_id] == pytest.approx(own.mean(), rel=1e-12)
        assert fields["confidence_min"][class_id] == own.min()


def test_the_confidence_of_dissolved_leaves_polygons_out_of_which_none_is_known() -> None:
    classes = np.array([[0, 1, 0, 0, 0, 1, 0, 2]], np.int32)
    percent = np.array([[10, 255, 40, 40, 70, 80, 255, 255]], np.uint8)
    regions = regions_of(classes, None, percent)
    fields = attributes(regions, regions.outlines, LEGEND, None)
    means = [10, np.nan, 50, 80, np.nan, np.nan]
    np.testing.assert_array_equal(fields["confidence_mean"], means)
    np.testing.assert_array_equal(fields["confidence_min"], [10, np.nan, 40, 80, np.nan, np.nan])
    fields = dissolved(Features(regions.outlines, fields)).fields
    np.testing.assert_array_equal(fields["confidence_mean"], [40, 80, np.nan])
    np.testing.assert_array_equal(fields["confidence_min"], [10, 80, np.nan])
