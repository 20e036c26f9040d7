import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from rasterio.features import rasterize, shapes
from scipy import ndimage

from sarseg.scenes import osgeo
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.pixel_size import PixelSize
from sarseg.vectors import polygonise as module
from sarseg.vectors.polygonise import polygonise
from sarseg.vectors.regions import Regions
from tests.vectors.maps import DEGREES, blocky, write_map

Classes = NDArray[np.int32]

class_maps = arrays(
    np.int32,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.sampled_from([-1, 0, 1, 2]),
)
needs_osgeo = pytest.mark.skipif(
    not osgeo.available(), reason="GDAL's Python bindings (osgeo) are not installed"
)

SPIRAL = np.array(
    [
        [1, 1, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [1, 1, 1, 1, 1, 0, 1],
        [1, 0, 0, 0, 1, 0, 1],
        [1, 0, 1, 1, 1, 0, 1],
        [1, 0, 0, 0, 0, 0, 1],
        [1, 1, 1, 1, 1, 1, 1],
    ],
    np.int32,
)
# a 1 that touches itself at corners of its hole, and the hole at the border
CHAINS = np.array(
    [
        [0, 1, 1, 1, 1],
        [1, 0, 1, 0, 1],
        [1, 1, 0, 1, 1],
        [1, 0, 1, 0, 1],
        [1, 1, 1, 1, 0],
    ],
    np.int32,
)
# many branches that meet in the last row only
COMB = np.array([[1, 0, 1, -1, 1, 2, 1]] * 5 + [[1] * 7], np.int32)


def cut(classes: NDArray[Any], block: int) -> Iterator[NDArray[Any]]:
    return (classes[row : row + block] for row in range(0, len(classes), block))


def regions_of(classes: Classes, block: int = 4, **options: Any) -> list[Regions]:
    return list(polygonise(cut(classes, block), classes.shape[1], **options))


def joined(regions: list[Regions]) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    """Polygons, class ids and pixels of all."""
    return (
        np.concatenate([np.empty(0, object), *(each.outlines.geometries() for each in regions)]),
        np.concatenate([np.empty(0, np.int64), *(each.class_ids for each in regions)]),
        np.concatenate([np.empty(0, np.int64), *(each.pixels for each in regions)]),
    )


def count_components(classes: Classes) -> int:
    return sum(ndimage.label(classes == value)[1] for value in np.unique(classes[classes >= 0]))


def burnt(polygons: NDArray[Any], values: Any, shape: tuple[int, ...]) -> Classes:
    """-1 where there is no polygon."""
    if not len(polygons):
        return np.full(shape, -1, np.int32)
    pairs = zip(polygons, values, strict=True)
    return np.asarray(rasterize(pairs, out_shape=shape, fill=-1, dtype=np.int32))


def plain(polygons: NDArray[Any]) -> set[str]:
    """Polygons as texts that depend neither on vertices in line nor on where rings begin."""
    simple = shapely.simplify(polygons, 0)
    return set(map(str, shapely.to_wkt(shapely.normalize(simple))))


@settings(deadline=None, max_examples=300)  # the first call compiles
@given(
    classes=class_maps,
    block=st.integers(1, 13),
    held=st.sampled_from([0, 10, 10**6]),
)
@example(SPIRAL, 1, 0)
@example(CHAINS, 1, 0)
@example(CHAINS, 5, 10**6)
@example(COMB, 2, 0)
def test_polygons_are_the_map(classes: Classes, block: int, held: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_HELD", held)
        polygons, class_ids, pixels = joined(regions_of(classes, block))
    assert len(polygons) == count_components(classes)
    assert shapely.is_valid(polygons).all()
    assert (shapely.get_type_id(polygons) == shapely.GeometryType.POLYGON).all()
    np.testing.assert_array_equal(shapely.area(polygons), pixels)
    np.testing.assert_array_equal(burnt(polygons, class_ids, classes.shape), classes)
    assert shapely.coverage_is_valid(polygons)
    # rows count downwards: on the map shells run counter-clockwise, holes clockwise
    assert not shapely.is_ccw(shapely.get_exterior_ring(polygons)).any()
    holes = [ring for polygon in polygons for ring in polygon.interiors]
    assert all(ring.is_ccw for ring in holes)


@settings(deadline=None, max_examples=60)
@given(classes=class_maps, block=st.integers(1, 13), held=st.sampled_from([0, 10, 100]))
@example(COMB, 1, 0)
def test_blocks_and_batches_change_nothing(classes: Classes, block: int, held: int) -> None:
    def found(rows: int) -> list[tuple[str, int, int, float, float, float]]:
        return sorted(
            row
            for each in regions_of(classes, rows, size=size, confidence=percentages)
            if each.confidence is not None
            for row in zip(
                shapely.to_wkt(shapely.normalize(each.outlines.geometries())),
                each.class_ids.tolist(),
                each.pixels.tolist(),
                each.areas.round(6).tolist(),
                each.confidence.mean.tolist(),
                each.confidence.minimum.tolist(),
                strict=True,
            )
        )

    percent = np.arange(classes.size, dtype=np.uint8).reshape(classes.shape) % 100
    size = PixelSize.of(georeference(*classes.shape))

    def percentages(first: int, end: int) -> NDArray[np.uint8]:
        return percent[first:end]

    expected = found(len(classes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_HELD", held)
        patch.setattr(module, "BATCH", 2)
        assert found(block) == expected


@settings(deadline=None, max_examples=60)
@given(classes=class_maps)
def test_regions_come_in_the_order_of_their_first_pixels(classes: Classes) -> None:
    polygons, _, _ = joined(regions_of(classes))
    numbers = burnt(polygons, range(len(polygons)), classes.shape).ravel()
    seen, first = np.unique(numbers[numbers >= 0], return_index=True)
    assert seen.tolist() == list(range(len(polygons)))
    assert (np.diff(first) > 0).all()


@settings(deadline=None, max_examples=100)
@given(classes=class_maps)
@example(CHAINS)
def test_vertices_are_where_outlines_turn_or_meet(classes: Classes) -> None:
    """At each pixel corner, and of every polygon that it touches."""
    padded = np.pad(classes, 1, constant_values=-1)
    upper = padded[:-1, :-1], padded[:-1, 1:]
    lower = padded[1:, :-1], padded[1:, 1:]
    up, down = upper[0] != upper[1], lower[0] != lower[1]
    left, right = upper[0] != lower[0], upper[1] != lower[1]
    edges = np.sum([up, down, left, right], axis=0)
    expected = (edges > 2) | ((up | down) & (left | right))
    beside_none = np.min([*upper, *lower], axis=0) < 0
    found: dict[tuple[int, int], set[bool]] = {}
    for regions in regions_of(classes):
        corners = regions.outlines.corners.astype(int)
        for (col, row), fixed in zip(corners, regions.outlines.fixed, strict=True):
            found.setdefault((row, col), set()).add(bool(fixed))
    assert sorted(found) == sorted(map(tuple, np.argwhere(expected)))
    for (row, col), fixed in found.items():
        assert fixed == {bool(edges[row, col] > 2 or beside_none[row, col])}


@settings(deadline=None, max_examples=100)
@given(classes=class_maps)
@example(SPIRAL)
@example(CHAINS)
def test_polygons_are_those_of_rasterio(classes: Classes) -> None:
    polygons, class_ids, _ = joined(regions_of(classes))
    traced = list(shapes(classes, mask=classes >= 0, connectivity=4))
    for value in range(3):
        expected = [shapely.geometry.shape(shape) for shape, own in traced if own == value]
        assert plain(polygons[class_ids == value]) == plain(np.array(expected, object))


@needs_osgeo
@settings(deadline=None, max_examples=60)
@given(classes=class_maps)
@example(SPIRAL)
@example(CHAINS)
def test_polygons_are_those_of_gdal(classes: Classes) -> None:
    polygons, class_ids, _ = joined(regions_of(classes))
    traced = polygonised_by_gdal(classes)
    for value in range(3):
        expected = np.array([polygon for own, polygon in traced if own == value], object)
        assert plain(polygons[class_ids == value]) == plain(expected)


def polygonised_by_gdal(classes: Classes) -> list[tuple[int, Any]]:
    from osgeo import gdal, gdal_array, ogr

    raster = gdal_array.OpenArray(classes)
    mask = gdal_array.OpenArray((classes >= 0).astype(np.uint8))
    memory = ogr.GetDriverByName("Memory").CreateDataSource("")  # the layer lives in it
    layer = memory.CreateLayer("polygons")
    layer.CreateField(ogr.FieldDefn("class_id", ogr.OFTInteger))
    gdal.Polygonize(raster.GetRasterBand(1), mask.GetRasterBand(1), layer, 0)
    return [
        (feature.GetField(0), shapely.from_wkb(bytes(feature.GetGeometryRef().ExportToWkb())))
        for feature in layer
    ]


@pytest.mark.parametrize("seed", range(3))
def test_maps_of_many_blocks(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Larger maps, that regions leave early and late, at several settings."""
    classes = blocky(400, 300, seed=seed).astype(np.int32)
    classes[100:140, 20:280] = -1
    once, _, _ = joined(regions_of(classes, 400))
    monkeypatch.setattr(module, "_HELD", 500)
    regions = regions_of(classes, 16)
    assert len(regions) > 5
    polygons, class_ids, pixels = joined(regions)
    assert len(polygons) == count_components(classes)
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    np.testing.assert_array_equal(burnt(polygons, class_ids, classes.shape), classes)
    np.testing.assert_array_equal(shapely.area(polygons), pixels)
    assert plain(polygons) == plain(once)


def test_batches_have_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 7)
    classes = np.arange(50, dtype=np.int32).reshape(5, 10)
    assert [len(each.class_ids) for each in regions_of(classes)] == [7] * 7 + [1]
    assert np.concatenate([each.class_ids for each in regions_of(classes)]).tolist() == list(
        range(50)
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (3, 4)])
def test_one_class_is_one_rectangle(shape: tuple[int, int]) -> None:
    height, width = shape
    (regions,) = regions_of(np.full(shape, 9, np.int32), 2)
    (polygon,) = regions.outlines.geometries()
    assert polygon.equals(shapely.box(0, 0, width, height))
    assert len(polygon.exterior.coords) == 5
    assert regions.outlines.fixed.all()
    assert regions.class_ids.tolist() == [9]


@pytest.mark.parametrize("height", [0, 1, 30])
def test_nothing_has_no_regions(height: int) -> None:
    assert regions_of(np.full((height, 4), -1, np.int32)) == []


def test_any_class_id_will_do() -> None:
    ids = [0, 254, 65_535, 2**31 - 1]
    _, found, _ = joined(regions_of(np.array([ids], np.int32)))
    assert found.tolist() == ids


def test_a_hole_may_touch_its_shell_at_a_corner() -> None:
    classes = np.array([[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]], np.int32)
    (regions,) = regions_of(classes)
    assert sorted(regions.class_ids.tolist()) == [0, 0, 0, 1]
    (ring,) = regions.outlines.geometries()[regions.class_ids == 1]
    assert len(ring.interiors) == 2
    assert ring.is_valid


def georeference(height: int, width: int) -> Georeference:
    return Georeference(
        height, width, rasterio.CRS.from_string(DEGREES["crs"]), DEGREES["transform"]
    )


@settings(deadline=None, max_examples=40)
@given(classes=class_maps, data=st.data(), held=st.sampled_from([0, 10**6]))
def test_sums_are_those_of_the_pixels(classes: Classes, data: st.DataObject, held: int) -> None:
    percent = data.draw(
        arrays(np.uint8, classes.shape, elements=st.sampled_from([0, 1, 50, 99, 100, 255]))
    )
    size = PixelSize.of(georeference(*classes.shape))
    assert size is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_HELD", held)
        regions = regions_of(
            classes, 3, size=size, confidence=lambda first, end: percent[first:end]
        )
    polygons, _, pixels = joined(regions)
    if not len(polygons):
        return
    numbers = burnt(polygons, range(len(polygons)), classes.shape)
    inside = numbers >= 0
    numbers = numbers[inside]
    np.testing.assert_array_equal(np.bincount(numbers), pixels)
    areas = np.diff(size.areas(0, len(classes)), axis=1)[inside]
    found = np.concatenate([each.areas for each in regions])
    np.testing.assert_allclose(found, np.bincount(numbers, areas), rtol=1e-9)

    percent, sure = percent[inside], percent[inside] <= 100
    count = np.bincount(numbers, sure)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(numbers, np.where(sure, percent, 0)) / count
    least = [
        np.min(percent[(numbers == number) & sure], initial=255) for number in range(len(polygons))
    ]
    confidence = [each.confidence for each in regions if each.confidence is not None]
    np.testing.assert_allclose(np.concatenate([each.mean for each in confidence]), mean)
    np.testing.assert_array_equal(
        np.concatenate([each.minimum for each in confidence]), np.where(count > 0, least, np.nan)
    )


def test_what_is_not_measured_is_unknown() -> None:
    (regions,) = regions_of(blocky(9, 9).astype(np.int32), 9)
    assert np.isnan(regions.areas).all()
    assert regions.confidence is None


MEMORY = """
import resource
import sys
import numpy as np
from sarseg.vectors.polygonise import polygonise

height, width, block = int(sys.argv[1]), 200, 250
one = np.random.default_rng(0).integers(0, 9, (block // 5, width // 5)).astype(np.int32)
one = np.kron(one, np.ones((5, 5), np.int32))
rows = (np.roll(one, 5 * (step % 40), axis=1) for step in range(height // block))
print(sum(len(each.class_ids) for each in polygonise(rows, width)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def regions_and_kilobytes(height: int) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(height)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    regions, kilobytes = map(int, done.stdout.split())
    return regions, kilobytes


def test_memory_does_not_grow_with_the_height() -> None:
    some, low = regions_and_kilobytes(20_000)
    all_, high = regions_and_kilobytes(200_000)
    assert all_ > 9 * some > 100_000
    # with all turns of the higher raster held at once it is 250 MB more
    assert high - low < 100_000


def test_outlines_are_in_pixels_whatever_the_size_of_pixels(tmp_path: Path) -> None:
    path = write_map(tmp_path / "map.tif", blocky(20, 30), **DEGREES)
    with rasterio.open(path) as dataset:
        size = PixelSize.of(Georeference.of(dataset))
        polygons, _, _ = joined(regions_of(dataset.read(1).astype(np.int32), size=size))
    assert shapely.total_bounds(polygons).tolist() == [0, 0, 30, 20]
