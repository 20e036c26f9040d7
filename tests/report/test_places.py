"""Coordinates as the page looks them up."""

import numpy as np
import pyproj
import pytest
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin

from sarseg.report.places import Coordinates, coordinates
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import to_map
from tests.georeferences import gcp_georeference


def looked_up(found: Coordinates, across: float, down: float) -> tuple[float, float]:
    """As the page's script does it."""
    last = found.points - 1
    i, j = min(int(down * last), last - 1), min(int(across * last), last - 1)
    y, x = down * last - i, across * last - j
    grid = np.array([found.x, found.y]).reshape(2, found.points, found.points)
    near = grid[:, i : i + 2, j : j + 2]
    upper, lower = (near[:, k, 0] * (1 - x) + near[:, k, 1] * x for k in (0, 1))
    first, second = upper * (1 - y) + lower * y
    return float(first), float(second)


PLACES = [(0.5, 0.5), (0.001, 0.999), (0.31, 0.77), (1.0, 0.0)]


@pytest.mark.parametrize(("across", "down"), PLACES)
def test_of_an_affine_transform(across: float, down: float) -> None:
    turned = from_origin(620_000, 4_830_000, 20, 20) * Affine.rotation(13)
    georeference = Georeference(300, 500, CRS.from_epsg(32631), turned)
    own, lonlat = coordinates(georeference)
    expected = turned * (500 * across, 300 * down)
    assert looked_up(own, across, down) == pytest.approx(expected, abs=1e-6)
    assert (own.names, own.decimals) == (("x", "y"), 0)
    to_degrees = pyproj.Transformer.from_crs(32631, 4326, always_xy=True)
    assert looked_up(lonlat, across, down) == pytest.approx(
        to_degrees.transform(*expected), abs=2e-6
    )
    assert lonlat.names == ("longitude", "latitude")
    assert lonlat.decimals >= 5


@pytest.mark.parametrize(("across", "down"), PLACES)
def test_of_control_points(across: float, down: float) -> None:
    georeference = gcp_georeference()
    (found,) = coordinates(georeference)
    place = np.array([[georeference.width * across, georeference.height * down]])
    assert looked_up(found, across, down) == pytest.approx(to_map(place, georeference)[0], abs=2e-6)
    assert found.unit == "°"


def test_pixels_are_counted_where_there_is_no_place() -> None:
    (found,) = coordinates(Georeference(10, 20, None, None))
    assert looked_up(found, 3.5 / 20, 7.5 / 10) == pytest.approx((3, 7))
    assert found.names == ("column", "row")
    assert found.decimals == 0


def test_pixels_are_counted_where_control_points_tell_no_place() -> None:
    in_line = tuple(GroundControlPoint(row=k, col=k, x=k, y=k) for k in range(4))
    (found,) = coordinates(Georeference(10, 20, None, None, in_line, CRS.from_epsg(4326)))
    assert found.names == ("column", "row")
    assert looked_up(found, 3.5 / 20, 7.5 / 10) == pytest.approx((3, 7))


def test_degrees_about_another_pole_are_no_longitude() -> None:
    turned = "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +ellps=WGS84"
    crs = CRS.from_wkt(pyproj.CRS.from_proj4(turned).to_wkt())
    own, lonlat = coordinates(Georeference(100, 100, crs, from_origin(-5, 5, 0.1, 0.1)))
    assert (own.names, own.unit) == (("x", "y"), "°")
    assert looked_up(own, 0.5, 0.5) == pytest.approx((0, 0))
    assert lonlat.names == ("longitude", "latitude")
    assert looked_up(lonlat, 0.5, 0.5) == pytest.approx((18, 50.75), abs=1e-6)


def test_round_the_pole_there_is_no_longitude_to_look_up() -> None:
    transform = from_origin(-500_000, 500_000, 1000, 1000)
    assert len(coordinates(Georeference(1000, 1000, CRS.from_epsg(3413), transform))) == 1
