import json
import sqlite3
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from sarseg.classes import LandCoverClass
from sarseg.errors import InputError, OutputError, UsageError
from sarseg.vectors.formats import shapefile
from sarseg.vectors.formats.features import Features
from sarseg.vectors.regions import Polygons
from sarseg.vectors.write import EXTENSIONS, STDOUT, check_crs, check_target, write_features

UTM = pyproj.CRS("EPSG:32632")
LEGEND = [
    LandCoverClass(id=0, name="wäter", colour=(0, 114, 178)),
    LandCoverClass(id=1, name="forest", colour=(0, 158, 115)),
]
GEOJSON = (".geojson", ".json", ".geojsonl", ".geojsons", ".ndjson")
KEPT_CRS = tuple(extension for extension in EXTENSIONS if extension not in GEOJSON)
ONE_EACH = (".gpkg", ".parquet", ".fgb", ".geojson", ".geojsonl", ".shp")


def squares(count: int, first: int = 0) -> Features:
    """Squares of 10 m in a row, every third without an area; the first has a hole."""
    x = 500_000.0 + 10 * np.arange(first, first + max(count, 1))
    geometries = shapely.box(x, 5_000_000, x + 10, 5_000_010)
    if count and not first:
        geometries[0] = geometries[0].difference(geometries[0].buffer(-3))
    ids = (np.arange(first, first + count) % 2).astype(np.int32)
    areas = np.where(np.arange(first, first + count) % 3 == 2, np.nan, 0.01)
    return Features(
        Polygons.of(geometries)[:count],
        {
            "class_id": ids,
            "class_name": np.array([LEGEND[number].name for number in ids], object),
            "area_ha": areas,
            "pixels": np.full(count, 2**40, np.int64),
            "confidence_mean": np.full(count, 87.25),
        },
    )


def write(
    output: Path,
    batches: Iterable[Features] | None = None,
    layer: str = "landcover",
    **options: Any,
) -> tuple[str, ...]:
    options = {"crs": UTM, **options}
    return write_features(batches or [squares(9)], output, layer=layer, **options).notes


def read(path: Path, layer: str | None = None) -> geopandas.GeoDataFrame:
    if path.suffix.lower() in (".parquet", ".geoparquet"):
        return geopandas.read_parquet(path)
    return geopandas.read_file(path, layer=layer)


@pytest.mark.parametrize("extension", [*EXTENSIONS, ".GPKG", ".SHP", ".FGB"])
@pytest.mark.parametrize("multi", [False, True])
def test_what_is_read_back_is_what_was_written(tmp_path: Path, extension: str, multi: bool) -> None:
    output = tmp_path / f"a b.polygons{extension}"
    check_target(output, layer="landcover")
    written = write_features(
        [squares(4), squares(0), squares(5, 4)], output, crs=UTM, layer="landcover", multi=multi
    )
    assert written.features == 9
    frame = read(output)
    expected = squares(9)
    if extension in GEOJSON:
        assert frame.crs == "EPSG:4326"
        frame = frame.to_crs(UTM)
        tolerance = 0.3  # m2: coordinates have seven digits, of about a centimetre
    else:
        assert frame.crs == UTM
        tolerance = 0.0
    frame = frame.iloc[np.argsort(frame.geometry.centroid.x)].reset_index()
    difference = shapely.symmetric_difference(
        frame.geometry.to_numpy(), expected.polygons.geometries()
    )
    assert shapely.area(difference).max() <= tolerance
    names = {"confidence_mean": "conf_mean"} if extension.lower() == ".shp" else {}
    for name, values in expected.fields.items():
        found = frame[names.get(name, name)]
        assert found.dtype.kind == ("O" if values.dtype == object else values.dtype.kind)
        np.testing.assert_array_equal(found.isna(), geopandas.pd.isna(values))
        np.testing.assert_array_equal(found.dropna(), values[~geopandas.pd.isna(values)])
    if extension.lower() not in (".shp", *GEOJSON):
        assert set(frame.geom_type) == {"MultiPolygon" if multi else "Polygon"}
    others = {".shp", ".shx", ".dbf", ".prj", ".cpg"} if extension.lower() == ".shp" else {""}
    assert len(list(tmp_path.iterdir())) == len(others)


@pytest.mark.parametrize("extension", ONE_EACH)
def test_missing_numbers_are_null_and_not_nan(tmp_path: Path, extension: str) -> None:
    output = tmp_path / f"polygons{extension}"
    notes = write(output)
    if extension == ".shp":
        assert any("area_ha" in note and "0" in note for note in notes)
    elif extension == ".gpkg":
        rows = sqlite3.connect(output).execute("SELECT typeof(area_ha) FROM landcover").fetchall()
        assert rows.count(("null",)) == 3
    elif extension == ".geojson":
        features = json.loads(output.read_text())["features"]
        assert [f["properties"]["area_ha"] for f in features].count(None) == 3
    elif extension == ".parquet":
        from pyarrow import parquet

        assert parquet.read_table(output)["area_ha"].null_count == 3
    frame = read(output)
    assert frame["area_ha"].isna().sum() == 3


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_no_feature_at_all_is_a_file_too(tmp_path: Path, extension: str) -> None:
    output = tmp_path / f"polygons{extension}"
    write(output, [squares(0)], legend=lambda: LEGEND)
    if extension in (".geojsonl", ".geojsons", ".ndjson"):
        assert output.read_bytes() == b""
    else:
        assert len(read(output, "landcover" if extension == ".gpkg" else None)) == 0


@pytest.mark.parametrize("extension", KEPT_CRS)
@pytest.mark.parametrize(
    "crs",
    [
        None,
        pyproj.CRS("EPSG:4326"),
        pyproj.CRS("EPSG:3413"),
        pyproj.CRS("+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 +ellps=GRS80"),
    ],
    ids=["none", "degrees", "polar", "no-code"],
)
def test_the_crs_is_kept(tmp_path: Path, extension: str, crs: pyproj.CRS | None) -> None:
    output = tmp_path / f"polygons{extension}"
    check_crs(output, crs)
    x = np.arange(4.0)
    batch = Features(Polygons.of(shapely.box(x, 1, x + 1, 2)), {"class_id": np.zeros(4, np.int32)})
    write(output, [batch], crs=crs)
    frame = read(output)
    assert tuple(frame.total_bounds) == (0, 1, 4, 2)
    if crs is None:
        assert frame.crs is None
    elif crs.to_authority() is not None and extension != ".shp":
        assert frame.crs == crs
    else:
        assert frame.crs.to_dict() == crs.to_dict() or frame.crs.to_authority() == (
            crs.to_authority()
        )


@pytest.mark.parametrize("output", [STDOUT, *(Path(f"map{extension}") for extension in GEOJSON)])
def test_geojson_needs_a_place_on_earth(output: Path) -> None:
    with pytest.raises(UsageError, match=r"no CRS.*\.gpkg"):
        check_crs(output, None)
    with pytest.raises(UsageError, match=r"'Moon.*does not lead there.*\.gpkg"):
        check_crs(output, pyproj.CRS("IAU_2015:30100"))
    check_crs(output, UTM)


def ring_of(feature: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.array(feature["geometry"]["coordinates"][0])


def test_geojson_is_that_of_rfc_7946(tmp_path: Path) -> None:
    output = tmp_path / "polygons.geojson"
    batch = squares(9)
    turned = shapely.orient_polygons(batch.polygons.geometries(), exterior_cw=True)
    clockwise = Features(Polygons.of(turned), batch.fields)
    write(output, [clockwise], layer='name "of" it')
    content = json.loads(output.read_text(encoding="utf-8"))
    assert list(content) == ["type", "name", "features"]
    assert content["name"] == 'name "of" it'
    to_degrees = pyproj.Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True)
    for feature, shape in zip(content["features"], batch.polygons.geometries(), strict=True):
        assert feature["geometry"]["type"] == "Polygon"
        shell, *holes = map(shapely.LinearRing, feature["geometry"]["coordinates"])
        assert shell.is_ccw
        assert not any(hole.is_ccw for hole in holes)
        assert len(holes) == len(shape.interiors)
        expected = shapely.transform(shape, to_degrees.transform, interleaved=False)
        np.testing.assert_allclose(shell.bounds, expected.bounds, rtol=0, atol=1e-7)


@pytest.mark.parametrize("extension", [".geojson", ".ndjson"])
@pytest.mark.parametrize(
    ("crs", "box", "area"),
    [
        ("EPSG:4326", (175, 10, 185, 20), 100),
        ("EPSG:4326", (-185, 10, -175, 20), 100),
        ("EPSG:32660", (800_000, 0, 900_000, 10_000), None),
        ("EPSG:3413", (-1e6, -1e6, 1e6, 1e6), None),
    ],
    ids=["beyond", "before", "utm", "pole"],
)
def test_geojson_is_cut_at_the_antimeridian(
    tmp_path: Path, extension: str, crs: str, box: tuple[float, ...], area: float | None
) -> None:
    output = tmp_path / f"polygons{extension}"
    shape = shapely.segmentize(shapely.box(*box), (box[2] - box[0]) / 50)
    batch = Features(Polygons.of(np.array([shape])), {"class_id": np.zeros(1, np.int32)})
    write(output, [batch], crs=pyproj.CRS(crs))
    (found,) = read(output).geometry
    assert found.is_valid
    west, _, east, _ = found.bounds
    assert (west, east) == (-180, 180)
    if area is not None:
        assert found.area == pytest.approx(area, rel=1e-6)
    geod = pyproj.Geod(ellps="WGS84")
    flat = pyproj.Transformer.from_crs(
        crs,
        "+proj=laea +lat_0=90" if "3413" in crs else "+proj=laea +lat_0=10 +lon_0=180",
        always_xy=True,
    )
    expected = shapely.transform(shape, flat.transform, interleaved=False).area
    parts = shapely.get_parts(found)
    assert sum(abs(geod.geometry_area_perimeter(part)[0]) for part in parts) == pytest.approx(
        expected, rel=2e-2
    )


def test_lines_are_the_features_of_the_collection(tmp_path: Path) -> None:
    write(tmp_path / "polygons.geojson")
    write(tmp_path / "polygons.ndjson")
    collection = json.loads((tmp_path / "polygons.geojson").read_text())
    lines = (tmp_path / "polygons.ndjson").read_text().splitlines()
    assert list(map(json.loads, lines)) == collection["features"]


@settings(max_examples=30, deadline=None)
@given(
    names=st.lists(
        st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1),
        min_size=1,
        max_size=4,
    )
)
@pytest.mark.parametrize("extension", [".gpkg", ".parquet", ".fgb", ".geojson", ".ndjson"])
def test_any_name_of_a_class_comes_back(
    tmp_path_factory: pytest.TempPathFactory, extension: str, names: list[str]
) -> None:
    output = tmp_path_factory.mktemp("names") / f"polygons{extension}"
    batch = squares(len(names))
    named = Features(batch.polygons, {"class_name": np.array(names, object)})
    write(output, [named])
    assert sorted(read(output)["class_name"]) == sorted(names)


def test_geoparquet_tells_where_every_feature_lies(tmp_path: Path) -> None:
    from pyarrow import parquet

    output = tmp_path / "polygons.parquet"
    write(output, [squares(5), squares(4, 5)])
    geo = json.loads(parquet.read_metadata(output).metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    column = geo["columns"][geo["primary_column"]]
    assert column["geometry_types"] == ["Polygon"]
    assert column["bbox"] == [500_000, 5_000_000, 500_090, 5_000_010]
    assert pyproj.CRS.from_json_dict(column["crs"]) == UTM
    bounds = parquet.read_table(output)["bbox"].combine_chunks().flatten()
    np.testing.assert_array_equal(
        np.column_stack([side.to_numpy() for side in bounds]),
        shapely.bounds(squares(9).polygons.geometries()),
    )
    part = geopandas.read_parquet(output, bbox=(500_041, 5_000_001, 500_049, 5_000_002))
    assert part.total_bounds.tolist() == [500_040, 5_000_000, 500_050, 5_000_010]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_the_same_polygons_make_the_same_bytes(tmp_path: Path, extension: str) -> None:
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / f"polygons{extension}", legend=lambda: LEGEND)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]


@pytest.mark.parametrize("extension", [*ONE_EACH, "-"])
def test_batches_are_taken_one_by_one(
    tmp_path: Path, extension: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    output = STDOUT if extension == "-" else tmp_path / f"polygons{extension}"
    taken: list[weakref.ref[Features]] = []
    most = 0

    def batches() -> Iterator[Features]:
        nonlocal most
        for number in range(20):
            batch = squares(100, 100 * number)
            taken.append(weakref.ref(batch))
            most = max(most, sum(reference() is not None for reference in taken))
            yield batch

    write(output, batches())
    assert most <= 4


@pytest.mark.parametrize("extension", [*ONE_EACH, "-"])
@pytest.mark.parametrize("error", [InputError("x"), KeyboardInterrupt(), RuntimeError(), OSError()])
def test_what_the_batches_raise_leaves_nothing_behind(
    tmp_path: Path,
    extension: str,
    error: BaseException,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    def batches() -> Iterator[Features]:
        yield squares(5)
        raise error

    output = STDOUT if extension == "-" else tmp_path / f"polygons{extension}"
    with pytest.raises(type(error)) as caught:
        write(output, batches(), legend=lambda: LEGEND)
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []
    if output != STDOUT:
        output.write_text("precious")
        with pytest.raises(type(error)):
            write(output, batches())
        assert output.read_text() == "precious"
        assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("extension", ONE_EACH)
@pytest.mark.parametrize("missing", [1, 6, 300, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, extension: str, missing: float, file_size_limit: Callable[[int], None]
) -> None:
    output = tmp_path / f"polygons{extension}"
    write(output, [squares(2000)])
    largest = max(path.stat().st_size for path in tmp_path.iterdir())
    for path in tmp_path.iterdir():
        path.unlink()
    file_size_limit(int(largest - missing if missing >= 1 else largest * missing))
    with pytest.raises(OutputError, match="could not be written"):
        write(output, [squares(2000)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", [0, 1000, 60_000])
def test_a_full_disk_leaves_the_geopackage_that_was_to_get_a_layer(
    tmp_path: Path, missing: int, file_size_limit: Callable[[int], None]
) -> None:
    output = tmp_path / "polygons.gpkg"
    write(output, [squares(2000)], legend=lambda: LEGEND)
    before = output.read_bytes()
    file_size_limit(len(before) - missing)
    with pytest.raises(OutputError, match="could not be written"):
        write(output, [squares(2000)], layer="second", append=True)
    assert output.read_bytes() == before
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_target_that_cannot_be_written(tmp_path: Path, extension: str) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        check_target(tmp_path / "none" / f"polygons{extension}", layer="x")
    with pytest.raises(OutputError, match="could not be written"):
        write(tmp_path / "none" / f"polygons{extension}", legend=lambda: LEGEND)
    with pytest.raises(OutputError, match="could not be written"):
        write(Path(f"/proc/polygons{extension}"))  # read-only, whoever asks


def test_formats_and_layers_that_there_are_not(tmp_path: Path) -> None:
    for name in ("polygons", "polygons.kml", "polygons.tif"):
        with pytest.raises(UsageError, match=r"\.gpkg, \.parquet.*\.shp, or give -"):
            check_target(tmp_path / name, layer="landcover")
    for layer in ("", "gpkg_contents", "layer_styles", "rtree_x_geom", "sqlite_master"):
        with pytest.raises(UsageError, match="--layer"):
            check_target(tmp_path / "polygons.gpkg", layer=layer)
    for output in (tmp_path / "polygons.fgb", STDOUT):
        with pytest.raises(UsageError, match="append"):
            check_target(output, layer="x", append=True)


class TestAppend:
    def test_the_other_layers_and_their_styles_stay(self, tmp_path: Path) -> None:
        output = tmp_path / "polygons.gpkg"
        check_target(output, layer="one", append=True)
        write(output, layer="one", append=True, legend=lambda: LEGEND)
        check_target(output, layer="two", append=True)
        write(
            output,
            [squares(3)],
            layer="two",
            append=True,
            legend=lambda: LEGEND,
            crs=pyproj.CRS(3413),
        )
        assert pyogrio.list_layers(output)[:, 0].tolist() == ["one", "two", "layer_styles"]
        assert (len(read(output, "one")), len(read(output, "two"))) == (9, 3)
        assert (read(output, "one").crs, read(output, "two").crs) == (UTM, "EPSG:3413")
        styles = sqlite3.connect(output).execute("SELECT f_table_name FROM layer_styles")
        assert styles.fetchall() == [("one",), ("two",)]

        for name in ("two", "TWO"):
            with pytest.raises(OutputError, match=rf"{name} already.*--overwrite"):
                check_target(output, layer=name, append=True)
        check_target(output, layer="two", append=True, overwrite=True)
        write(output, [squares(7)], layer="two", append=True, legend=lambda: LEGEND)
        assert (len(read(output, "one")), len(read(output, "two"))) == (9, 7)
        styles = sqlite3.connect(output).execute("SELECT f_table_name FROM layer_styles")
        assert styles.fetchall() == [("one",), ("two",)]
        assert list(tmp_path.iterdir()) == [output]

    @pytest.mark.parametrize("content", [b"", b"no database", None])
    def test_only_to_a_geopackage(self, tmp_path: Path, content: bytes | None) -> None:
        output = tmp_path / "polygons.gpkg"
        if content is None:
            sqlite3.connect(output).execute("CREATE TABLE t (a)")
        else:
            output.write_bytes(content)
        with pytest.raises(InputError, match="is no GeoPackage"):
            check_target(output, layer="x", append=True)

    def test_a_geopackage_that_is_open_elsewhere_is_left_alone(self, tmp_path: Path) -> None:
        output = tmp_path / "polygons.gpkg"
        write(output)
        other = sqlite3.connect(output)
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("CREATE TABLE notes (text)")
        for options in ({"overwrite": True}, {"append": True}):
            with pytest.raises(OutputError, match="open in another program"):
                check_target(output, layer="new", **options)
            with pytest.raises(OutputError, match="open in another program"):
                write(output, layer="new", **{"append": False, **options})
        other.close()
        check_target(output, layer="new", append=True)
        write(output, layer="new", append=True)
        assert "notes" in pyogrio.list_layers(output)[:, 0]


class TestShapefile:
    def test_its_limits_are_told(self, tmp_path: Path) -> None:
        batch = squares(2)
        names = np.array(["ä" * 200, "short"], object)
        long = Features(batch.polygons, {**batch.fields, "class_name": names})
        output = tmp_path / "polygons.shp"
        notes = write(output, [long])
        assert "conf_mean (confidence_mean)" in notes[0]
        assert "254 bytes: 1 class name had" in notes[1]
        assert len(notes) == 2
        assert list(read(output)["class_name"]) == ["ä" * 127, "short"]

    def test_parts_of_another_one_are_not_replaced_unasked(self, tmp_path: Path) -> None:
        output = tmp_path / "polygons.shp"
        (tmp_path / "polygons.dbf").write_text("precious")
        with pytest.raises(OutputError, match=r"polygons\.dbf exists"):
            check_target(output, layer="x")
        check_target(output, layer="x", overwrite=True)

    def test_an_index_of_the_old_shapes_does_not_stay(self, tmp_path: Path) -> None:
        output = tmp_path / "polygons.shp"
        write(output)
        (tmp_path / "polygons.qix").write_bytes(b"made by another program")
        write(output, [squares(3)], crs=None)
        assert {path.suffix for path in tmp_path.iterdir()} == {".shp", ".shx", ".dbf", ".cpg"}
        assert len(read(output)) == 3

    def test_new_parts_are_there_before_old_ones_go(self, tmp_path: Path) -> None:
        output = tmp_path / "polygons.shp"
        write(output)
        (tmp_path / "polygons.qix").mkdir()  # an old part that cannot be deleted
        with pytest.raises(OutputError, match=r"polygons\.qix is a folder"):
            check_target(output, layer="x", overwrite=True)
        with pytest.raises(OutputError, match="could not be written"):
            write(output, [squares(3)])
        frame = read(output)
        assert (len(frame), frame.crs) == (3, UTM)
        assert list(frame["class_id"]) == [0, 1, 0]

    @pytest.mark.parametrize("part", [".shp", ".dbf"])
    def test_more_than_it_holds(
        self, tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batch = squares(2000)
        if part == ".shp":
            batch = Features(
                Polygons.of(shapely.segmentize(batch.polygons.geometries(), 1)), batch.fields
            )
        else:
            names = np.array(["ä" * 120] * 2000, object)
            batch = Features(batch.polygons, {**batch.fields, "class_name": names})
        output = tmp_path / "polygons.shp"
        write(output, [batch])
        size = output.with_suffix(part).stat().st_size
        for path in tmp_path.iterdir():
            assert path.stat().st_size <= size
            path.unlink()
        monkeypatch.setattr(shapefile, "FILE_BYTES", size)
        write(output, [batch])
        for path in tmp_path.iterdir():
            path.unlink()
        monkeypatch.setattr(shapefile, "FILE_BYTES", size - 300)
        with pytest.raises(OutputError, match=r"at most 2 GB.*\.gpkg"):
            write(output, [batch])
        assert list(tmp_path.iterdir()) == []


PRINTING = """
import sys
from pathlib import Path
from sarseg.errors import SarsegError
from tests.vectors.test_write import STDOUT, squares, write
try:
    write(STDOUT, (squares(1000, 1000 * number) for number in range(int(sys.argv[1]))))
except BrokenPipeError:
    sys.exit(1)
except SarsegError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def printing(batches: int, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PRINTING, str(batches)],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        **options,
    )


class TestStdout:
    def test_every_feature_is_a_line(self) -> None:
        check_target(STDOUT, layer="x")
        with printing(2, stdout=subprocess.PIPE) as process:
            output, errors = process.communicate()
        assert (process.returncode, errors) == (0, b"")
        features = list(map(json.loads, output.splitlines()))
        assert len(features) == 2000
        assert {feature["type"] for feature in features} == {"Feature"}
        assert features[0]["properties"]["class_name"] == "wäter"

    def test_who_reads_may_stop(self) -> None:
        with printing(1000, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline().startswith(b'{ "type": "Feature"')
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 1

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
    @pytest.mark.parametrize("batches", [1, 20])
    def test_a_full_disk_is_told(self, batches: int) -> None:
        with Path("/dev/full").open("wb") as full, printing(batches, stdout=full) as process:
            _, errors = process.communicate()
        assert process.returncode == OutputError.exit_code
        assert errors.decode().startswith("stdout could not be written (No space left")
        assert errors.count(b"\n") == 1
