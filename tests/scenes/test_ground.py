from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine, GCPTransformer

from sarseg.scenes import osgeo
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import has_inverse, map_bounds, map_crs, to_map, to_pixels
from tests.georeferences import HEIGHT, WIDTH, bent, gcp_georeference
from tests.vectors.maps import blocky, write_map


def corners_everywhere() -> NDArray[np.float64]:
    cols, rows = np.meshgrid(np.arange(0, WIDTH + 1, 25.0), np.arange(0, HEIGHT + 1, 20.0))
    return np.column_stack([cols.ravel(), rows.ravel()])


def test_affine_transforms_place_pixel_corners() -> None:
    transform = Affine(3, 4, 1000, 5, -6, 2000)
    georeference = Georeference(HEIGHT, WIDTH, CRS.from_epsg(32631), transform)
    corners = corners_everywhere()
    expected = [transform @ tuple(corner) for corner in corners]
    np.testing.assert_allclose(to_map(corners, georeference), expected, rtol=1e-15)


def test_without_georeferencing_the_map_is_the_pixel_grid() -> None:
    georeference = Georeference(HEIGHT, WIDTH, None, None)
    corners = corners_everywhere()
    np.testing.assert_array_equal(to_map(corners, georeference), corners)
    assert map_crs(georeference) is None


def test_gcps_place_by_a_polynomial_of_second_order() -> None:
    georeference = gcp_georeference()
    corners = corners_everywhere()
    np.testing.assert_allclose(
        to_map(corners, georeference), bent(*corners.T), rtol=0, atol=1e-6 * 2e-4
    )
    crs = map_crs(georeference)
    assert crs is not None
    assert crs.to_epsg() == 4326


@pytest.mark.skipif(
    not osgeo.available(), reason="GDAL's Python bindings (osgeo) are not installed"
)
def test_gcps_agree_with_gdal_itself(tmp_path: Path) -> None:
    from osgeo import gdal

    gdal.UseExceptions()
    georeference = gcp_georeference()
    path = write_map(tmp_path / "map.tif", blocky(HEIGHT, WIDTH), **georeference.profile())
    with rasterio.open(path) as dataset:
        placed = to_map(corners_everywhere(), Georeference.of(dataset))
    transformer = gdal.Transformer(gdal.Open(str(path)), None, [])
    inverse, _ = transformer.TransformPoints(True, placed.tolist())  # the way gdalwarp goes
    forward, _ = transformer.TransformPoints(False, corners_everywhere().tolist())
    np.testing.assert_allclose(placed, np.array(forward)[:, :2], rtol=0, atol=1e-6 * 1.6e-4)
    np.testing.assert_allclose(np.array(inverse)[:, :2], corners_everywhere(), rtol=0, atol=0.05)


coefficients = st.floats(-50, 50).filter(lambda value: abs(value) > 1e-3)
points = st.lists(
    st.tuples(st.floats(-WIDTH, 2 * WIDTH), st.floats(-HEIGHT, 2 * HEIGHT)), min_size=1, max_size=9
)


@given(coefficients, coefficients, coefficients, coefficients, st.floats(-1e7, 1e7), points)
def test_affine_transforms_lead_there_and_back(
    a: float, b: float, d: float, e: float, origin: float, corners: list[tuple[float, float]]
) -> None:
    assume(abs(a * e - b * d) > 0.01 * max(abs(a * e), abs(b * d)))  # not folded to a line
    transform = Affine(a, b, origin, d, e, -origin)
    georeference = Georeference(HEIGHT, WIDTH, CRS.from_epsg(32631), transform)
    there = to_map(np.array(corners), georeference)
    np.testing.assert_allclose(to_pixels(there, georeference), corners, rtol=0, atol=1e-3)


@settings(max_examples=50, deadline=None)
@given(
    st.floats(-0.5, 0.5),
    st.floats(-0.5, 0.5),
    st.floats(-5e-9, 5e-9),
    st.lists(st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT)), min_size=1, max_size=9),
)
def test_gcps_lead_there_and_back(
    slant: float, turn: float, bend: float, corners: list[tuple[float, float]]
) -> None:
    cols, rows = (grid.ravel() for grid in np.mgrid[0 : WIDTH + 1 : 60, 0 : HEIGHT + 1 : 40])
    x = 70 + 2e-4 * (cols + slant * rows) + bend * cols * (cols + rows)
    y = 30 - 1e-4 * (rows + turn * cols) - bend * rows**2
    points = [GroundControlPoint(*each) for each in zip(rows, cols, x, y, strict=True)]
    georeference = Georeference(HEIGHT, WIDTH, None, None, tuple(points), CRS.from_epsg(4326))
    there = to_map(np.array(corners), georeference)
    np.testing.assert_allclose(to_pixels(there, georeference), corners, rtol=0, atol=1e-3)


def test_the_way_back_by_gcps_is_better_than_gdals_alone() -> None:
    georeference, corners = gcp_georeference(), corners_everywhere()
    there = to_map(corners, georeference)
    with GCPTransformer(list(georeference.gcps)) as transformer:
        rows, cols = transformer.rowcol(*there.T, op=lambda value: value)
    assert np.abs(np.column_stack([cols, rows]) - corners).max() > 1e-3
    assert np.abs(to_pixels(there, georeference) - corners).max() < 1e-5


def test_without_georeferencing_pixels_are_the_map() -> None:
    corners = corners_everywhere()
    np.testing.assert_array_equal(
        to_pixels(corners, Georeference(HEIGHT, WIDTH, None, None)), corners
    )


def test_what_lies_on_a_line_has_no_inverse() -> None:
    crs = CRS.from_epsg(4326)
    in_line = tuple(GroundControlPoint(n, n, 10 + n, 50 - n) for n in range(4))
    for georeference, invertible in [
        (Georeference(9, 9, crs, Affine(2, 1, 0, 4, 2, 0)), False),
        (Georeference(9, 9, None, None, in_line, crs), False),
        (Georeference(9, 9, crs, Affine(2, 1, 0, 4, -2, 0)), True),
        (gcp_georeference(), True),
        (Georeference(9, 9, None, None), True),
    ]:
        assert has_inverse(georeference) == invertible


def test_bounds_hold_every_corner_and_touch_the_outermost() -> None:
    for georeference in [
        Georeference(HEIGHT, WIDTH, CRS.from_epsg(32631), Affine(8, 3, 5e5, 3, -8, 5e6)),
        Georeference(HEIGHT, WIDTH, None, None),
    ]:
        placed = to_map(corners_everywhere(), georeference)
        expected = [*placed.min(axis=0), *placed.max(axis=0)]
        np.testing.assert_allclose(map_bounds(georeference), expected, rtol=1e-12)
