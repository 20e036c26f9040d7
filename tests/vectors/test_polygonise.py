from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy import ndimage

from sarseg.errors import InputError
from sarseg.scenes import osgeo
from sarseg.vectors.polygonise import Engine, Regions, default_engine, polygonise
from tests.vectors.maps import blocky, write_map

NODATA = 255
ENGINES = [
    "rasterio",
    pytest.param(
        "osgeo",
        marks=pytest.mark.skipif(
            not osgeo.available(), reason="GDAL's Python bindings (osgeo) are not installed"
        ),
    ),
]
class_maps = arrays(
    np.uint8,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.sampled_from([0, 1, 2, NODATA]),
).filter(lambda classes: bool((classes != NODATA).any()))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("polygonise") / "map.tif"


def regions_of(path: Path, engine: Engine) -> Regions:
    with rasterio.open(path) as dataset:
        return polygonise(dataset, engine)


def count_components(classes: NDArray[np.uint8]) -> int:
    return sum(
        ndimage.label(classes == value)[1] for value in np.unique(classes) if value != NODATA
    )


@pytest.mark.parametrize("engine", ENGINES)
@settings(deadline=None, max_examples=150)
@given(classes=class_maps)
def test_polygons_are_the_map(path: Path, engine: Engine, classes: NDArray[np.uint8]) -> None:
    regions = regions_of(write_map(path, classes), engine)
    assert len(regions.class_ids) == count_components(classes)
    assert shapely.is_valid(regions.outlines).all()
    again = rasterize(
        zip(regions.outlines, regions.class_ids, strict=True),
        out_shape=classes.shape,
        fill=NODATA,
        dtype=np.uint8,
    )
    np.testing.assert_array_equal(again, classes)
    areas = shapely.area(regions.outlines)
    for value in np.unique(regions.class_ids):
        assert areas[regions.class_ids == value].sum() == (classes == value).sum()


@pytest.mark.parametrize("engine", ENGINES)
@settings(deadline=None, max_examples=40)
@given(classes=class_maps)
def test_polygons_come_in_the_order_of_their_first_pixels(
    path: Path, engine: Engine, classes: NDArray[np.uint8]
) -> None:
    regions = regions_of(write_map(path, classes), engine)
    numbers = rasterize(
        zip(regions.outlines, range(len(regions.outlines)), strict=True),
        out_shape=classes.shape,
        fill=-1,
        dtype=np.int32,
    ).ravel()
    seen, first = np.unique(numbers[numbers >= 0], return_index=True)
    assert seen.tolist() == list(range(len(regions.outlines)))
    assert (np.diff(first) > 0).all()


@pytest.mark.skipif(
    not osgeo.available(), reason="GDAL's Python bindings (osgeo) are not installed"
)
@settings(deadline=None, max_examples=100)
@given(classes=class_maps)
def test_both_engines_give_the_same_polygons(path: Path, classes: NDArray[np.uint8]) -> None:
    write_map(path, classes)
    one, other = regions_of(path, "osgeo"), regions_of(path, "rasterio")
    np.testing.assert_array_equal(one.class_ids, other.class_ids)
    assert (shapely.normalize(one.outlines) == shapely.normalize(other.outlines)).all()


def test_the_engine_is_osgeo_where_it_is_installed() -> None:
    assert default_engine() == ("osgeo" if osgeo.available() else "rasterio")


@pytest.mark.parametrize("engine", ENGINES)
def test_blocks_of_the_file_do_not_cut_polygons(path: Path, engine: Engine) -> None:
    classes = np.full((70, 90), 3, np.uint8)
    write_map(path, classes, tiled=True, blockxsize=16, blockysize=16)
    (outline,) = regions_of(path, engine).outlines
    assert outline.equals(shapely.box(0, 0, 90, 70))
    assert len(outline.exterior.coords) == 5


@pytest.mark.parametrize("engine", ENGINES)
def test_outlines_are_in_pixels_whatever_the_georeferencing(path: Path, engine: Engine) -> None:
    transform = rasterio.Affine(3, 4, 1000, 4, -3, 2000)
    write_map(path, blocky(20, 30), crs="EPSG:32631", transform=transform)
    outlines = regions_of(path, engine).outlines
    assert shapely.total_bounds(outlines).tolist() == [0, 0, 30, 20]


@pytest.mark.parametrize("engine", ENGINES)
def test_holes_that_touch_the_shell_stay_holes(path: Path, engine: Engine) -> None:
    classes = np.array(
        [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]], np.uint8
    )  # the zeros touch each other at corners only
    regions = regions_of(write_map(path, classes), engine)
    assert sorted(regions.class_ids.tolist()) == [0, 0, 0, 1]
    assert shapely.is_valid(regions.outlines).all()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("dtype", "ids"),
    [("uint8", [0, 95]), ("uint16", [10, 65000]), ("int16", [0, 300]), ("int32", [7, 2**31 - 1])],
)
def test_ids_of_other_legends_are_kept(
    path: Path, engine: Engine, dtype: str, ids: list[int]
) -> None:
    write_map(path, np.array([ids], dtype), nodata=None)
    assert regions_of(path, engine).class_ids.tolist() == ids


@pytest.mark.parametrize("engine", ENGINES)
def test_zero_is_a_class_unless_the_file_says_otherwise(path: Path, engine: Engine) -> None:
    classes = np.array([[0, 1]], np.uint8)
    assert regions_of(write_map(path, classes, nodata=None), engine).class_ids.tolist() == [0, 1]
    assert regions_of(write_map(path, classes, nodata=0), engine).class_ids.tolist() == [1]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_mask_band_leaves_pixels_out(path: Path, engine: Engine) -> None:
    write_map(path, np.array([[4, 4, 5]], np.uint8), nodata=None)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.array([[255, 0, 255]], np.uint8))
    regions = regions_of(path, engine)
    assert regions.class_ids.tolist() == [4, 5]
    assert shapely.area(regions.outlines).tolist() == [1, 1]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (np.full((3, 3), 255, np.uint8), "no pixel with a class"),
        (np.ones((3, 3), np.float32), "float32 numbers and is no class raster"),
        (np.ones((3, 3), np.complex64), "complex64 numbers and is no class raster"),
        (np.array([[1, -9999]], np.int16), "holds the class -9999"),
    ],
)
def test_what_is_no_class_raster_is_refused(
    path: Path, engine: Engine, classes: NDArray[np.uint8], message: str
) -> None:
    write_map(path, classes, nodata=255 if classes.dtype == np.uint8 else None)
    with pytest.raises(InputError, match=message) as error:
        regions_of(path, engine)
    assert path.name in str(error.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_damaged_file_is_refused(path: Path, engine: Engine) -> None:
    write_map(path, blocky(300, 300), tiled=True, compress="deflate")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="damaged"):
        regions_of(path, engine)
