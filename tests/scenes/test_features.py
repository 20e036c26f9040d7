"""Features of vector files on the grid of a scene."""

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import pyogrio
import pyproj
import pytest
import shapely
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin

from sarseg.errors import InputError
from sarseg.scenes.features import feature_extents
from sarseg.scenes.ground import to_map
from sarseg.scenes.reader import Scene
from sarseg.vectors.vectorize import vectorize
from tests.features import write_features
from tests.georeferences import HEIGHT, WIDTH, gcp_georeference
from tests.rasters import speckle, write_raster
from tests.vectors.maps import DEGREES, UTM, write_map

GCPS = gcp_georeference().profile() | {"height": HEIGHT, "width": WIDTH}
ROTATED = {"crs": "EPSG:32631", "transform": Affine(8, 3, 5e5, 3, -8, 5e6)}
PLACES: dict[str, dict[str, Any]] = {
    "utm": UTM,
    "degrees": DEGREES,
    "rotated": ROTATED,
    "south up": {"crs": "EPSG:32631", "transform": Affine(10, 0, 5e5, 0, 10, 5e6)},
    "gcps": {name: value for name, value in GCPS.items() if name in ("gcps", "crs")},
    "gcps without CRS": {"gcps": GCPS["gcps"], "crs": CRS()},
    "no CRS": {"transform": UTM["transform"]},
    "nothing": {},
}
WITHOUT_CRS = ("gcps without CRS", "no CRS", "nothing")
BLOCKS = [(0, 0, 30, 20), (290, 190, 300, 200), (100, 50, 101, 51), (40, 60, 220, 61)]


def open_scene(folder: Path, **profile: Any) -> Scene:
    path = write_raster(folder / "s_vv.tif", speckle(HEIGHT, WIDTH), **profile)
    return Scene.open([path])


def map_of(blocks: list[tuple[int, int, int, int]]) -> np.ndarray:
    classes = np.full((HEIGHT, WIDTH), 255, np.uint8)
    for left, top, right, bottom in blocks:
        classes[top:bottom, left:right] = 1
    return classes


@pytest.mark.parametrize("extension", ["gpkg", "geojson"])
@pytest.mark.parametrize("place", PLACES)
def test_what_vectorize_writes_comes_back_to_its_pixels(
    tmp_path: Path, place: str, extension: str
) -> None:
    landcover = write_map(tmp_path / "map.tif", map_of(BLOCKS), **PLACES[place])
    if extension == "geojson" and place in WITHOUT_CRS:
        extension = "fgb"  # which need not be on WGS 84
    polygons = tmp_path / f"polygons.{extension}"
    vectorize(landcover, polygons)
    with open_scene(tmp_path, **PLACES[place]) as scene:
        found = feature_extents(polygons, scene)
    expected = sorted(BLOCKS)
    # GeoJSON rounds degrees to seven decimals
    tolerance = 2e-3 if extension == "geojson" else 1e-3
    np.testing.assert_allclose(sorted(found.tolist()), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("extension", ["gpkg", "shp", "fgb", "geojson"])
def test_features_in_another_crs(tmp_path: Path, extension: str) -> None:
    to_degrees = pyproj.Transformer.from_crs("EPSG:32631", "EPSG:4326", always_xy=True)
    with open_scene(tmp_path, **UTM) as scene:
        outline = to_map(np.array([[20.0, 30], [90, 30], [90, 44], [20, 44]]), scene.georeference)
        degrees = np.column_stack(to_degrees.transform(*outline.T))
        shapes = [shapely.Polygon(degrees)]
        path = write_features(tmp_path / f"boxes.{extension}", shapes, "EPSG:4326")
        found = feature_extents(path, scene)
    np.testing.assert_allclose(found, [[20, 30, 90, 44]], rtol=0, atol=0.01)


@pytest.mark.parametrize("place", ["utm", "degrees", "rotated", "gcps"])
def test_what_reaches_far_beyond_the_scene_is_cut_to_it(tmp_path: Path, place: str) -> None:
    """Thousands of kilometres off, a projection or a polynomial may lead anywhere."""
    ocean = shapely.box(-180, -85, 180, 85)
    with open_scene(tmp_path, **PLACES[place]) as scene:
        path = write_features(tmp_path / "boxes.gpkg", [ocean], "EPSG:4326")
        np.testing.assert_array_equal(feature_extents(path, scene), [[0, 0, WIDTH, HEIGHT]])
        rng = np.random.default_rng(5)
        far = [shapely.box(x, y, x + 2, y + 2) for x, y in rng.uniform((-178, -88), 86, (200, 2))]
        own = shapely.transform(
            shapely.box(10, 20, 30, 40), lambda corners: to_map(corners, scene.georeference)
        )
        crs = scene.georeference.crs or scene.georeference.gcp_crs
        near = geopandas.GeoSeries([own], crs=crs).to_crs("EPSG:4326")
        far = [shape for shape in far if not shape.intersects(near[0])]
        path = write_features(tmp_path / "many.gpkg", [*far, near[0]], "EPSG:4326")
        np.testing.assert_allclose(feature_extents(path, scene), [[10, 20, 30, 40]], atol=0.01)


def test_long_edges_bend_on_the_way(tmp_path: Path) -> None:
    """A parallel is no straight line in a UTM zone: its middle lies 17 pixels off its ends."""
    wide = {"crs": "EPSG:32631", "transform": from_origin(400_000, 6_650_000, 1000, 1000)}
    with open_scene(tmp_path, **wide) as scene:
        edge = 59.0
        path = write_features(
            tmp_path / "boxes.gpkg", [shapely.box(1.3, edge, 6.3, edge + 0.9)], "EPSG:4326"
        )
        ((_, _, _, bottom),) = feature_extents(path, scene)
        onto = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32631", always_xy=True)
        along = onto.transform(np.linspace(1.3, 6.3, 1001), np.full(1001, edge))[1]
    assert bottom == pytest.approx((6_650_000 - along.min()) / 1000, abs=0.05)


def test_a_scene_across_the_date_line(tmp_path: Path) -> None:
    fiji = {"crs": "EPSG:32760", "transform": from_origin(815_000, 8_100_000, 100, 100)}
    back = pyproj.Transformer.from_crs("EPSG:32760", "EPSG:4326", always_xy=True)
    with open_scene(tmp_path, **fiji) as scene:
        shapes = []
        for left in (10, 250):  # west and east of the line
            block = shapely.box(left, 50, left + 20, 90)
            outline = to_map(shapely.get_coordinates(block), scene.georeference)
            shapes.append(shapely.Polygon(np.column_stack(back.transform(*outline.T))))
        assert shapes[0].centroid.x > 179
        assert shapes[1].centroid.x < -179
        path = write_features(tmp_path / "boxes.gpkg", shapes, "EPSG:4326")
        found = feature_extents(path, scene)
    np.testing.assert_allclose(found, [[10, 50, 30, 90], [250, 50, 270, 90]], atol=0.01)


def test_what_is_narrower_than_a_pixel_is_left_out(tmp_path: Path) -> None:
    shapes = [
        shapely.box(10, 10, 10.9, 50),
        shapely.box(10, 10, 11, 11),
        shapely.box(-30, 10, 0.5, 50),
        shapely.box(-30, 10, 1.5, 50),
        shapely.Point(20, 20),
        shapely.LineString([(20, 20), (30, 25)]),
        shapely.Polygon(),
        None,
    ]
    with open_scene(tmp_path) as scene:
        path = write_features(tmp_path / "boxes.gpkg", shapes)
        found = feature_extents(path, scene)
    np.testing.assert_array_equal(found, [[10, 10, 11, 11], [0, 10, 1.5, 50], [20, 20, 30, 25]])


def test_tables_beside_the_features_do_not_matter(tmp_path: Path) -> None:
    with open_scene(tmp_path) as scene:
        path = write_features(tmp_path / "boxes.gpkg", [shapely.box(1, 2, 3, 4)])
        pyogrio.write_dataframe(pandas.DataFrame({"style": ["blue"]}), path, layer="layer_styles")
        np.testing.assert_array_equal(feature_extents(path, scene), [[1, 2, 3, 4]])


def unusable(folder: Path) -> dict[str, tuple[dict[str, Any], Path, str]]:
    """The place of a scene, a file of boxes, and what is said of them."""
    here = [shapely.box(620_100, 4_829_000, 620_200, 4_829_100)]
    layers = write_features(folder / "layers.gpkg", here, "EPSG:32631", layer="a")
    write_features(layers, here, "EPSG:32631", layer="b")
    (folder / "text.gpkg").write_text("no vectors")
    (folder / "table.csv").write_text("a,b\n1,2\n")
    write_raster(folder / "map.tif", np.zeros((4, 4), np.uint8))
    damaged = write_features(folder / "damaged.shp", here * 50, "EPSG:32631")
    damaged.write_bytes(damaged.read_bytes()[:2000])
    mars = pyproj.CRS.from_proj4("+proj=longlat +R=3396190 +no_defs")
    local = 'LOCAL_CS["a quarry",UNIT["metre",1]]'
    line = [GCPS["gcps"][n] for n in (0, 1, 2)]
    boxes = write_features(folder / "here.gpkg", here, "EPSG:32631")
    return {
        "missing": (UTM, folder / "gone.gpkg", "gone.gpkg does not exist"),
        "folder": (UTM, folder / "empty", "no vector file"),
        "text": (UTM, folder / "text.gpkg", "no vector file"),
        "raster": (UTM, folder / "map.tif", "--boxes-from"),
        "table": (UTM, folder / "table.csv", "no layer with shapes"),
        "layers": (UTM, layers, "layers a, b"),
        "damaged": (UTM, damaged, "damaged.shp"),
        "empty": (UTM, write_features(folder / "0.gpkg", here[:0], "EPSG:32631"), "no feature"),
        "no CRS": (UTM, write_features(folder / "no.gpkg", here), "no CRS.*EPSG:32631"),
        "local CRS": (UTM, write_features(folder / "local.gpkg", here, local), "no way leads"),
        "Mars": (UTM, write_features(folder / "mars.gpkg", here, mars), "no way leads|No feature"),
        "elsewhere": (DEGREES, boxes, "No feature of"),
        "a CRS too many": ({}, boxes, "here.gpkg is in EPSG:32631, but s_vv.tif has no CRS"),
        "points in line": ({"gcps": line, "crs": "EPSG:4326"}, boxes, "on one line"),
    }


def test_every_unusable_file_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for what, (place, path, told) in unusable(tmp_path).items():
        with open_scene(tmp_path, **place) as scene:
            with pytest.raises(InputError, match=told) as caught:
                feature_extents(path, scene)
            assert path.name in str(caught.value), what
