from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.features import rasterize, shapes
from rasterio.transform import from_origin

from sarseg.classes import LandCoverClass
from sarseg.scenes.georeference import Georeference
from sarseg.vectors.attributes import areas_ha, class_names
from sarseg.vectors.placement import place
from tests.georeferences import gcp_georeference
from tests.vectors.maps import DEGREES, POLAR, UTM, blocky

HEIGHT, WIDTH = 60, 90


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


def pixel_areas(georeference: Georeference) -> NDArray[np.float64]:
    """Ellipsoidal areas (rows, cols) in hectares by formulas that the code does not use."""
    transform = georeference.transform
    assert transform is not None
    assert georeference.crs is not None
    crs = pyproj.CRS.from_wkt(georeference.crs.to_wkt())
    if crs.is_geographic:
        edges = transform.f + transform.e * np.arange(georeference.height + 1)
        row = zone_area(edges[1:], edges[:-1], crs.ellipsoid) * np.radians(transform.a)
        return np.repeat(row[:, None], georeference.width, axis=1) / 1e4
    cols, rows = np.meshgrid(
        np.arange(georeference.width) + 0.5, np.arange(georeference.height) + 0.5
    )
    projection = pyproj.Proj(crs)
    metre = crs.axis_info[0].unit_conversion_factor
    x, y = transform @ (cols, rows)
    scale = projection.get_factors(*projection(x, y, inverse=True)).areal_scale
    return np.asarray(abs(transform.a * transform.e) * metre**2 / scale / 1e4)


@pytest.mark.parametrize(
    "profile",
    [
        UTM,
        DEGREES,
        POLAR,
        {"crs": "EPSG:32633", "transform": from_origin(200_000, 8_900_000, 1000, 500)},
        {"crs": "EPSG:4326", "transform": from_origin(179.5, 90, 0.5, 1)},
        {"crs": "EPSG:2229", "transform": from_origin(6.4e6, 1.8e6, 30, 30)},
        {"crs": "EPSG:32631+5773", "transform": from_origin(6e5, 5e6, 10, 10)},
    ],
    ids=["utm", "degrees", "polar", "utm-1km", "pole-and-date-line", "feet", "compound"],
)
def test_areas_are_the_sums_of_the_pixels_on_the_ellipsoid(profile: dict[str, Any]) -> None:
    georeference = Georeference(
        HEIGHT, WIDTH, CRS.from_user_input(profile["crs"]), profile["transform"]
    )
    outlines = np.array([shapely.geometry.shape(s) for s, _ in shapes(blocky(HEIGHT, WIDTH))])
    numbers = rasterize(
        zip(outlines, range(len(outlines)), strict=True), out_shape=(HEIGHT, WIDTH), dtype=np.int32
    )
    expected = np.bincount(numbers.ravel(), weights=pixel_areas(georeference).ravel())
    np.testing.assert_allclose(areas_ha(outlines, georeference), expected, rtol=1e-6)


@pytest.mark.parametrize("profile", [UTM, DEGREES, POLAR], ids=["utm", "degrees", "polar"])
def test_long_straight_edges_follow_the_grid_and_not_the_geodesic(profile: dict[str, Any]) -> None:
    size = 1200
    georeference = Georeference(
        size, size, CRS.from_user_input(profile["crs"]), profile["transform"]
    )
    whole = pixel_areas(georeference)
    strip = areas_ha(
        shapely.box([0, 0, 0], [0, 600, 0], [size, size, 1], [1, 601, size]), georeference
    )
    expected = [whole[0].sum(), whole[600].sum(), whole[:, 0].sum()]
    np.testing.assert_allclose(strip, expected, rtol=1e-6)


def test_areas_in_grads() -> None:
    crs = CRS.from_epsg(4807)
    georeference = Georeference(50, 50, crs, from_origin(0.5, 54, 0.01, 0.01))
    (area,) = areas_ha(shapely.box([10], [10], [30], [40]), georeference)
    ellipsoid = pyproj.CRS.from_epsg(4807).ellipsoid
    expected = zone_area(0.9 * 53.6, 0.9 * 53.9, ellipsoid) * np.radians(0.9 * 0.2) / 1e4
    assert area == pytest.approx(expected, rel=1e-6)


def test_areas_by_ground_control_points_are_those_of_the_placed_polygons() -> None:
    georeference = gcp_georeference()
    outlines = shapely.box([0, 100], [0, 50], [300, 130], [200, 90])
    geod = pyproj.Geod(ellps="WGS84")
    expected = [
        abs(geod.geometry_area_perimeter(shapely.segmentize(shape, 1e-4))[0]) / 1e4
        for shape in place(outlines, georeference)
    ]
    np.testing.assert_allclose(areas_ha(outlines, georeference), expected, rtol=1e-6)


def test_without_ellipsoid_areas_are_unknown() -> None:
    outlines = shapely.box([0], [0], [5], [5])
    transform = from_origin(0, 0, 1, 1)
    local = CRS.from_wkt('LOCAL_CS["site grid",UNIT["metre",1]]')
    for crs in (None, local):
        assert np.isnan(areas_ha(outlines, Georeference(5, 5, crs, transform))).all()


def test_names_come_from_the_legend_or_from_the_number() -> None:
    legend = [LandCoverClass(id=2, name="water", colour=(0, 0, 255))]
    assert class_names([2, 10, 4000], legend) == {2: "water", 10: "class 10", 4000: "class 4000"}
