import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine
from shapely import MultiPolygon, Polygon

from sarseg.errors import InputError
from sarseg.scenes.footprint import Footprint, footprint
from sarseg.scenes.georeference import Georeference
from tests.georeferences import HEIGHT, WIDTH, bent, gcp_georeference

WGS84 = CRS.from_epsg(4326)
UTM1 = CRS.from_epsg(32601)
POLAR = CRS.from_epsg(3413)
LOCAL = CRS.from_wkt('LOCAL_CS["a building site",UNIT["metre",1]]')


def place_of(crs: CRS | None, transform: Affine | None) -> Footprint:
    """Of a raster of 100 rows and 200 columns."""
    place = footprint(Georeference(100, 200, crs, transform), "s.tif")
    assert place.geometry.is_valid
    assert all(part.exterior.is_ccw for part in shapely.get_parts(place.geometry))
    return place


def north_up(west: float, north: float, size: float) -> Affine:
    return Affine(size, 0, west, 0, -size, north)


def boxes(place: Footprint) -> list[tuple[float, ...]]:
    return sorted(part.bounds for part in shapely.get_parts(place.geometry))


def test_a_raster_in_degrees_has_four_corners() -> None:
    place = place_of(WGS84, north_up(10, 50, 0.01))
    assert isinstance(place.geometry, Polygon)
    assert sorted(place.geometry.exterior.coords[1:]) == [(10, 49), (10, 50), (12, 49), (12, 50)]
    assert place.bbox == (10, 49, 12, 50)


@pytest.mark.parametrize("crs", [CRS.from_epsg(32633), CRS.from_epsg(3035), POLAR])
def test_bent_edges_are_followed(crs: CRS) -> None:
    """On 800 km the straight line between the corners is far off."""
    to_degrees = Transformer.from_crs(crs, 4326, always_xy=True)
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(17, 62)
    place = place_of(crs, north_up(x, y, 4000))
    edge = shapely.points(*to_degrees.transform(x + np.linspace(0, 800e3, 999), np.full(999, y)))
    assert shapely.distance(place.geometry.boundary, edge).max() < 1e-3
    chord = shapely.linestrings([shapely.get_coordinates(edge[[0, -1]])])
    assert shapely.distance(chord, edge).max() > 0.1
    assert place.bbox == place.geometry.bounds


def test_turned_and_mirrored_rasters() -> None:
    turned = place_of(WGS84, Affine(0.01, 0.01, 10, 0.01, -0.01, 50))
    assert isinstance(turned.geometry, Polygon)
    assert sorted(turned.geometry.exterior.coords[1:]) == [(10, 50), (11, 49), (12, 52), (13, 51)]
    assert place_of(WGS84, Affine(0.01, 0, 10, 0, 0.01, 49)).bbox == (10, 49, 12, 50)


def test_control_points_place_a_raster() -> None:
    place = footprint(gcp_georeference(), "s.tif")
    corners = bent(np.array([0.0, WIDTH, WIDTH, 0]), np.array([0.0, 0, HEIGHT, HEIGHT]))
    assert shapely.distance(place.geometry.boundary, shapely.points(corners)).max() < 1e-6
    assert place.bbox == place.geometry.bounds


@pytest.mark.parametrize("west", [179, -181, 539])
def test_the_antimeridian_cuts(west: float) -> None:
    place = place_of(WGS84, north_up(west, 50, 0.01))
    assert isinstance(place.geometry, MultiPolygon)
    assert boxes(place) == [(-180, 49, -179, 50), (179, 49, 180, 50)]
    assert place.bbox == (179, 49, -179, 50)


def test_the_antimeridian_cuts_a_projected_raster() -> None:
    place = place_of(UTM1, north_up(300e3, 7e6, 500))
    west, east = boxes(place)
    assert west[0] == -180
    assert east[2] == 180
    assert place.bbox == pytest.approx((east[0], min(west[1], east[1]), west[2], 63.12), abs=0.02)
    assert 178 < east[0] < 180
    assert -180 < west[2] < -178
    total = place.geometry.area
    assert total == pytest.approx(
        place_of(CRS.from_epsg(32602), north_up(300e3, 7e6, 500)).geometry.area
    )


@pytest.mark.parametrize("west", [178, -180, 180, -182])
def test_what_ends_at_the_antimeridian_is_in_one_piece(west: float) -> None:
    place = place_of(WGS84, north_up(west, 50, 0.01))
    assert boxes(place) in ([(178, 49, 180, 50)], [(-180, 49, -178, 50)])
    assert place.bbox == boxes(place)[0]


@pytest.mark.parametrize("west", [-180, 0])
def test_the_whole_globe(west: float) -> None:
    """A pixel on each pole, as of weather models: half of it would lie beyond."""
    transform = Affine(1.8, 0, west, 0, -1.82, 91)
    place = place_of(WGS84, transform)
    assert place.bbox == (-180, -90, 180, 90)
    assert place.geometry.area == pytest.approx(360 * 180)


@pytest.mark.parametrize(("crs", "sign"), [(POLAR, 1), (CRS.from_epsg(3031), -1)])
def test_a_raster_round_a_pole_covers_it(crs: CRS, sign: int) -> None:
    place = place_of(crs, Affine(10e3, 0, -1e6, 0, -20e3, 1e6))
    assert (place.bbox[0], place.bbox[2]) == (-180, 180)
    assert sign * 90 in place.bbox
    lon, lat = np.meshgrid(np.linspace(-179.9, 179.9, 31), [79.0, 82.0, 89.99])
    inside = shapely.intersects_xy(place.geometry, lon, sign * lat)
    assert inside[1:].all()
    assert not inside[0].all()


@given(st.floats(-400, 400), st.floats(-80, 80), st.floats(1e-4, 0.9))
def test_nothing_is_lost_wherever_it_lies(west: float, north: float, size: float) -> None:
    place = place_of(WGS84, Affine(size, 0, west, 0, -size / 100, north))
    assert place.geometry.area == pytest.approx(200 * size * size, rel=1e-2)
    left, bottom, right, top = place.bbox
    assert (right - left) % 360 == pytest.approx(200 * size, abs=1e-5)
    assert (bottom, top) == pytest.approx((north - size, north), abs=1e-6)
    assert -180 <= left <= 180
    assert -180 <= right <= 180


IN_LINE = tuple(GroundControlPoint(row=k, col=k, x=k, y=k) for k in range(4))

PLACELESS = {
    "nothing": (Georeference(9, 9, None, None), "neither a coordinate .* leave out --stac, or"),
    "no CRS": (Georeference(9, 9, None, north_up(0, 0, 1)), "neither a coordinate"),
    "points without CRS": (
        Georeference(9, 9, None, None, gcp_georeference().gcps),
        "neither a coordinate",
    ),
    "points in a line": (Georeference(9, 9, None, None, IN_LINE, WGS84), "points lie on one line"),
    "no plane": (Georeference(9, 9, WGS84, Affine(1, 1, 0, 1, 1, 0)), "all pixels on one line"),
    "a local CRS": (Georeference(9, 9, LOCAL, north_up(0, 0, 1)), "CRS, a building site, does not"),
    "off the map": (Georeference(9, 9, POLAR, north_up(1e300, 0, 1)), "its CRS, WGS 84 / NSIDC"),
    "metres as degrees": (Georeference(9, 9, WGS84, north_up(5e5, 5.5e6, 10)), "its CRS, WGS 84,"),
    "too small to be seen": (Georeference(9, 9, UTM1, north_up(5e5, 5e6, 1e-6)), "its CRS, WGS 84"),
}


@pytest.mark.parametrize(("georeference", "sentence"), PLACELESS.values(), ids=PLACELESS)
def test_what_has_no_place_is_told(georeference: Georeference, sentence: str) -> None:
    with pytest.raises(InputError, match=rf"^s\.tif has no place on the ground.*{sentence}"):
        footprint(georeference, "s.tif")
