"""Sizes of pixels against formulas that the code does not use, and against geodesics."""

from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin

from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_crs, to_map
from sarseg.scenes.pixel_size import PixelSize
from tests.georeferences import gcp_georeference
from tests.vectors.maps import DEGREES, POLAR, UTM

HEIGHT, WIDTH = 60, 90
PROFILES: dict[str, dict[str, Any]] = {
    "utm": UTM,
    "degrees": DEGREES,
    "polar": POLAR,
    "utm, 1 km": {"crs": "EPSG:32633", "transform": from_origin(200_000, 8_900_000, 1000, 500)},
    "pole and date line": {"crs": "EPSG:4326", "transform": from_origin(179.8, 90, 0.5, 1)},
    "round the pole": {"crs": "EPSG:3413", "transform": from_origin(-45_500, 30_500, 1000, 1000)},
    "date line": {"crs": "EPSG:32660", "transform": from_origin(640_000, 6_680_000, 1000, 1000)},
    "feet": {"crs": "EPSG:2229", "transform": from_origin(6.4e6, 1.8e6, 30, 30)},
    "compound": {"crs": "EPSG:32631+5773", "transform": from_origin(6e5, 5e6, 10, 10)},
    "grads": {"crs": "EPSG:4807", "transform": from_origin(0.5, 54, 0.01, 0.01)},
    "south up": {"crs": "EPSG:32631", "transform": Affine(20, 0, 6e5, 0, 20, 5e6)},
    "turned": {"crs": "EPSG:32631", "transform": Affine(12, 16, 6e5, 16, -12, 5e6)},
}
profiles = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())


def georeference(profile: dict[str, Any], height: int = HEIGHT, width: int = WIDTH) -> Georeference:
    return Georeference(height, width, CRS.from_user_input(profile["crs"]), profile["transform"])


def size_of(place: Georeference) -> PixelSize:
    size = PixelSize.of(place)
    assert size is not None
    return size


def areas_of(place: Georeference) -> NDArray[np.float64]:
    """Square metres (rows, cols)."""
    return np.diff(size_of(place).areas(0, place.height), axis=1)


def zone_area(south: Any, north: Any, ellipsoid: Any) -> Any:
    """Area in square metres of a zone of the ellipsoid for one radian of longitude.

    Snyder 1987, "Map projections: a working manual", equation 3-12.
    """
    eccentricity = np.sqrt(1 - (ellipsoid.semi_minor_metre / ellipsoid.semi_major_metre) ** 2)

    def q(latitude: Any) -> Any:
        sine = np.sin(np.radians(latitude))
        e_sine = eccentricity * sine
        return (1 - eccentricity**2) * (
            sine / (1 - e_sine**2) - np.log((1 - e_sine) / (1 + e_sine)) / (2 * eccentricity)
        )

    return ellipsoid.semi_major_metre**2 / 2 * (q(north) - q(south))


def pixel_areas(place: Georeference, step: int = 1) -> NDArray[np.float64]:
    """Ellipsoidal areas (rows, cols) in square metres: of zones, or by the projection's scale.

    Of every ``step``-th pixel of a row and of a column.
    """
    transform, crs = place.transform, map_crs(place)
    assert transform is not None
    assert crs is not None
    if crs.is_geographic:
        radians = crs.axis_info[0].unit_conversion_factor
        edges = transform.f + transform.e * np.arange(place.height + 1)
        edges = np.clip(np.degrees(edges * radians), -90, 90)
        row = zone_area(edges[1:], edges[:-1], crs.ellipsoid) * transform.a * radians
        return np.repeat(row[:, None], place.width, axis=1)[::step, ::step]
    cols, rows = np.meshgrid(
        np.arange(0, place.width, step) + 0.5, np.arange(0, place.height, step) + 0.5
    )
    projection = pyproj.Proj(crs)
    metre = crs.axis_info[0].unit_conversion_factor
    x, y = transform @ (cols, rows)
    scale = projection.get_factors(*projection(x, y, inverse=True)).areal_scale
    return np.asarray(abs(transform.determinant) * metre**2 / scale)


@profiles
def test_areas_are_those_of_the_ellipsoid(profile: dict[str, Any]) -> None:
    place = georeference(profile)
    np.testing.assert_allclose(areas_of(place), pixel_areas(place), rtol=1e-6)


@pytest.mark.parametrize(
    ("profile", "height", "width"),
    [
        (UTM, 3000, 4000),
        (DEGREES, 3000, 4000),
        (POLAR, 1500, 2000),
        ({"crs": "EPSG:4326", "transform": from_origin(-180, 90, 0.1, 0.1)}, 1800, 3600),
    ],
    ids=["utm", "degrees", "polar", "earth"],
)
def test_areas_of_large_rasters(profile: dict[str, Any], height: int, width: int) -> None:
    place = georeference(profile, height, width)
    expected = pixel_areas(place, 13)
    found = areas_of(place)[::13, ::13]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_earth_has_its_area() -> None:
    profile = {"crs": "EPSG:4326", "transform": from_origin(-180, 90, 0.5, 0.5)}
    assert areas_of(georeference(profile, 360, 720)).sum() == pytest.approx(510_065_621.7e6)


@pytest.mark.parametrize(("step", "beyond"), [(1.0, 0.5), (0.25, 0.5), (0.25, 3.0)])
def test_grids_that_reach_beyond_the_poles_have_nothing_there(step: float, beyond: float) -> None:
    profile = {"crs": "EPSG:4326", "transform": from_origin(-180, 90 + beyond * step, step, step)}
    place = georeference(profile, round(180 / step + 2 * beyond), round(360 / step))
    expected = pixel_areas(place)
    np.testing.assert_allclose(areas_of(place), expected, rtol=1e-6, atol=1e-7 * expected.max())
    assert areas_of(place).sum() == pytest.approx(510_065_621.7e6)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1), (2, 3), (1, 5000)])
@pytest.mark.parametrize("name", ["utm", "degrees", "polar"])
def test_rasters_of_few_pixels(name: str, height: int, width: int) -> None:
    place = georeference(PROFILES[name], height, width)
    np.testing.assert_allclose(areas_of(place), pixel_areas(place), rtol=1e-6)


@profiles
def test_blocks_of_rows_have_the_areas_of_the_whole(profile: dict[str, Any]) -> None:
    size = size_of(georeference(profile))
    whole = size.areas(0, HEIGHT)
    assert whole.shape == (HEIGHT, WIDTH + 1)
    assert (whole[:, 0] == 0).all()
    cut = [size.areas(first, min(first + 7, HEIGHT)) for first in range(0, HEIGHT, 7)]
    np.testing.assert_array_equal(np.concatenate(cut), whole)


def test_areas_by_ground_control_points_are_those_of_the_placed_pixels() -> None:
    place = gcp_georeference()
    geod = pyproj.Geod(ellps="WGS84")
    areas = areas_of(place)
    for row, col in [(0, 0), (100, 150), (199, 299), (17, 280)]:
        ring = [[col, row], [col + 1, row], [col + 1, row + 1], [col, row + 1]]
        polygon = shapely.Polygon(to_map(np.array(ring, float), place))
        expected = abs(geod.geometry_area_perimeter(shapely.segmentize(polygon, 1e-5))[0])
        assert areas[row, col] == pytest.approx(expected, rel=1e-6)


def geodesics(
    place: Georeference, starts: NDArray[np.float64], ends: NDArray[np.float64], parts: int = 1
) -> NDArray[np.float64]:
    """Metres (n,) along straight lines in the raster, cut into ``parts``."""
    crs = map_crs(place)
    assert crs is not None
    assert crs.geodetic_crs is not None
    lonlat = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    degrees = np.degrees(crs.geodetic_crs.axis_info[0].unit_conversion_factor)
    part = np.linspace(0, 1, parts + 1)[:, None, None]
    points = to_map((starts + part * (ends - starts)).reshape(-1, 2), place)
    lon, lat = np.array(lonlat.transform(*points.T)).reshape(2, parts + 1, -1) * degrees
    lat = np.clip(lat, -90, 90)
    steps = crs.get_geod().inv(lon[:-1], lat[:-1], lon[1:], lat[1:])[2]
    return np.asarray(steps.sum(axis=0))


NORTH_OF_PIXELS = {"round the pole", "pole and date line"}
"""Where the shortest way between two corners of a pixel leaves the pixel's edge."""


@profiles
def test_lengths_are_those_of_the_lines_on_the_ground(profile: dict[str, Any]) -> None:
    place = georeference(profile)
    rng = np.random.default_rng(0)
    starts = rng.uniform(0, [WIDTH, HEIGHT], (300, 2))
    ends = np.clip(starts + rng.uniform(-4, 4, (300, 2)), 0, [WIDTH, HEIGHT])
    lengths = size_of(place).lengths(starts, ends)
    np.testing.assert_allclose(lengths, geodesics(place, starts, ends, 16), rtol=1e-3)


EARTH = {"crs": "EPSG:4326", "transform": from_origin(-180, 90, 0.1, 0.1)}
BEYOND = {"crs": "EPSG:4326", "transform": from_origin(-180.125, 90.125, 0.25, 0.25)}
ANTARCTICA = {"crs": "EPSG:3031", "transform": from_origin(-3.2e6, 3.2e6, 2000, 2000)}
LARGE = pytest.mark.parametrize(
    ("profile", "height", "width"),
    [(EARTH, 1800, 3600), (BEYOND, 721, 1440), (ANTARCTICA, 3200, 3200), (UTM, 3000, 4000)],
    ids=["earth", "beyond the poles", "antarctica", "utm"],
)


@LARGE
@pytest.mark.parametrize("step", [(1, 0), (0, 1), (1, 1), (-3, 2)], ids=str)
def test_lengths_of_short_edges_in_large_rasters(
    profile: dict[str, Any], height: int, width: int, step: tuple[int, int]
) -> None:
    place = georeference(profile, height, width)
    near = np.arange(0, 40)
    rows = np.concatenate([near, np.arange(40, height - 40, 37), height - 2 - near])
    cols = np.array([3, 500, width // 2 - 1, width - 3])
    starts = np.stack(np.meshgrid(cols, rows), axis=-1).reshape(-1, 2).astype(float)
    ends = starts + step
    expected = geodesics(place, starts, ends, 16)
    found = size_of(place).lengths(starts, ends)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


@LARGE
def test_lengths_of_edges_through_large_rasters(
    profile: dict[str, Any], height: int, width: int
) -> None:
    place = georeference(profile, height, width)
    rng = np.random.default_rng(0)
    starts, ends = rng.integers(0, [width + 1, height + 1], (2, 50, 2)).astype(float)
    starts[:3], ends[:3] = [[0, 0]], [[width, height], [0, height], [width, 0]]
    expected = geodesics(place, starts, ends, 4000)
    found = size_of(place).lengths(starts, ends)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_lengths_by_ground_control_points() -> None:
    place = gcp_georeference()
    rng = np.random.default_rng(0)
    starts, ends = rng.uniform(0, [place.width, place.height], (2, 300, 2))
    lengths = size_of(place).lengths(starts, ends)
    np.testing.assert_allclose(lengths, geodesics(place, starts, ends), rtol=1e-3)


def test_lengths_across_the_date_line_and_up_to_the_pole() -> None:
    place = georeference(PROFILES["pole and date line"])
    starts = np.array([[0.0, 50.0], [10.0, 40.0], [3.0, 0.0]])
    ends = np.array([[1.0, 50.0], [10.0, 41.0], [3.0, 1.0]])
    lengths = size_of(place).lengths(starts, ends)
    np.testing.assert_allclose(lengths, geodesics(place, starts, ends), rtol=1e-3)


@pytest.mark.parametrize("name", ["utm", "degrees", "polar", "turned"])
def test_the_pixel_at_the_centre(name: str) -> None:
    place = georeference(PROFILES[name])
    middle = np.array([[WIDTH / 2, HEIGHT / 2]] * 2)
    half = np.array([[0.5, 0], [0, 0.5]])
    expected = geodesics(place, middle - half, middle + half)
    np.testing.assert_allclose(size_of(place).at_centre(), expected, rtol=1e-6)


def test_rasters_in_metres_that_claim_degrees_have_no_size() -> None:
    place = georeference({"crs": "EPSG:4326", "transform": UTM["transform"]})
    size = size_of(place)
    assert not size.areas(0, HEIGHT).any()
    assert size.lengths(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])) < 1e-6


@pytest.mark.parametrize("offset", [0, 500])
def test_the_pixel_at_the_pole(offset: int) -> None:
    corner = 32_000 + offset
    place = georeference(
        {"crs": "EPSG:3031", "transform": from_origin(-corner, corner, 1000, 1000)}, 64, 64
    )
    scale = pyproj.Proj("EPSG:3031").get_factors(0, -90).meridional_scale
    assert size_of(place).at_centre() == pytest.approx((1000 / scale, 1000 / scale), rel=1e-6)


def test_nothing_has_a_size_without_a_crs_that_leads_to_an_ellipsoid() -> None:
    transform = from_origin(0, 0, 1, 1)
    local = CRS.from_wkt('LOCAL_CS["site grid",UNIT["metre",1]]')
    geocentric = CRS.from_epsg(4978)
    for crs in (None, local, geocentric):
        assert PixelSize.of(Georeference(5, 5, crs, transform)) is None
    in_line = Georeference(5, 5, CRS.from_epsg(32631), Affine(1, 1, 0, 1, 1, 0))
    assert PixelSize.of(in_line) is None


def test_pixels_beyond_what_the_crs_can_show_have_no_area() -> None:
    # a full disk from space: the corners of the raster look past the earth
    crs = "+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84"
    side = 5_500_000.0
    place = georeference(
        {"crs": crs, "transform": from_origin(-side, side, 2 * side / 50, 2 * side / 50)}, 50, 50
    )
    size = size_of(place)
    assert not size.everywhere
    sums = size.areas(0, 50)
    areas = np.diff(sums, axis=1)
    assert (areas[[0, 0, -1, -1], [0, -1, 0, -1]] == 0).all()
    edges = np.linspace(-side, side, 51)
    lon, _ = pyproj.Proj(crs)(*np.meshgrid(edges, edges), inverse=True)
    seen = np.isfinite(lon)
    whole = seen[1:, 1:] & seen[1:, :-1] & seen[:-1, 1:] & seen[:-1, :-1]
    np.testing.assert_array_equal(areas > 0, whole)
    one = side * 2 / 50  # at the point below, where the view is straight down
    np.testing.assert_allclose(areas[24:26, 24:26], one**2, rtol=2e-2)
    np.testing.assert_allclose(sums[:, -1], areas.sum(axis=1))
    assert size_of(georeference(UTM)).everywhere


def test_lengths_where_the_crs_can_show_both_ends() -> None:
    crs = "+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84"
    side = 5_500_000.0
    place = georeference(
        {"crs": crs, "transform": from_origin(-side, side, side / 1000, side / 1000)}, 2000, 2000
    )
    size = size_of(place)
    beyond = np.array([[0.0, 0.0], [1000, 0]]), np.array([[1.0, 0.0], [1000, 1000]])
    assert np.isnan(size.lengths(*beyond)).all()
    along = np.arange(20, 1980.0)
    starts = np.column_stack([along, np.full(len(along), 1000.0)])
    ends = np.column_stack([along + 1, np.full(len(along), 1000.0)])
    found = size.lengths(starts, ends)
    np.testing.assert_allclose(found, geodesics(place, starts, ends), rtol=1e-3)
    through = size.lengths(starts[:1], ends[-1:])
    np.testing.assert_allclose(through, geodesics(place, starts, ends).sum(), rtol=1e-3)
