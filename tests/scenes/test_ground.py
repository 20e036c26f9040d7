import re
from pathlib import Path

import numpy as np
import pyproj
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
from sarseg.scenes.ground import (
    gcp_residual,
    has_inverse,
    map_bounds,
    map_crs,
    misplacement,
    pixel_size,
    to_map,
    to_pixels,
    unrolled,
)
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


UTM_31 = CRS.from_epsg(32631)


@pytest.mark.parametrize(
    ("georeference", "metres"),
    [
        (Georeference(9, 9, UTM_31, Affine(3, 4, 5e5, 8, -6, 5e6)), (73**0.5 * 52**0.5) ** 0.5),
        (Georeference(9, 9, CRS.from_epsg(2263), Affine(10, 0, 9e5, 0, -10, 2e5)), 3.048006),
        (Georeference(9, 9, None, Affine(3, 0, 0, 0, 3, 0)), None),
        (Georeference(9, 9, None, None), None),
        # one hundredth of a degree at the equator: radius 6378137 m along it, 6335439 m across
        (Georeference(2, 2, CRS.from_epsg(4326), Affine(0.01, 0, 7, 0, -0.01, 0.01)), 1109.46),
    ],
)
def test_the_size_of_a_pixel_in_metres(georeference: Georeference, metres: float | None) -> None:
    found = pixel_size(georeference)
    assert found == metres if metres is None else found == pytest.approx(metres, rel=1e-5)


def test_the_size_of_a_pixel_of_control_points_is_that_on_the_ellipsoid() -> None:
    size = pixel_size(gcp_georeference())
    lat = np.radians(30.4)
    metres = np.array([111_320 * np.cos(lat), 110_850])  # a degree there
    across = np.hypot(*(metres * [2e-4, 4e-5]))
    down = np.hypot(*(metres * [3e-5, 1.6e-4]))
    assert size == pytest.approx((across * down) ** 0.5, rel=0.01)


def test_the_residual_is_the_noise_of_the_points() -> None:
    exact = gcp_georeference()
    assert gcp_residual(exact) == pytest.approx(0, abs=1e-4)
    noise = np.random.default_rng(0).normal(0, 0.5, (len(exact.gcps), 2))
    points = tuple(
        GroundControlPoint(point.row + up, point.col + right, point.x, point.y)
        for point, (up, right) in zip(exact.gcps, noise, strict=True)
    )
    noisy = Georeference(HEIGHT, WIDTH, None, None, points, exact.gcp_crs)
    # 12 of the 70 numbers are spent on the polynomials
    expected = np.sqrt((noise**2).sum() / len(points) * 58 / 70)
    assert gcp_residual(noisy) == pytest.approx(expected, rel=0.2)
    assert misplacement(noisy) is None
    assert gcp_residual(Georeference(9, 9, UTM_31, Affine(1, 0, 0, 0, -1, 0))) is None


def scattered(count: int) -> tuple[GroundControlPoint, ...]:
    numbers = np.random.default_rng(1).uniform(0, 50, (count, 4))
    return tuple(GroundControlPoint(*each) for each in numbers)


def on_a_circle() -> tuple[GroundControlPoint, ...]:
    turn = np.linspace(0, 2 * np.pi, 7)[:6]
    x, y = np.cos(turn), np.sin(turn)
    return tuple(
        GroundControlPoint(*each) for each in zip(9 + 5 * y, 9 + 5 * x, 10 + x, 50 + y, strict=True)
    )


def test_what_is_wrong_with_a_georeference() -> None:
    crs = CRS.from_epsg(4326)
    in_line = tuple(GroundControlPoint(n, n, 10 + n, 50 - n) for n in range(9))
    for georeference, told in [
        (Georeference(50, 50, UTM_31, Affine(2, 1, 0, 4, 2, 0)), "its transform puts all pixels"),
        (Georeference(50, 50, None, None, in_line, crs), "its 9 ground control points lie on one"),
        (Georeference(50, 50, None, None, scattered(20), crs), "its 20 ground .* misses them by"),
        (Georeference(50, 50, None, None, on_a_circle(), crs), "no polynomial leads through its 6"),
    ]:
        assert re.match(told, misplacement(georeference) or "")
    for sound in [
        gcp_georeference(),
        Georeference(50, 50, UTM_31, Affine(2, 1, 0, 4, -2, 0)),
        Georeference(50, 50, None, None),
    ]:
        assert misplacement(sound) is None


@given(st.floats(-180, 180), st.lists(st.floats(-720, 720), min_size=1, max_size=9))
def test_longitudes_run_on_across_the_date_line(near: float, longitudes: list[float]) -> None:
    points = np.array([(lon, 7.0) for lon in longitudes])
    degrees = unrolled(points, pyproj.CRS.from_epsg(4326), near)
    assert (np.abs(degrees[:, 0] - near) <= 180 + 1e-9).all()
    turns = (degrees - points) / 360
    np.testing.assert_allclose(turns, np.round(turns), rtol=0, atol=1e-9)
    grads = unrolled(points / 0.9, pyproj.CRS.from_epsg(4807), near / 0.9)
    assert (np.abs(grads[:, 0] * 0.9 - near) <= 180 + 1e-9).all()
    assert unrolled(points, pyproj.CRS.from_epsg(32631), near) is points
