from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine

from sarseg.scenes import osgeo
from sarseg.scenes.georeference import Georeference
from sarseg.vectors.placement import map_crs, place, to_map
from tests.vectors.maps import blocky, write_map

HEIGHT, WIDTH = 200, 300


def bent(col: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slant-range-like geometry: rotated, not square, and bent by about a pixel."""
    x = 73.2 + 2e-4 * col - 3e-5 * row + 5e-9 * col**2 - 3e-9 * col * row
    y = 30.4 - 4e-5 * col - 1.6e-4 * row + 4e-9 * row**2 + 2e-9 * col**2
    return np.column_stack([x, y])


def gcp_georeference() -> Georeference:
    cols, rows = np.meshgrid(np.linspace(0, WIDTH, 7), np.linspace(0, HEIGHT, 5))
    points = tuple(
        GroundControlPoint(row=row, col=col, x=x, y=y, z=0.0)
        for col, row, (x, y) in zip(
            cols.ravel(), rows.ravel(), bent(cols.ravel(), rows.ravel()), strict=True
        )
    )
    return Georeference(HEIGHT, WIDTH, None, None, points, CRS.from_epsg(4326))


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


def test_bent_edges_stay_within_a_hundredth_of_a_pixel_of_their_curve() -> None:
    (placed,) = place(np.array([shapely.box(0, 0, WIDTH, HEIGHT)]), gcp_georeference())
    along = np.linspace(0, WIDTH, 1001)
    curve = bent(along, np.zeros_like(along))
    distances = shapely.distance(placed.exterior, shapely.points(curve))
    assert distances.max() < 0.01 * 1.6e-4
    assert placed.is_valid


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
