"""The part of a scene within an area of interest."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin

from sarseg.errors import InputError, UsageError
from sarseg.scenes.ground import to_map
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.window import Window
from tests.features import write_features
from tests.georeferences import HEIGHT, WIDTH, gcp_georeference
from tests.rasters import speckle, write_raster
from tests.vectors.maps import DEGREES, UTM

GCPS = gcp_georeference().profile()
PLACES: dict[str, dict[str, Any]] = {
    "utm": UTM,
    "degrees": DEGREES,
    "rotated": {"crs": "EPSG:32631", "transform": Affine(8, 3, 5e5, 3, -8, 5e6)},
    "gcps": {"gcps": GCPS["gcps"], "crs": GCPS["crs"]},
    "no CRS": {"transform": UTM["transform"]},
    "nothing": {},
}
RING = shapely.Polygon(
    [(20, 30), (120, 50), (100, 150), (40, 140)], [[(50, 60), (80, 70), (70, 110)]]
)
"""In pixels, with a hole; its edges lead through centres of pixels."""


def scene_file(folder: Path, **place: Any) -> Path:
    values = speckle(HEIGHT, WIDTH)
    values[:, :25] = values[40:45, 60:70] = -1
    return write_raster(folder / "s_vv.tif", values, nodata=-1, **place)


def whole(scene: Scene) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    return scene.read(Window(0, 0, scene.height, scene.width), [0])


def centres_within(shape: Any) -> NDArray[np.bool_]:
    cols, rows = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    return np.asarray(shapely.contains_xy(shape, cols, rows))


def on_map(shape: Any, path: Path) -> Any:
    with Scene.open([path]) as scene:
        return shapely.transform(shape, lambda corners: to_map(corners, scene.georeference))


@pytest.mark.parametrize("place", PLACES)
def test_pixels_whose_centres_lie_in_the_polygons_are_left(tmp_path: Path, place: str) -> None:
    path = scene_file(tmp_path, **PLACES[place])
    far = shapely.box(200, 20, 230.2, 40.4)
    ring = shapely.transform(RING, lambda corners: corners + np.array([0.23, 0.11]))
    near = shapely.MultiPolygon([ring, shapely.box(150, 100, 160, 170)])
    shapes = [on_map(near, path), on_map(far, path), on_map(shapely.Point(5, 5), path)]
    crs = PLACES[place].get("crs")
    area = write_features(tmp_path / "area.gpkg", shapes, crs)
    with Scene.open([path]) as scene, Scene.open([path], Reading(area=str(area))) as cut:
        values, valid = whole(scene)
        window = Window(20, 20, 150, 210)
        found, inside = whole(cut)
        assert (cut.height, cut.width) == (window.height, window.width)
        assert cut.georeference.difference(scene.georeference.window(window)) is None
    part = window.slices_in(Window(0, 0, HEIGHT, WIDTH))
    expected = centres_within(shapely.union_all([near, far]))
    np.testing.assert_array_equal(inside, (valid & expected)[part])
    np.testing.assert_array_equal(found, values[:, *part])


@pytest.mark.parametrize("place", PLACES)
def test_bounds_cut_a_window(tmp_path: Path, place: str) -> None:
    path = scene_file(tmp_path, **PLACES[place])
    left, bottom, right, top = on_map(shapely.box(30, 40, 110, 90), path).bounds
    area = f"{left!r},{bottom!r},{right!r},{top!r}"
    with Scene.open([path]) as scene, Scene.open([path], Reading(area=area)) as cut:
        _, valid = whole(scene)
        _, inside = whole(cut)
        x, y = _centres_on_map(scene).T
        within = ((left < x) & (x < right) & (bottom < y) & (y < top)).reshape(valid.shape)
    rows, cols = np.flatnonzero(within.any(axis=1)), np.flatnonzero(within.any(axis=0))
    part = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    np.testing.assert_array_equal(inside, (within & valid)[part])


def _centres_on_map(scene: Scene) -> NDArray[np.float64]:
    cols, rows = np.meshgrid(np.arange(scene.width) + 0.5, np.arange(scene.height) + 0.5)
    return to_map(np.column_stack([cols.ravel(), rows.ravel()]), scene.georeference)


def test_rows_of_a_scene_without_georeferencing_may_be_given_either_way(tmp_path: Path) -> None:
    path = scene_file(tmp_path)
    for area in ("30,40,110,90", "30,90,110,40"):
        with Scene.open([path], Reading(area=area)) as cut:
            assert (cut.height, cut.width) == (50, 80)


@pytest.fixture(scope="module", params=["utm", "gcps"])
def ring(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder, place = tmp_path_factory.mktemp("ring"), PLACES[request.param]
    path = scene_file(folder, **place)
    return path, write_features(folder / "a.gpkg", [on_map(RING, path)], place["crs"])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_window_is_that_window_of_the_whole(ring: tuple[Path, Path], data: st.DataObject) -> None:
    path, area = ring
    with Scene.open([path], Reading(area=str(area))) as cut:
        values, valid = whole(cut)
        row = data.draw(st.integers(0, cut.height - 1))
        col = data.draw(st.integers(0, cut.width - 1))
        height = data.draw(st.integers(1, cut.height - row))
        width = data.draw(st.integers(1, cut.width - col))
        window = Window(row, col, height, width)
        some, some_valid = cut.read(window, [0])
    part = window.slices_in(Window(0, 0, *valid.shape))
    np.testing.assert_array_equal(some_valid, valid[part])
    np.testing.assert_array_equal(some, values[:, *part])


def test_overlapping_polygons_are_one_area(tmp_path: Path) -> None:
    path = scene_file(tmp_path, **UTM)
    shapes = [shapely.box(40, 40, 80, 80), shapely.box(60, 60, 100, 100)]
    area = write_features(tmp_path / "a.gpkg", [on_map(s, path) for s in shapes], UTM["crs"])
    with Scene.open([path], Reading(area=str(area))) as cut:
        _, inside = whole(cut)
    assert inside[25:35, 25:35].all()
    assert inside.shape == (60, 60)


@pytest.mark.parametrize("style", ["split", "running on", "from 0 to 360"])
@pytest.mark.parametrize("scene_crs", ["EPSG:32760", "EPSG:4326"])
def test_across_the_date_line(tmp_path: Path, style: str, scene_crs: str) -> None:
    """All ways to write longitudes there lead to the same pixels."""
    origins = {
        "EPSG:32760": from_origin(815_000, 8_100_000, 100, 100),
        "EPSG:4326": from_origin(179.9, -17, 1e-3, 1e-3),
    }
    path = scene_file(tmp_path, crs=scene_crs, transform=origins[scene_crs])
    pixels = shapely.box(30, 60, 280, 140)
    onto = pyproj.Transformer.from_crs(scene_crs, "EPSG:4326", always_xy=True)

    def degrees(corners: NDArray[np.float64]) -> NDArray[np.float64]:
        lon, lat = onto.transform(*corners.T)
        return np.column_stack([np.where(lon < 0, lon + 360, lon), lat])

    east = shapely.transform(shapely.segmentize(on_map(pixels, path), 0.05), degrees)
    assert east.bounds[0] < 180 < east.bounds[2]
    shape = {
        "split": shapely.union(
            shapely.clip_by_rect(east, 0, -90, 180, 90),
            shapely.transform(
                shapely.clip_by_rect(east, 180, -90, 360, 90), lambda each: each - [360, 0]
            ),
        ),
        "running on": shapely.transform(east, lambda each: each - [360, 0]),
        "from 0 to 360": east,
    }[style]
    area = write_features(tmp_path / "a.gpkg", [shape], "EPSG:4326")
    with Scene.open([path], Reading(area=str(area))) as cut, Scene.open([path]) as scene:
        _, inside = whole(cut)
        _, valid = whole(scene)
    assert inside.shape == (80, 250)
    np.testing.assert_array_equal(inside, valid[60:140, 30:280])


def test_a_polygon_larger_than_the_scene_leaves_it_as_it_is(tmp_path: Path) -> None:
    path = scene_file(tmp_path, **PLACES["gcps"])
    area = write_features(tmp_path / "a.geojson", [shapely.box(-170, -80, 170, 80)], "EPSG:4326")
    with Scene.open([path], Reading(area=str(area))) as cut, Scene.open([path]) as scene:
        np.testing.assert_array_equal(whole(cut)[1], whole(scene)[1])


def test_the_area_of_a_warped_scene_is_in_its_new_crs(tmp_path: Path) -> None:
    path = scene_file(tmp_path, **DEGREES)
    with Scene.open([path], Reading(to_crs="EPSG:32643")) as scene:
        transform = scene.georeference.transform
    assert transform is not None
    (x, y), size = transform @ (0, 0), transform.a
    area = f"{x + 10 * size},{y - 50 * size},{x + 70 * size},{y - 20 * size}"
    with Scene.open([path], Reading(to_crs="EPSG:32643", area=area)) as cut:
        assert (cut.height, cut.width) == (30, 60)


def test_every_unusable_area_gets_a_sentence(tmp_path: Path) -> None:
    box = shapely.box(620_100, 4_829_000, 620_200, 4_829_100)
    damaged = write_features(tmp_path / "damaged.shp", [box] * 50, "EPSG:32631")
    damaged.write_bytes(damaged.read_bytes()[:2000])
    (tmp_path / "text.gpkg").write_text("no vectors")
    nothing = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "EPSG:32631"}},
        "features": [],
    }
    (tmp_path / "none.geojson").write_text(json.dumps(nothing))
    places = {
        "utm": scene_file(tmp_path, **UTM),
        "nothing": write_raster(tmp_path / "plain_vv.tif", speckle(9, 9)),
        "line": write_raster(
            tmp_path / "line_vv.tif", speckle(9, 9), gcps=GCPS["gcps"][:3], crs=CRS.from_epsg(4326)
        ),
    }

    def features(name: str, shape: Any, crs: str | None = "EPSG:32631") -> str:
        return str(write_features(tmp_path / name, [shape], crs))

    cases: list[tuple[str, str, type[Exception], str]] = [
        ("utm", str(tmp_path / "gone.gpkg"), InputError, "gone.gpkg does not exist"),
        ("utm", str(tmp_path / "text.gpkg"), InputError, "no vector file"),
        ("utm", str(damaged), InputError, "damaged"),
        ("utm", str(tmp_path / "none.geojson"), InputError, "no feature"),
        ("utm", features("0.gpkg", box, None), InputError, "no CRS.*EPSG:32631"),
        ("utm", features("1.gpkg", shapely.LineString(box.exterior)), InputError, "no polygon"),
        ("utm", features("2.gpkg", shapely.box(0, 0, 9, 9)), InputError, "holds no pixel.*s_vv"),
        ("utm", "0,0,9,9", InputError, "holds no pixel of s_vv.tif.*620048.25.*EPSG:32631"),
        ("utm", "620100,4829000,620200", UsageError, "four numbers.*EPSG:32631"),
        ("utm", "620100,4829000,620200,north", UsageError, "four numbers"),
        ("utm", "620200,4829000,620100,4829100", UsageError, "left below right"),
        ("utm", "620100,4829100,620200,4829000", UsageError, "bottom below top"),
        ("utm", "nan,4829000,620200,4829100", UsageError, "is empty"),
        ("nothing", "3,3,2,5", UsageError, "columns and rows"),
        ("nothing", features("3.gpkg", box), InputError, "EPSG:32631, but plain_vv.tif has no CRS"),
        ("line", "75,30,76,31", InputError, "line_vv.tif.*on one line"),
    ]
    for place, area, kind, told in cases:
        with pytest.raises(kind, match=told):
            Scene.open([places[place]], Reading(area=area))


def test_a_file_with_commas_in_its_name_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scene_file(tmp_path, **UTM)
    shape = on_map(shapely.box(40, 40, 80, 70), path)
    monkeypatch.chdir(tmp_path)
    write_features(Path("1,2,3,4.gpkg"), [shape], UTM["crs"])
    assert pyogrio.list_layers("1,2,3,4.gpkg").size
    with Scene.open([path], Reading(area="1,2,3,4.gpkg")) as cut:
        assert (cut.height, cut.width) == (30, 40)
