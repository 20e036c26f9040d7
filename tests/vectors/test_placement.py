from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine, from_bounds
from rasterio.warp import Resampling, reproject

from sarseg.scenes import osgeo
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import gcp_order, map_bounds, to_map
from sarseg.vectors import placement
from sarseg.vectors.polygonise import polygonise
from sarseg.vectors.regions import Geometries, Polygons, Regions
from sarseg.vectors.simplify import simplified
from sarseg.vectors.smooth import smoothed
from tests.georeferences import HEIGHT, WIDTH, bent, gcp_georeference
from tests.vectors.maps import UTM, blocky, write_map

CLASSES = blocky(HEIGHT, WIDTH)
CLASSES[40:90, 100:180] = 255  # nodata
FEWER_POINTS = {4: (0, 6, 28, 34), 5: (0, 6, 17, 28, 34), 6: (0, 3, 6, 17, 28, 34)}


def place(geometries: Geometries, georeference: Georeference) -> Geometries:
    return placement.place(Polygons.of(geometries), georeference).geometries()


def few_points(number: int) -> Georeference:
    whole = gcp_georeference()
    return replace(whole, gcps=tuple(whole.gcps[at] for at in FEWER_POINTS[number]))


def regions() -> Regions:
    rows = np.where(CLASSES == 255, -1, CLASSES.astype(np.int32))
    (found,) = polygonise(iter([rows]), WIDTH)
    return found


def test_bent_edges_stay_within_a_hundredth_of_a_pixel_of_their_curve() -> None:
    (placed,) = place(np.array([shapely.box(0, 0, WIDTH, HEIGHT)]), gcp_georeference())
    along = np.linspace(0, WIDTH, 1001)
    curve = bent(along, np.zeros_like(along))
    distances = shapely.distance(placed.exterior, shapely.points(curve))
    assert distances.max() < 0.01 * 1.6e-4
    assert placed.is_valid


def test_affine_transforms_place_the_vertices_alone() -> None:
    georeference = Georeference(HEIGHT, WIDTH, None, UTM["transform"])
    shapes = regions().outlines.geometries()
    left, top = UTM["transform"].c, UTM["transform"].f
    expected = shapely.transform(shapes, lambda corners: corners * [20, -20] + [left, top])
    assert (shapely.to_wkb(place(shapes, georeference)) == shapely.to_wkb(expected)).all()


@pytest.mark.parametrize("number", [None, 4])
def test_a_coverage_placed_by_control_points_remains_valid(number: int | None) -> None:
    georeference = gcp_georeference() if number is None else few_points(number)
    shapes = simplified(smoothed(regions().outlines).geometries(), 2)
    placed = place(shapes, georeference)
    assert shapely.is_valid(placed).all()
    assert shapely.coverage_is_valid(placed)


def test_the_order_is_that_of_the_polynomial_that_places() -> None:
    """A polynomial of that order, fitted by least squares, leads to the same places."""
    corners = np.random.default_rng(0).uniform(0, [WIDTH, HEIGHT], (50, 2))
    for georeference in (*map(few_points, FEWER_POINTS), gcp_georeference()):
        order = gcp_order(georeference)
        assert order is not None
        points = np.array([(point.col, point.row) for point in georeference.gcps])
        ground = np.array([(point.x, point.y) for point in georeference.gcps])
        fitted, *_ = np.linalg.lstsq(_terms(points, order), ground, rcond=None)
        placed = to_map(corners, georeference)
        np.testing.assert_allclose(placed, _terms(corners, order) @ fitted, rtol=0, atol=1e-9)
    assert [gcp_order(few_points(number)) for number in (4, 5, 6)] == [1, 1, 2]


def test_there_is_no_order_without_control_points() -> None:
    assert gcp_order(Georeference(HEIGHT, WIDTH, None, Affine(1, 0, 0, 0, 1, 0))) is None
    assert gcp_order(Georeference(HEIGHT, WIDTH, None, None)) is None


@pytest.mark.parametrize("number", [None, 4, 5, 6])
@pytest.mark.parametrize(
    "engine",
    [
        "rasterio",
        pytest.param(
            "osgeo",
            marks=pytest.mark.skipif(
                not osgeo.available(), reason="GDAL's Python bindings (osgeo) are not installed"
            ),
        ),
    ],
)
def test_polygons_agree_with_the_warped_map(
    tmp_path: Path, engine: str, number: int | None
) -> None:
    """They differ at most where a pixel's centre is by a border: GDAL fits there and back apart."""
    georeference = gcp_georeference() if number is None else few_points(number)
    path = write_map(tmp_path / "map.tif", CLASSES, **georeference.profile())
    height, width = 230, 380
    grid = from_bounds(*map_bounds(georeference), width, height)
    warp = _warped_by_osgeo if engine == "osgeo" else _warped_by_rasterio
    warped = warp(path, grid, (height, width))

    found = regions()
    placed = place(found.outlines.geometries(), georeference)
    burnt = rasterize(
        zip(placed, found.class_ids, strict=True),
        out_shape=(height, width),
        transform=grid,
        fill=255,
        dtype="uint8",
    )
    different = np.argwhere(burnt != warped)
    centres = np.column_stack(grid @ (different[:, 1] + 0.5, different[:, 0] + 0.5))
    borders = shapely.union_all(shapely.boundary(placed))
    assert len(different) < 0.02 * burnt.size
    assert shapely.distance(shapely.points(centres), borders).max(initial=0) < 0.06 * 1.6e-4
    assert (burnt != 255).mean() > 0.6


def _warped_by_rasterio(path: Path, grid: Affine, shape: tuple[int, int]) -> NDArray[np.uint8]:
    warped = np.full(shape, 255, np.uint8)
    with rasterio.open(path) as dataset:
        points, crs = dataset.gcps
        options: dict[str, Any] = {"src_nodata": 255, "dst_nodata": 255, "tolerance": 0.0}
        reproject(
            dataset.read(1),
            warped,
            gcps=points,
            src_crs=crs,
            dst_crs=crs,
            dst_transform=grid,
            resampling=Resampling.nearest,
            **options,
        )
    return warped


def _warped_by_osgeo(path: Path, grid: Affine, shape: tuple[int, int]) -> NDArray[np.uint8]:
    from osgeo import gdal

    gdal.UseExceptions()
    right, bottom = grid @ (shape[1], shape[0])
    options = {"width": shape[1], "height": shape[0], "errorThreshold": 0, "format": "MEM"}
    bounds = (grid.c, bottom, right, grid.f)
    warped = gdal.Warp("", str(path), outputBounds=bounds, dstNodata=255, **options)
    values: NDArray[np.uint8] = warped.GetRasterBand(1).ReadAsArray()
    return values


def _terms(points: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    col, row = points.T
    terms = [col**i * row**j for i in range(order + 1) for j in range(order + 1 - i)]
    return np.column_stack(terms)
