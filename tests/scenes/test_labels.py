"""Labels on the pixels of a scene: rasters of any grid, polygons, tables of classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.transform import Affine, from_origin
from rasterio.warp import calculate_default_transform, reproject

from sarseg.errors import InputError, SarsegError, UsageError
from sarseg.scenes import placed_raster
from sarseg.scenes.ground import map_bounds, to_map
from sarseg.scenes.labels import open_labels
from sarseg.scenes.labels.table import read_class_table
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.window import Window
from sarseg.vectors.vectorize import vectorize
from tests.features import write_features
from tests.georeferences import HEIGHT, WIDTH, gcp_georeference
from tests.rasters import speckle, write_raster
from tests.vectors.maps import DEGREES, UTM, blocky, write_map

GCPS = {key: value for key, value in gcp_georeference().profile().items() if key in ("gcps", "crs")}
PLACES: dict[str, dict[str, Any]] = {
    "utm": UTM,
    "degrees": DEGREES,
    "rotated": {"crs": "EPSG:32631", "transform": Affine(8, 3, 5e5, 3, -8, 5e6)},
    "gcps": GCPS,
    "nothing": {},
}
IDS = blocky(HEIGHT, WIDTH, seed=3)


def scene_file(folder: Path, **place: Any) -> Path:
    return write_raster(folder / "s_vv.tif", speckle(HEIGHT, WIDTH), **place)


def whole(scene: Scene) -> Window:
    return Window(0, 0, scene.height, scene.width)


def labelled(
    scene: Path, labels: Path, reading: Reading | None = None, **options: Any
) -> NDArray[np.uint8]:
    with (
        Scene.open([scene], reading or Reading()) as opened,
        open_labels(labels, opened, **options) as found,
    ):
        return found.read(whole(opened))


def named(scene: Path, labels: Path, **options: Any) -> list[tuple[int, str]]:
    with Scene.open([scene]) as opened, open_labels(labels, opened, **options) as found:
        return [(entry.id, entry.name) for entry in found.named]


def table(folder: Path, text: str) -> Path:
    path = folder / "table.yaml"
    path.write_text(text)
    return path


def polygons(
    path: Path, shapes: Sequence[Any], crs: object = UTM["crs"], **attributes: Sequence[Any]
) -> Path:
    geopandas.GeoDataFrame(attributes, geometry=list(shapes), crs=crs).to_file(path)
    return path


def square(left: int, top: int, side: int) -> Any:
    """A square of pixels of the scene at UTM."""
    x, y = UTM["transform"] * (left, top)
    return shapely.box(x, y - 20 * side, x + 20 * side, y)


class TestRasters:
    @pytest.mark.parametrize("place", PLACES)
    def test_of_the_same_pixels_are_taken_as_they_are(self, tmp_path: Path, place: str) -> None:
        scene = scene_file(tmp_path, **PLACES[place])
        labels = write_raster(tmp_path / "l.tif", IDS, nodata=2, **PLACES[place])
        np.testing.assert_array_equal(labelled(scene, labels), np.where(IDS == 2, 255, IDS))

    @pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:4326", "EPSG:3035"])
    @pytest.mark.parametrize("place", ["utm", "degrees", "rotated", "gcps"])
    def test_of_other_pixels_are_the_nearest(self, tmp_path: Path, place: str, crs: str) -> None:
        scene_path = scene_file(tmp_path, **PLACES[place])
        with Scene.open([scene_path]) as scene:
            map_crs = scene.georeference.crs or scene.georeference.gcp_crs
            transform, width, height = calculate_default_transform(
                map_crs, crs, WIDTH, HEIGHT, *map_bounds(scene.georeference)
            )
            rows, cols = np.indices((HEIGHT, WIDTH)).reshape(2, -1)
            centres = to_map(np.column_stack([cols, rows]) + 0.5, scene.georeference)
        grid = {"crs": crs, "transform": transform * Affine(1.7, 0, -0.03, 0, 2.3, -0.07)}
        ids = blocky(int(height / 2.3) + 1, int(width / 1.7) + 1, seed=1, classes=6)
        labels = write_raster(tmp_path / "l.tif", ids, nodata=255, **grid)
        x, y = rasterio.warp.transform(map_crs, crs, *centres.T)
        with rasterio.open(labels) as dataset:
            under = [value for (value,) in dataset.sample(zip(x, y, strict=True))]
        found = labelled(scene_path, labels)
        # but for centres on the edge of a pixel
        assert (found.ravel() == under).mean() > 0.9995
        assert (found != 255).mean() > 0.95

    def test_beyond_them_nothing_is_labelled(self, tmp_path: Path) -> None:
        scene = scene_file(tmp_path, **UTM)
        moved = UTM | {"transform": UTM["transform"] * Affine.translation(100.2, 50)}
        labels = write_raster(tmp_path / "l.tif", IDS, **moved)
        found = labelled(scene, labels)
        assert (found[:50] == 255).all()
        assert (found[:, :100] == 255).all()
        np.testing.assert_array_equal(found[50:, 100:], IDS[:-50, :-100])

    def test_centres_on_an_edge_go_to_one_side(self, tmp_path: Path) -> None:
        """Labels twice as fine as the scene: each centre is a corner of four of their pixels."""
        scene = scene_file(tmp_path, **UTM)
        fine = UTM | {"transform": UTM["transform"] * Affine.scale(0.5)}
        ids = np.kron(IDS, np.array([[9, 9], [9, 1]], np.uint8))
        found = labelled(scene, write_raster(tmp_path / "l.tif", ids, **fine))
        np.testing.assert_array_equal(found, IDS)

    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    @pytest.mark.parametrize("nodata", [None, np.nan, -3.4028234663852886e38])
    @pytest.mark.parametrize("scale", [1, 0.5])
    def test_whole_numbers_may_be_stored_as_floats(
        self, tmp_path: Path, kind: type, nodata: float | None, scale: float
    ) -> None:
        scene = scene_file(tmp_path, **UTM)
        values = IDS.astype(kind)
        values[:10] = np.nan if nodata is None else nodata
        values[10:20] = np.nan
        values = np.kron(values, np.ones((int(1 / scale),) * 2, kind))
        place = UTM | {"transform": UTM["transform"] * Affine.scale(scale)}
        labels = write_raster(tmp_path / "l.tif", values, nodata=nodata, **place)
        expected = IDS.copy()
        expected[:20] = 255
        np.testing.assert_array_equal(labelled(scene, labels), expected)
        table_of_one = table(tmp_path, "7: {name: one, from: [1]}")
        found = labelled(scene, labels, classes=table_of_one, ignore=[0, 2, 3])
        np.testing.assert_array_equal(found, np.where(expected == 1, 7, 255))

    @pytest.mark.parametrize("value", [1.5, np.inf, -3.4e38])
    def test_others_are_refused_with_their_place(self, tmp_path: Path, value: float) -> None:
        scene = scene_file(tmp_path, **UTM)
        values = IDS.astype(np.float32)
        values[30, 40] = value
        labels = write_raster(tmp_path / "l.tif", values, **UTM)
        with pytest.raises(InputError) as caught:
            labelled(scene, labels)
        assert f"l.tif holds {value:g} at row 30, column 40 of the scene" in str(caught.value)

    def test_elsewhere_are_refused(self, tmp_path: Path) -> None:
        scene = scene_file(tmp_path, **UTM)
        for cols, rows in ((WIDTH + 9, 0), (0, -HEIGHT - 9)):
            moved = UTM | {"transform": UTM["transform"] * Affine.translation(cols, rows)}
            labels = write_raster(tmp_path / "l.tif", IDS, **moved)
            with pytest.raises(InputError, match=r"l\.tif does not overlap s_vv\.tif"):
                labelled(scene, labels)
        corner = UTM | {"transform": UTM["transform"] * Affine.translation(WIDTH - 1, HEIGHT - 1)}
        labels = write_raster(tmp_path / "l.tif", np.ones((HEIGHT + 1, WIDTH), "u1"), **corner)
        assert (labelled(scene, labels) == 1).sum() == 1

    def test_across_the_date_line(self, tmp_path: Path) -> None:
        grid = {"crs": "EPSG:4326", "transform": from_origin(179.9, 10, 0.001, 0.001)}
        scene = scene_file(tmp_path, **grid)
        world = np.arange(360, dtype=np.int16)[None].repeat(180, axis=0) % 200
        labels = write_raster(
            tmp_path / "l.tif", world, crs="EPSG:4326", transform=from_origin(-180, 90, 1, 1)
        )
        found = labelled(scene, labels)
        assert (found[:, :100] == 359 % 200).all()
        assert (found[:, 100:] == 0).all()

    def test_much_finer_ones_are_read_in_pieces(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scene = scene_file(tmp_path, **UTM)
        fine = UTM | {"transform": UTM["transform"] * Affine.scale(1 / 3)}
        labels = write_raster(tmp_path / "l.tif", np.kron(IDS, np.ones((3, 3), np.uint8)), **fine)
        monkeypatch.setattr(placed_raster, "_SOURCE_PIXELS_AT_ONCE", 500)
        np.testing.assert_array_equal(labelled(scene, labels), IDS)

    def test_an_area_of_interest_takes_the_same_labels(self, tmp_path: Path) -> None:
        scene = scene_file(tmp_path, **GCPS)
        labels = write_raster(
            tmp_path / "l.tif", IDS, crs="EPSG:4326",
            transform=from_origin(73.19, 30.41, 2.1e-4, 2.1e-4),
        )  # fmt: skip
        left, bottom, right, top = 73.21, 30.375, 73.24, 30.39
        reading = Reading(area=f"{left},{bottom},{right},{top}")
        with Scene.open([scene], reading) as cut:
            part = cut.cut
        everything = labelled(scene, labels)
        np.testing.assert_array_equal(
            labelled(scene, labels, reading),
            everything[part.slices_in(Window(0, 0, HEIGHT, WIDTH))],
        )
        assert (everything != 255).mean() > 0.5


class TestTables:
    def test_source_values_become_classes(self, tmp_path: Path) -> None:
        """As for WorldCover."""
        cover = np.array([10, 20, 30, 80, 90, 0], np.uint8)
        values = cover[np.random.default_rng(0).integers(0, 6, (HEIGHT, WIDTH))]
        scene = scene_file(tmp_path, **UTM)
        labels = write_raster(tmp_path / "l.tif", values, nodata=0, **UTM)
        classes = table(
            tmp_path,
            '1: {name: woodland, colour: "#006400", from: [10, 20]}\n'
            "2: {name: grass, from: [30]}\n3: {name: water, from: 80}\n4: town\n",
        )
        found = labelled(scene, labels, classes=classes, ignore=[90])
        means = {10: 1, 20: 1, 30: 2, 80: 3, 90: 255, 0: 255}
        np.testing.assert_array_equal(found, np.vectorize(means.get)(values))
        assert named(scene, labels, classes=classes, ignore=[90]) == [
            (1, "woodland"), (2, "grass"), (3, "water"), (4, "town"),
        ]  # fmt: skip

    def test_an_ignored_source_value_takes_no_class_of_that_id_away(self, tmp_path: Path) -> None:
        scene = scene_file(tmp_path, **UTM)
        labels = write_raster(tmp_path / "l.tif", np.where(IDS, 20, 1).astype(np.uint8), **UTM)
        classes = table(tmp_path, "1: {name: woodland, from: [20]}\n")
        found = labelled(scene, labels, classes=classes, ignore=[1])
        np.testing.assert_array_equal(found, np.where(IDS, 1, 255))
        assert named(scene, labels, classes=classes, ignore=[1]) == [(1, "woodland")]

    def test_a_value_in_none_is_refused(self, tmp_path: Path) -> None:
        values = np.full((HEIGHT, WIDTH), 10, np.int16)
        values[7, 9] = 995
        scene = scene_file(tmp_path, **UTM)
        labels = write_raster(tmp_path / "l.tif", values, **UTM)
        classes = table(tmp_path, "1: {name: woodland, from: [10]}\n")
        with pytest.raises(InputError) as caught:
            labelled(scene, labels, classes=classes)
        for part in ("l.tif holds 995 at row 7, column 9", "table.yaml", "--ignore 995"):
            assert part in str(caught.value)

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("1: {name: a, from: [10]}\n2: {name: b, from: [10]}\n", "value 10 .* both 1 and 2"),
            ("1: {name: a, from: [1.5]}\n", r"1\.5 under `from` of 1"),
            ("1: {name: a, from: [yes]}\n", "True under `from`"),
            ("1: {name: a, from: {b: c}}\n", "under `from`"),
            ("1: {from: [10]}\n", "unusable entry 1"),
            ("1: water\n2: sea\n1: town\n", r"1 stands there twice \(line 3, column 1\)\.$"),
            ("1: {name: a, from: [10}\n", r"\(line 1, column \d+\)\.$"),
            ("1: water\n4: Water\n", "calls both 1 and 4 Water"),
        ],
    )
    def test_that_make_no_sense_are_refused(self, tmp_path: Path, text: str, told: str) -> None:
        with pytest.raises(InputError, match=rf"class file .*table\.yaml .*{told}"):
            read_class_table(table(tmp_path, text))

    def test_words_are_ignored_in_polygons_only(self, tmp_path: Path) -> None:
        scene = scene_file(tmp_path, **UTM)
        labels = write_raster(tmp_path / "l.tif", IDS, **UTM)
        with pytest.raises(UsageError, match="'none' is none"):
            labelled(scene, labels, ignore=["none"])
        with pytest.raises(UsageError, match="--label-attribute is for polygons"):
            labelled(scene, labels, attribute="id")


class TestPolygons:
    def test_elsewhere_are_refused(self, tmp_path: Path) -> None:
        scene = scene_file(tmp_path, **UTM)
        labels = polygons(tmp_path / "p.gpkg", [square(10 * WIDTH, 0, 5)], class_id=[1])
        with pytest.raises(InputError, match=r"p\.gpkg do not overlap s_vv\.tif"):
            labelled(scene, labels)

    @pytest.mark.parametrize("place", PLACES)
    @pytest.mark.parametrize("suffix", ["gpkg", "geojson"])
    def test_of_a_map_give_the_map_back(self, tmp_path: Path, place: str, suffix: str) -> None:
        ids = IDS.copy()
        ids[20:60, 30:70] = 255
        scene = scene_file(tmp_path, **PLACES[place])
        landcover = write_map(tmp_path / "map.tif", ids, **PLACES[place])
        if suffix == "geojson" and "crs" not in PLACES[place]:
            suffix = "fgb"  # which need not be on WGS 84
        vectorize(landcover, tmp_path / f"map.{suffix}")
        np.testing.assert_array_equal(labelled(scene, tmp_path / f"map.{suffix}"), ids)

    def test_the_later_lies_over_the_earlier_and_null_is_unlabelled(self, tmp_path: Path) -> None:
        scene = scene_file(tmp_path, **UTM)
        labels = polygons(
            tmp_path / "l.gpkg",
            [square(0, 0, 50), square(10, 10, 20), square(20, 20, 20), square(25, 25, 5)],
            kind=[3, 4, None, 5],
        )
        found = labelled(scene, labels, attribute="kind")
        expected = np.full((HEIGHT, WIDTH), 255)
        expected[:50, :50], expected[10:30, 10:30], expected[20:40, 20:40] = 3, 4, 255
        expected[25:30, 25:30] = 5
        np.testing.assert_array_equal(found, expected)

    def test_names_are_numbered_in_order_over_the_whole_file(self, tmp_path: Path) -> None:
        scene = scene_file(tmp_path, **UTM)
        shapes = [square(0, 0, 10), square(20, 0, 10), square(90_000, 0, 10), square(40, 0, 10)]
        labels = polygons(tmp_path / "l.gpkg", shapes, kind=["wood", "field", "lake", "unknown"])
        options: dict[str, Any] = {"attribute": "kind", "ignore": ["unknown"]}
        assert named(scene, labels, **options) == [(1, "field"), (2, "lake"), (3, "wood")]
        found = labelled(scene, labels, **options)
        assert (found[0, 0], found[0, 20], found[0, 40]) == (3, 1, 255)

    def test_names_are_those_of_the_table(self, tmp_path: Path) -> None:
        scene = scene_file(tmp_path, **UTM)
        shapes = [square(0, 0, 10), square(20, 0, 10)]
        labels = polygons(tmp_path / "l.gpkg", shapes, kind=["wood", "field"])
        found = labelled(
            scene, labels, attribute="kind", classes=table(tmp_path, "7: wood\n9: field")
        )
        assert (found[0, 0], found[0, 20]) == (7, 9)
        with pytest.raises(InputError, match=r"'kind' of a polygon .* is 'field', .*table\.yaml"):
            labelled(scene, labels, attribute="kind", classes=table(tmp_path, "7: wood\n"))

    def test_source_values_become_classes(self, tmp_path: Path) -> None:
        """As for CORINE, whose codes are text, though they are numbers."""
        scene = scene_file(tmp_path, **UTM)
        shapes = [square(0, 0, 10), square(20, 0, 10), square(40, 0, 10)]
        labels = polygons(tmp_path / "l.gpkg", shapes, Code_18=["311", "312", "512"])
        classes = table(
            tmp_path, '1: {name: wood, from: [311, "312"]}\n2: {name: water, from: 512}'
        )
        found = labelled(scene, labels, attribute="Code_18", classes=classes)
        assert (found[0, 0], found[0, 20], found[0, 40]) == (1, 1, 2)
        classes = table(tmp_path, "1: {name: wood, from: [311, 312]}\n")
        with pytest.raises(InputError, match=r"'Code_18' of a polygon .* is '512'.*--ignore 512"):
            labelled(scene, labels, attribute="Code_18", classes=classes)

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ([300, 1], "is '300'; class ids are 0 to 254"),
            ([-1, 1], "is '-1'; class ids"),
            ([1.5, 1.0], "a number"),
            (["1", "wood"], "is '1', a number, and of others 'wood'"),
        ],
    )
    def test_unusable_values_are_named(self, tmp_path: Path, values: list[Any], told: str) -> None:
        scene = scene_file(tmp_path, **UTM)
        shapes = [square(0, 0, 10), square(20, 0, 10)]
        labels = polygons(tmp_path / "l.gpkg", shapes, kind=values)
        with pytest.raises(InputError, match=told):
            labelled(scene, labels, attribute="kind")

    def test_without_the_attribute_or_a_polygon_are_refused(self, tmp_path: Path) -> None:
        scene = scene_file(tmp_path, **UTM)
        labels = polygons(tmp_path / "l.gpkg", [square(0, 0, 10)], kind=[1], year=[2020])
        with pytest.raises(InputError, match=r"no attribute 'class_id'; they have: kind, year\."):
            labelled(scene, labels)
        points = polygons(tmp_path / "p.gpkg", [square(0, 0, 10).centroid], class_id=[1])
        with pytest.raises(InputError, match="no polygon"):
            labelled(scene, points)
        bare = write_features(tmp_path / "bare.gpkg", [square(0, 0, 10)], UTM["crs"])
        with pytest.raises(InputError, match="they have: none"):
            labelled(scene, bare)


KINDS = ["raster", "coarse", "gcps", "polygons"]


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A scene and labels of each kind that lie on it in another way."""
    folder = tmp_path_factory.mktemp(request.param)
    place = GCPS if request.param in ("gcps", "polygons") else UTM
    scene = scene_file(folder, **place)
    if request.param == "raster":
        return scene, write_raster(folder / "l.tif", IDS, **UTM)
    if request.param == "coarse":
        corners = rasterio.transform.array_bounds(HEIGHT, WIDTH, UTM["transform"])
        transform, _, _ = calculate_default_transform(
            UTM["crs"], "EPSG:4326", WIDTH, HEIGHT, *corners
        )
        grid = {"crs": "EPSG:4326", "transform": transform}
        return scene, write_raster(folder / "l.tif", IDS, **grid)
    if request.param == "gcps":
        grid = {"crs": "EPSG:4326", "transform": from_origin(73.19, 30.41, 2.1e-4, 2.1e-4)}
        return scene, write_raster(folder / "l.tif", IDS, **grid)
    landcover = write_map(folder / "map.tif", IDS, crs="EPSG:4326",
                          transform=from_origin(73.19, 30.41, 2.1e-4, 2.1e-4))  # fmt: skip
    vectorize(landcover, folder / "map.gpkg")
    return scene, folder / "map.gpkg"


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_window_is_that_window_of_the_whole(pair: tuple[Path, Path], data: st.DataObject) -> None:
    scene_path, labels = pair
    with Scene.open([scene_path]) as scene, open_labels(labels, scene) as found:
        everything = found.read(whole(scene))
        row, col = data.draw(st.integers(0, HEIGHT - 1)), data.draw(st.integers(0, WIDTH - 1))
        height = data.draw(st.integers(1, HEIGHT - row))
        width = data.draw(st.integers(1, WIDTH - col))
        window = Window(row, col, height, width)
        np.testing.assert_array_equal(
            found.read(window), everything[window.slices_in(whole(scene))]
        )
    assert (everything != 255).mean() > 0.2


def test_labels_warped_to_degrees_agree_with_those_of_the_scene(
    tmp_path: Path, real_data: Path
) -> None:
    """At half the pixel size, there and back moves a pixel by half a pixel of the label raster."""
    scene = real_data / "scenes" / "s1_vv_db_utm.tif"
    with rasterio.open(scene) as dataset:
        grid = {"crs": dataset.crs, "transform": dataset.transform}
        shape, bounds = dataset.shape, dataset.bounds
    rows, cols = np.indices(shape)
    ids = (rows // 12 % 3 + cols // 9 % 4 * 3).astype(np.uint8)
    transform, width, height = calculate_default_transform(
        grid["crs"], "EPSG:4326", shape[1], shape[0], *bounds
    )
    degrees = {"crs": "EPSG:4326", "transform": transform * Affine.scale(0.25)}
    warped = np.full((height * 4, width * 4), 255, np.uint8)
    reproject(
        ids, warped, src_crs=grid["crs"], src_transform=grid["transform"],
        dst_crs=degrees["crs"], dst_transform=degrees["transform"], init_dest_nodata=False,
    )  # fmt: skip
    exact = write_raster(tmp_path / "exact.tif", ids, **grid)
    other = write_raster(tmp_path / "other.tif", warped, nodata=255, **degrees)
    np.testing.assert_array_equal(labelled(scene, exact), ids)
    assert (labelled(scene, other) == ids).mean() > 0.999


def refused(kind: type[SarsegError], told: str, *arguments: Any, **options: Any) -> None:
    with pytest.raises(kind, match=told):
        labelled(*arguments, **options)


def test_files_that_are_no_labels(tmp_path: Path) -> None:
    scene = scene_file(tmp_path, **UTM)
    text = tmp_path / "notes.txt"
    text.write_text("no labels")
    refused(InputError, "notes.txt is not a raster", scene, text)
    refused(InputError, "gone.tif does not exist", scene, tmp_path / "gone.tif")
    bare = write_raster(tmp_path / "bare.tif", IDS)
    refused(InputError, "without a CRS of the raster", scene, bare)
    damaged = write_raster(tmp_path / "damaged.tif", IDS, **UTM)
    damaged.write_bytes(damaged.read_bytes()[: HEIGHT * WIDTH // 2])
    refused(InputError, r"damaged\.tif cannot be read: .* It seems damaged\.", scene, damaged)
