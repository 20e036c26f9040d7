"""Scenes warped to a map grid."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin
from rasterio.warp import Resampling, reproject

from sarseg.errors import InputError, UsageError
from sarseg.scenes.band import Band, Encoding, Meaning
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_bounds, map_crs, pixel_size, to_map, to_pixels
from sarseg.scenes.radiometry import to_intensity
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.unit import Unit
from sarseg.scenes.warp import warped
from sarseg.scenes.window import Window
from tests.georeferences import HEIGHT, WIDTH, gcp_georeference
from tests.rasters import speckle, write_raster

GCP = gcp_georeference()
GCPS: dict[str, Any] = {"gcps": list(GCP.gcps), "crs": GCP.gcp_crs}
ALIGNED: dict[str, Any] = {
    "crs": "EPSG:32631",
    "transform": from_origin(620_040, 4_830_120, 20, 20),
}


def whole(scene: Scene, band: int = 0) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    values, valid = scene.read(Window(0, 0, scene.height, scene.width), [band])
    return values[0], valid


class Ramps(Band):
    """A band of any size whose pixels hold their own column, or row."""

    def __init__(self, georeference: Georeference, axis: str) -> None:
        self.meaning = Meaning("elevation", "auxiliary")
        self.height, self.width = georeference.height, georeference.width
        self.axis = axis
        self.largest = 0

    height = width = 0
    place, files, block_rows, block_cols = "ramps", (), 1, 1
    linear_unit: Unit = "intensity"
    encoding = Encoding("GTiff", "float32", (), False)

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        assert window.within(self.height, self.width) == window
        self.largest = max(self.largest, window.height * window.width)
        rows, cols = np.indices((window.height, window.width), np.float32)
        ramp = cols + window.col if self.axis == "col" else rows + window.row
        return ramp, np.ones(ramp.shape, np.bool_)


def places_of(
    georeference: Georeference, crs: str | None, resolution: float | None
) -> tuple[Georeference, NDArray[np.float64], NDArray[np.bool_]]:
    """The grid, and where the centres of its pixels (h, w, 2) lie in the source as warped."""
    ramps = [Ramps(georeference, "col"), Ramps(georeference, "row")]
    bands, grid = warped(ramps, georeference, crs, resolution, "ramps")
    window = Window(0, 0, grid.height, grid.width)
    (cols, valid), (rows, _) = (band.read(window) for band in bands)
    return grid, np.stack([cols, rows], axis=-1) + 0.5, valid


def exact_places(georeference: Georeference, grid: Georeference) -> NDArray[np.float64]:
    """The same, each pixel projected by itself."""
    cols, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    source, target = map_crs(georeference), map_crs(grid)
    assert source is not None
    assert target is not None
    back = pyproj.Transformer.from_crs(target, source, always_xy=True)
    on_map = to_map(np.column_stack([cols.ravel(), rows.ravel()]), grid)
    on_map = np.column_stack(back.transform(*on_map.T))
    if source.is_geographic:
        middle = to_map(np.array([[georeference.width / 2, georeference.height / 2]]), georeference)
        on_map[:, 0] += 360 * np.round((middle[0, 0] - on_map[:, 0]) / 360)
    return to_pixels(on_map, georeference).reshape(grid.height, grid.width, 2)


UTM_FIJI = Georeference(300, 400, CRS.from_epsg(32760), from_origin(815_000, 8_100_000, 100, 100))
DEGREES_FIJI = Georeference(300, 400, CRS.from_epsg(4326), from_origin(179.8, -17, 1e-3, 1e-3))
ROTATED = Georeference(200, 300, CRS.from_epsg(32631), Affine(8, 3, 5e5, 3, -8, 5e6))
SOUTH_UP = Georeference(200, 300, CRS.from_epsg(32631), Affine(8, 0, 5e5, 0, 9, 5e6))


@pytest.mark.parametrize(
    ("georeference", "crs"),
    [
        (GCP, "EPSG:32643"),
        (GCP, None),
        (ROTATED, "EPSG:4326"),
        (ROTATED, None),
        (SOUTH_UP, "EPSG:3857"),
        (UTM_FIJI, "EPSG:4326"),
        (UTM_FIJI, "EPSG:32701"),
        (DEGREES_FIJI, "EPSG:32760"),
        (DEGREES_FIJI, "EPSG:3832"),
    ],
)
def test_pixels_lie_where_each_is_projected_by_itself(
    georeference: Georeference, crs: str | None
) -> None:
    grid, places, valid = places_of(georeference, crs, None)
    exact = exact_places(georeference, grid)
    size = np.array([georeference.width, georeference.height])
    inner = ((exact > 0.5) & (exact < size - 0.5)).all(axis=-1)
    outside = ((exact < -0.01) | (exact > size + 0.01)).any(axis=-1)
    assert valid[inner].all()
    assert not valid[outside].any()
    np.testing.assert_allclose(places[inner], exact[inner], rtol=0, atol=1e-3)
    # every pixel of the source finds its way to the map
    assert inner.sum() == pytest.approx(size.prod(), rel=0.05)


@pytest.mark.parametrize("factor", [0.3, 1.0, 2.5, 10.0])
def test_footprints_lie_round_the_centres(factor: float) -> None:
    grid, places, valid = places_of(GCP, "EPSG:32643", 19.0 * factor)
    exact = exact_places(GCP, grid)
    margin = max(factor, 1)
    inner = ((exact > margin) & (exact < np.array([WIDTH, HEIGHT]) - margin)).all(axis=-1)
    assert valid[inner].all()
    np.testing.assert_allclose(places[inner], exact[inner], rtol=0, atol=1e-2 * margin)


@pytest.mark.parametrize("crs", ["EPSG:32643", "EPSG:4326", "EPSG:3857", None])
def test_the_grid_is_north_up_and_covers_the_scene(crs: str | None) -> None:
    _, grid = warped([], GCP, crs, None, "scene")
    transform = grid.transform
    assert transform is not None
    size = transform.a
    assert (transform.b, transform.d, transform.e) == (0, 0, -size)
    for origin in (transform.c, transform.f):
        assert origin / size == pytest.approx(round(origin / size), abs=1e-6)
    assert grid.crs == CRS.from_user_input(crs or "EPSG:4326")
    along = np.linspace(0, 1, 50)
    edges = np.array([(x, y) for x in along for y in along if {x, y} & {0.0, 1.0}])
    on_map = to_map(edges * [WIDTH, HEIGHT], GCP)
    onto = pyproj.Transformer.from_crs("EPSG:4326", grid.crs.to_wkt(), always_xy=True)
    placed = to_pixels(np.column_stack(onto.transform(*on_map.T)), grid)
    assert placed.min() > -0.01
    assert (placed < np.array([grid.width, grid.height]) + 0.01).all()
    # and no row or column too many
    assert (np.ptp(placed, axis=0) > np.array([grid.width, grid.height]) - 2).all()


def test_the_default_resolution_is_the_size_of_the_scenes_pixels() -> None:
    for crs in ("EPSG:32643", "EPSG:4326"):
        _, grid = warped([], GCP, crs, None, "scene")
        assert pixel_size(grid) == pytest.approx(
            pixel_size(GCP), rel=0.1 if "4326" in crs else 0.01
        )
    _, mercator = warped([], GCP, "EPSG:3857", None, "scene")
    assert mercator.transform is not None
    stretch = 1 / math.cos(math.radians(30.4))
    assert mercator.transform.a == pytest.approx((pixel_size(GCP) or 0) * stretch, rel=0.01)


def test_a_scene_that_lies_on_the_grid_stays_as_it_is(tmp_path: Path) -> None:
    values = speckle(HEIGHT, WIDTH)
    values[20:30, 40:90] = -1
    path = write_raster(tmp_path / "s_vv.tif", values, nodata=-1, **ALIGNED)
    with Scene.open([path], Reading(to_crs="EPSG:32631", unit="intensity")) as scene:
        assert scene.georeference.transform == ALIGNED["transform"]
        found, valid = whole(scene)
    np.testing.assert_array_equal(valid, values >= 0)
    np.testing.assert_allclose(found[valid], values[valid], rtol=1e-6)


@pytest.mark.parametrize("unit", ["intensity", "amplitude", "db"])
def test_coarser_pixels_are_means_of_linear_intensity(tmp_path: Path, unit: Unit) -> None:
    intensity = speckle(HEIGHT, WIDTH - 3)
    written = {
        "intensity": intensity,
        "amplitude": np.sqrt(intensity),
        "db": 10 * np.log10(intensity),
    }[unit]
    written[3:6, 3:4] = written[3:6, 6:8] = np.nan
    written[9:11, 9:12] = np.inf
    path = write_raster(tmp_path / "s_vv.tif", written, **ALIGNED)
    with Scene.open([path], Reading(resolution=60, unit=unit)) as scene:
        found, valid = whole(scene)
        assert scene.unit == unit
        assert scene.georeference.transform == from_origin(620_040, 4_830_120, 60, 60)
    shape = -(-HEIGHT // 3), (WIDTH - 3) // 3
    assert found.shape == shape
    blocks = np.full((shape[0] * 3, shape[1] * 3), np.nan)
    blocks[:HEIGHT] = np.where(np.isfinite(written), intensity, np.nan)
    blocks = blocks.reshape(shape[0], 3, shape[1], 3).swapaxes(1, 2).reshape(*shape, 9)
    expected = np.nanmean(blocks, axis=-1)
    np.testing.assert_array_equal(valid, np.isfinite(blocks).sum(axis=-1) >= 4.5)
    assert not valid[1, 2]
    assert valid[1, 1]
    again = to_intensity(found, unit)
    np.testing.assert_allclose(again[valid], expected[valid], rtol=2e-6)


def test_finer_pixels_are_interpolated_in_linear_intensity(tmp_path: Path) -> None:
    rows = np.full((4, 4), -30.0, np.float32)
    rows[:, 2:] = 10
    path = write_raster(tmp_path / "s_vv.tif", rows, **ALIGNED)
    with Scene.open([path], Reading(resolution=4, unit="db")) as scene:
        found, valid = whole(scene)
    inwards = (np.minimum(np.arange(20), np.arange(20)[::-1]) + 0.5) / 5
    weights = np.minimum(inwards + 0.5, 1)  # of neighbours within the scene
    np.testing.assert_array_equal(valid, np.outer(weights, weights) >= 0.5)
    parts = np.clip((np.arange(20) + 0.5) / 5 - 1.5, 0, 1)
    decibels = np.tile(10 * np.log10(1e-3 * (1 - parts) + 10 * parts), (20, 1))
    np.testing.assert_allclose(found[valid], decibels[valid], atol=1e-5)


def test_what_weighs_less_than_half_is_invalid(tmp_path: Path) -> None:
    """Half a pixel beyond the centre of the last valid one, on all sides."""
    values = np.full((9, 9), np.nan, np.float32)
    values[3:6, 3:6] = 1
    path = write_raster(tmp_path / "s_vv.tif", values, **ALIGNED)
    with Scene.open([path], Reading(resolution=2, unit="intensity")) as scene:
        found, valid = whole(scene)
    expected = np.zeros((90, 90), np.bool_)
    expected[30:60, 30:60] = True
    expected[25:65, 25:65] &= valid[25:65, 25:65]
    assert not (valid & ~expected).any()
    assert valid[31:59, 40:50].all()
    assert valid[40:50, 31:59].all()
    assert (found[valid] == 1).all()


BRIGHT = 1e6


@pytest.fixture(scope="module", params=[None, 7.0, 55.0, 300.0])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    values = speckle(HEIGHT, WIDTH)
    rng = np.random.default_rng(3)
    values[rng.random(values.shape) < 0.01] *= BRIGHT
    values[rng.random(values.shape) < 0.2] = np.nan
    values[60:90, 100:200] = np.nan
    rasters = [
        write_raster(folder / "s_vv.tif", 10 * np.log10(values), **GCPS),
        write_raster(folder / "angle.tif", speckle(HEIGHT, WIDTH, seed=1), **GCPS),
        write_raster(folder / "mask.tif", (speckle(HEIGHT, WIDTH) > 0.2).astype("u1"), **GCPS),
    ]
    reading = Reading(
        bands=("VV", "incidence_angle", "layover_shadow"),
        unit="db",
        to_crs="EPSG:32643",
        resolution=request.param,
    )
    with Scene.open(rasters, reading) as opened:
        yield opened


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_window_is_that_window_of_the_whole(scene: Scene, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, scene.height - 1))
    col = data.draw(st.integers(0, scene.width - 1))
    height = data.draw(st.integers(1, min(scene.height - row, 70)))
    width = data.draw(st.integers(1, min(scene.width - col, 70)))
    around = Window(row, col, height, width).padded(90).within(scene.height, scene.width)
    values, valid = scene.read(around, [0, 1])
    part = Window(row, col, height, width).slices_in(around)
    found, found_valid = scene.read(Window(row, col, height, width), [0, 1])
    np.testing.assert_array_equal(found_valid, valid[part])
    np.testing.assert_allclose(found, values[:, *part], rtol=1e-6)


def test_masks_are_taken_from_the_nearest_pixel(tmp_path: Path) -> None:
    marks = np.random.default_rng(0).choice(np.array([0, 1, 4, 17], np.uint8), (HEIGHT, WIDTH))
    files = [
        write_raster(tmp_path / "s_vv.tif", speckle(HEIGHT, WIDTH) + 1, **GCPS),
        write_raster(tmp_path / "mask.tif", marks, nodata=17, **GCPS),
    ]
    reading = Reading(bands=("VV", "layover_shadow"), to_crs="EPSG:32643", unit="intensity")
    with Scene.open(files, reading) as scene:
        _, valid = whole(scene)
        exact = exact_places(GCP, scene.georeference)
    nearest = np.floor(exact).astype(int)
    fraction = exact - nearest
    size = np.array([WIDTH, HEIGHT])
    sure = ((exact > 0) & (exact < size) & (abs(fraction - 0.5) < 0.499)).all(axis=-1)
    marked = marks[*np.clip(nearest, 0, size - 1)[sure].T[::-1]]
    np.testing.assert_array_equal(valid[sure], ~np.isin(marked, [1, 4]))


def test_sources_are_read_in_pieces_however_coarse_the_pixels() -> None:
    side = 6000
    vast = Georeference(side, side, CRS.from_epsg(32631), from_origin(5e5, 5e6, 10, 10))
    ramp = Ramps(vast, "col")
    (band,), grid = warped([ramp], vast, None, 4000.0, "vast")
    values, valid = band.read(Window(0, 0, grid.height, grid.width))
    assert ramp.largest < 2**22 + 2**16  # of 2**25
    assert valid.all()
    np.testing.assert_allclose(values[7], np.arange(15) * 400 + 199.5, rtol=1e-6)


@pytest.mark.parametrize("resampling", [Resampling.bilinear, Resampling.average])
def test_gdal_agrees(tmp_path: Path, resampling: Resampling) -> None:
    place = {"crs": "EPSG:4326", "transform": from_origin(73.2, 30.4, 2e-4, 1.6e-4)}
    path = write_raster(tmp_path / "s_vv.tif", speckle(HEIGHT, WIDTH) + 1, **place)
    assert_agrees_with_gdal(path, "EPSG:32643", resampling, 19.0, least_correlation=0.95)


@pytest.mark.parametrize(
    ("name", "crs"),
    [
        ("s1_iw_gcps_vv", "EPSG:32643"),
        ("s1_sm_gcps_vh", "EPSG:32740"),
        ("s1_vv_db_utm", "EPSG:3857"),
    ],
)
@pytest.mark.parametrize("resampling", [Resampling.bilinear, Resampling.average])
def test_gdal_agrees_on_real_scenes(
    real_data: Path, name: str, crs: str, resampling: Resampling
) -> None:
    path = real_data / "scenes" / f"{name}.tif"
    assert_agrees_with_gdal(path, crs, resampling, None, least_correlation=0.99)


def assert_agrees_with_gdal(
    path: Path, crs: str, resampling: Resampling, size: float | None, least_correlation: float
) -> None:
    """The same pixels as GDAL's exact transformer gives, and the same places."""
    coarse = resampling == Resampling.average
    with rasterio.open(path) as dataset:
        georeference = Georeference.of(dataset)
    if coarse:
        size = 5 * (size or pixel_size(georeference) or 0)
    with (
        Scene.open([path], Reading(to_crs=crs, resolution=size)) as warp,
        Scene.open([path]) as raw,
    ):
        intensity, valid = whole(warp)
        intensity = to_intensity(intensity, warp.unit)
        source, there = whole(raw)
        source = np.where(there, to_intensity(source, raw.unit), np.nan)
        grid = warp.georeference
    gdal = by_gdal(source, georeference, grid, resampling)
    both = valid & np.isfinite(gdal)
    assert both.sum() > 0.99 * valid.sum()
    # an average of GDAL's is valid where any pixel is
    assert both.sum() > (0.9 if coarse else 0.99) * np.isfinite(gdal).sum()
    roots = np.sqrt(intensity[both]), np.sqrt(gdal[both])
    assert np.corrcoef(*roots)[0, 1] > least_correlation
    assert np.mean(roots[0]) == pytest.approx(np.mean(roots[1]), rel=0.01)
    _, places, known = places_of(georeference, crs, size)
    inner = (places > 9).all(axis=-1) & (places < np.array(source.T.shape) - 9).all(axis=-1)
    for axis in (0, 1):
        ramp = np.indices(source.shape, np.float32)[1 - axis] + 0.5
        theirs = by_gdal(ramp, georeference, grid, resampling)
        missed = np.abs(theirs - places[..., axis])[known & inner]
        assert np.quantile(missed, 0.5 if coarse else 0.99) < 0.1


def by_gdal(
    source: NDArray[Any], georeference: Georeference, grid: Georeference, resampling: Resampling
) -> NDArray[np.float32]:
    result = np.full((grid.height, grid.width), np.nan, np.float32)
    placed: dict[str, Any] = (
        {"gcps": list(georeference.gcps)}
        if georeference.transform is None
        else {"src_transform": georeference.transform}
    )
    reproject(
        source.astype(np.float32),
        result,
        src_crs=georeference.crs or georeference.gcp_crs,
        dst_crs=grid.crs,
        dst_transform=grid.transform,
        src_nodata=np.nan,
        dst_nodata=np.nan,
        resampling=resampling,
        tolerance=0,
        **placed,
    )
    return result


def gcps_of(points: list[tuple[float, float, float, float]]) -> dict[str, Any]:
    return {"gcps": [GroundControlPoint(*each) for each in points], "crs": CRS.from_epsg(4326)}


def unsound_points() -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(0)
    turn = np.linspace(0, 2 * np.pi, 7)[:6]
    circle = [
        (30 + 20 * np.sin(t), 30 + 20 * np.cos(t), 10 + np.cos(t), 50 + np.sin(t)) for t in turn
    ]
    folded = [
        (row, col, 10 + 1e-3 * (col - 25) ** 2, 50 - 1e-2 * row)
        for row in (0, 30, 60)
        for col in (0, 30, 60)
    ]
    return {
        "in line": gcps_of([(n, n, 10 + n, 50 - n) for n in range(9)]),
        "one spot": gcps_of([(n, n * n, 10, 50) for n in range(9)]),
        "anywhere": gcps_of([tuple(rng.uniform(0, 50, 4)) for _ in range(20)]),
        "on a circle": gcps_of(circle),
        "folded": gcps_of(folded),
    }


def test_every_scene_that_cannot_be_warped_gets_a_sentence(tmp_path: Path) -> None:
    points = unsound_points()
    far_north = {"crs": "EPSG:4326", "transform": from_origin(10, 120, 0.1, 0.1)}
    mars = CRS.from_string("+proj=longlat +R=3396190 +no_defs")
    cases: list[tuple[dict[str, Any], Reading, type[Exception], str]] = [
        ({}, Reading(to_crs="EPSG:32631"), InputError, "no georeferencing"),
        ({}, Reading(resolution=10), InputError, "no georeferencing"),
        ({"transform": ALIGNED["transform"]}, Reading(resolution=10), InputError, "names no CRS"),
        (points["in line"], Reading(resolution=1), InputError, "9 ground.* lie on one line"),
        (points["one spot"], Reading(resolution=1), InputError, "one line or spot"),
        (points["anywhere"], Reading(resolution=1), InputError, r"misses them by [\d.e+]+ pixels"),
        (points["on a circle"], Reading(resolution=1), InputError, "no polynomial"),
        (points["folded"], Reading(resolution=0.01), InputError, "do not fit|fold"),
        (ALIGNED, Reading(to_crs="EPSG:999999"), UsageError, "'EPSG:999999' is unknown"),
        (ALIGNED, Reading(to_crs="moon"), UsageError, "'moon' is unknown.*EPSG:32631"),
        (ALIGNED, Reading(to_crs="EPSG:4978"), UsageError, "has no map"),
        (far_north, Reading(to_crs="EPSG:32631"), UsageError, "can show"),
        ({**far_north, "crs": mars}, Reading(to_crs="EPSG:32631"), UsageError, "way leads|show"),
        (ALIGNED, Reading(resolution=1.9), UsageError, "would make .* 60 x 60"),
        (ALIGNED, Reading(resolution=5000), UsageError, "5000 metre leaves nothing.* 20 metre"),
        (GCPS, Reading(resolution=10), UsageError, "10 degree leaves nothing"),
        (ALIGNED, Reading(to_crs="EPSG:4326", resolution=20), UsageError, "20 degree"),
    ]
    for number, (place, reading, kind, told) in enumerate(cases):
        path = write_raster(tmp_path / f"s{number}_vv.tif", speckle(60, 60) + 1, **place)
        with pytest.raises(kind, match=told) as caught:
            Scene.open([path], reading)
        assert path.name in str(caught.value) or "The CRS" in str(caught.value)


def test_the_grid_of_a_scene_across_the_date_line_is_in_one_piece() -> None:
    _, grid = warped([], UTM_FIJI, "EPSG:4326", None, "Fiji")
    west, _, east, _ = map_bounds(grid)
    assert east - west < 0.5
    assert west < -180 < east or west < 180 < east
