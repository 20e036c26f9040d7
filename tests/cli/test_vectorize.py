"""``sarseg vectorize`` on real files."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.features import rasterize
from rasterio.vrt import WarpedVRT

from sarseg.scenes import osgeo
from sarseg.scenes.georeference import Georeference
from tests.cli.running import Sarseg
from tests.georeferences import HEIGHT, WIDTH, gcp_georeference
from tests.rasters import hidden_files
from tests.vectors.maps import DEGREES, UTM, blocky, write_map

REAL_DATA = os.environ.get("SARSEG_REAL_DATA")
NAMES = {0: "water", 1: "forest", 2: "wheat"}


@pytest.fixture
def landcover(tmp_path: Path) -> Path:
    return write_map(tmp_path / "map.tif", blocky(60, 50), names=NAMES, **UTM)


def read(path: Path, layer: str = "landcover") -> geopandas.GeoDataFrame:
    return geopandas.read_file(path, layer=layer)


def test_totals_go_to_stderr_and_json_to_stdout(tmp_path: Path, sarseg: Sarseg) -> None:
    classes = np.array([[0, 0, 7]], np.uint8)
    landcover = write_map(tmp_path / "map.tif", classes, names={0: "water"}, **UTM)
    output = tmp_path / "polygons.gpkg"
    run = sarseg("vectorize", landcover, "-o", output, "--json")
    assert run.code == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["output"] == str(output)
    assert (result["polygons"], result["crs"], result["gcp_order"]) == (2, "EPSG:32631", None)
    assert result["notes"] == []
    assert {total["class_name"]: total["polygons"] for total in result["classes"]} == {
        "water": 1,
        "class 7": 1,
    }
    assert result["classes"][0]["area_ha"] == pytest.approx(0.08, rel=1e-3)
    assert result["classes"][0]["share"] == pytest.approx(2 / 3)
    assert "water" in run.stderr
    assert "66.7%" in run.stderr
    assert "2 polygons written" in run.stderr


def test_quiet_says_nothing(landcover: Path, tmp_path: Path, sarseg: Sarseg) -> None:
    run = sarseg("vectorize", landcover, "-o", tmp_path / "polygons.gpkg", "--quiet")
    assert run == (0, "", "")


def test_a_missing_crs_is_said(tmp_path: Path, sarseg: Sarseg) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9))
    run = sarseg("vectorize", landcover, "-o", tmp_path / "polygons.gpkg", "--json")
    assert "no CRS, so areas are in pixels, and area_ha is null" in run.stderr
    result = json.loads(run.stdout)
    assert result["crs"] is None
    assert {total["area_ha"] for total in result["classes"]} == {None}


@pytest.mark.parametrize(("number", "order"), [(4, 1), (35, 2)])
def test_the_order_of_the_polynomial_is_told(
    tmp_path: Path, sarseg: Sarseg, number: int, order: int
) -> None:
    profile = gcp_georeference().profile()
    if number == 4:
        profile["gcps"] = [profile["gcps"][at] for at in (0, 6, 28, 34)]
    landcover = write_map(tmp_path / "map.tif", blocky(HEIGHT, WIDTH), **profile)
    run = sarseg("vectorize", landcover, "-o", tmp_path / "polygons.gpkg", "--json")
    assert json.loads(run.stdout)["gcp_order"] == order
    assert f"a polynomial of order {order}" in " ".join(run.stderr.split())


def test_all_that_is_done_to_the_map(landcover: Path, tmp_path: Path, sarseg: Sarseg) -> None:
    plain, shaped = tmp_path / "plain.gpkg", tmp_path / "shaped.gpkg"
    assert sarseg("vectorize", landcover, "-o", plain).code == 0
    options = ["--majority", 3, "--min-area", "0.3ha", "--smooth", "--simplify", "20m"]
    assert sarseg("vectorize", landcover, "-o", shaped, *options).code == 0
    before, after = read(plain), read(shaped)
    assert before["area_ha"].min() < 0.05
    assert after["area_ha"].min() >= 0.3
    assert after["pixels"].sum() == before["pixels"].sum() == 3000
    assert shapely.coverage_is_valid(after.geometry.to_numpy())
    count = shapely.get_num_coordinates
    assert count(after.geometry).sum() < count(before.geometry).sum() / 2


@pytest.mark.parametrize(("text", "ids"), [("0,wheat", [0, 2]), (" WATER , 2,", [0, 2])])
def test_classes(
    landcover: Path, tmp_path: Path, sarseg: Sarseg, text: str, ids: list[int]
) -> None:
    output = tmp_path / "polygons.gpkg"
    assert sarseg("vectorize", landcover, "-o", output, "--classes", text).code == 0
    assert sorted(set(read(output)["class_id"])) == ids


def test_layers_and_one_feature_a_class(landcover: Path, tmp_path: Path, sarseg: Sarseg) -> None:
    output = tmp_path / "polygons.gpkg"
    assert sarseg("vectorize", landcover, "-o", output).code == 0
    options = ["--layer", "classes", "--append", "--dissolve", "--no-style"]
    assert sarseg("vectorize", landcover, "-o", output, *options).code == 0
    layers = pyogrio.list_layers(output)[:, 0].tolist()
    assert sorted(layers) == ["classes", "landcover", "layer_styles"]
    assert read(output, "classes")["class_id"].tolist() == [0, 1, 2, 3]
    assert read(output, "layer_styles")["f_table_name"].tolist() == ["landcover"]
    assert len(read(output)) > 100


def test_styles_lie_beside(landcover: Path, tmp_path: Path, sarseg: Sarseg) -> None:
    assert sarseg("vectorize", landcover, "-o", tmp_path / "a.fgb").code == 0
    assert sarseg("vectorize", landcover, "-o", tmp_path / "b.fgb", "--no-style").code == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a.fgb", "a.qml", "a.sld", "b.fgb", "map.tif"]
    assert "wheat" in (tmp_path / "a.qml").read_text()


def test_totals_in_a_file(landcover: Path, tmp_path: Path, sarseg: Sarseg) -> None:
    polygons, table = tmp_path / "map.gpkg", tmp_path / "totals.csv"
    assert sarseg("vectorize", landcover, "-o", polygons, "--summary", table).code == 0
    frame = read(polygons)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class_name"] for row in rows] == [*NAMES.values(), "class 3"]
    areas = frame.groupby("class_id")["area_ha"].sum()
    assert [float(row["area_ha"]) for row in rows] == pytest.approx(list(areas))
    assert [int(row["polygons"]) for row in rows] == np.bincount(frame["class_id"]).tolist()
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1)
    run = sarseg("vectorize", landcover, "-o", polygons, "--summary", table)
    assert run.code == 4
    options = ["--overwrite", "--json", "--summary", tmp_path / "totals.json"]
    run = sarseg("vectorize", landcover, "-o", polygons, *options)
    totals = json.loads((tmp_path / "totals.json").read_text())["classes"]
    assert totals == json.loads(run.stdout)["classes"]


@pytest.mark.skipif(not osgeo.available(), reason="osgeo is not installed")
@pytest.mark.parametrize("named", [True, False])
def test_names_of_maps_that_others_made(tmp_path: Path, sarseg: Sarseg, named: bool) -> None:
    from osgeo import gdal

    landcover = write_map(tmp_path / "map.tif", blocky(20, 20), **DEGREES)
    if named:
        dataset = gdal.Open(str(landcover))
        dataset.GetRasterBand(1).SetCategoryNames(["sea", "", "moor"])
        dataset.FlushCache()
    output = tmp_path / "polygons.gpkg"
    assert sarseg("vectorize", landcover, "-o", output).code == 0
    frame = read(output)
    names = dict(zip(frame["class_id"], frame["class_name"], strict=True))
    if named:
        assert names == {0: "sea", 1: "class 1", 2: "moor", 3: "class 3"}
        assert (
            sarseg("vectorize", landcover, "-o", tmp_path / "a.fgb", "--classes", "sea").code == 0
        )
    else:
        assert names == {number: f"class {number}" for number in range(4)}


def process(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sarseg", "vectorize", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)


def test_lines_of_geojson_on_stdout(landcover: Path, tmp_path: Path, sarseg: Sarseg) -> None:
    with process(landcover, "-o", "-", stdout=subprocess.PIPE) as running:
        output, errors = running.communicate()
    assert running.returncode == 0, errors
    features = [json.loads(line) for line in output.splitlines()]
    assert {feature["type"] for feature in features} == {"Feature"}
    assert sarseg("vectorize", landcover, "-o", tmp_path / "map.gpkg").code == 0
    frame = read(tmp_path / "map.gpkg")
    properties = [feature["properties"] for feature in features]
    assert [each["class_id"] for each in properties] == frame["class_id"].tolist()
    assert b"written to stdout" in errors
    assert hidden_files(tmp_path) == []


def test_who_reads_stdout_may_stop(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 9, (300, 300), np.uint8)
    landcover = write_map(tmp_path / "map.tif", noise, **UTM)
    with process(landcover, "-o", "-", stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        head = subprocess.run(
            ["head", "-1"], stdin=running.stdout, capture_output=True, check=True, timeout=120
        )
        running.stdout.close()
        assert running.stderr is not None
        errors = running.stderr.read()
    assert json.loads(head.stdout)["type"] == "Feature"
    assert errors == b""
    assert list(tmp_path.iterdir()) == [landcover]


@pytest.mark.parametrize(
    ("landcover", "output", "code", "message"),
    [
        ("missing.tif", "out.gpkg", 3, "missing.tif does not exist"),
        ("text.tif", "out.gpkg", 3, "text.tif is not a raster"),
        ("nodata.tif", "out.gpkg", 3, "no pixel with a class"),
        ("nodata.tif", "out.parquet", 3, "no pixel with a class"),
        ("float.tif", "out.geojson", 3, "float32 numbers and is no class raster"),
        ("negative.tif", "out.fgb", 3, "holds the class -1"),
        ("damaged.tif", "out.gpkg", 3, "may be damaged"),
        ("nowhere.tif", "out.geojson", 2, "the map has no CRS"),
        ("map.tif", "nowhere/out.gpkg", 4, "does not exist; create it first"),
        ("map.tif", "taken.gpkg", 4, "give --overwrite"),
        ("map.tif", "map.tif", 2, "names no vector format"),
        ("map.tif", "out.kml", 2, "names no vector format"),
    ],
)
def test_wrong_input_gets_a_sentence_a_code_and_no_output(
    tmp_path: Path, sarseg: Sarseg, landcover: str, output: str, code: int, message: str
) -> None:
    write_map(tmp_path / "map.tif", blocky(9, 9), **UTM)
    write_map(tmp_path / "nowhere.tif", blocky(9, 9))
    write_map(tmp_path / "nodata.tif", np.full((9, 9), 255, np.uint8), **UTM)
    write_map(tmp_path / "float.tif", np.ones((9, 9), np.float32), nodata=None, **UTM)
    write_map(tmp_path / "negative.tif", np.full((9, 9), -1, np.int16), nodata=None, **UTM)
    damaged = write_map(tmp_path / "damaged.tif", blocky(600, 300), compress="deflate", **UTM)
    damaged.write_bytes(damaged.read_bytes()[:9000])
    (tmp_path / "text.tif").write_text("no raster")
    (tmp_path / "taken.gpkg").write_text("precious")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    run = sarseg("vectorize", tmp_path / landcover, "-o", tmp_path / output)
    assert run.code == code
    assert message in " ".join(run.stderr.split())
    assert "Traceback" not in run.stderr
    assert run.stdout == ""
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--min-area", "5"], 2, "'5' is not an area"),
        (["--min-area", "-5ha"], 2, "'-5ha' is not an area"),
        (["--min-area", "5 acres"], 2, "'5 acres' is not an area"),
        (["--min-area", "10m"], 2, "'10m' is not an area"),
        (["--min-area", "1e999ha"], 2, "too large"),
        (["--simplify", "10m2"], 2, "'10m2' is not a length"),
        (["--majority", "4"], 2, "choose an odd number"),
        (["--majority", "1"], 2, "choose an odd number"),
        (["--majority", "-3"], 2, "choose an odd number"),
        (["--classes", ","], 2, "--classes names no class"),
        (["--classes", "lake"], 2, "it has 0 water, 1 forest, 2 wheat"),
        (["--classes", "9"], 3, "no pixel of the classes that are selected (9)"),
        (["--summary", "totals.txt"], 2, "names no format for totals"),
        (["--summary", "nowhere/totals.csv"], 4, "does not exist; create it first"),
        (["-o", "-", "--json"], 2, "both write to stdout"),
        (["-o", "-", "--append"], 2, "Nothing can be appended to stdout"),
        (["-o", "out.json", "--summary", "folder/../out.json"], 2, "both name"),
        (["-o", "out.fgb", "--append"], 2, "out.fgb is none"),
        (["--layer", "layer_styles"], 2, "cannot have the name"),
    ],
)
def test_wrong_options_get_a_sentence_a_code_and_no_output(
    landcover: Path,
    tmp_path: Path,
    sarseg: Sarseg,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = sarseg("vectorize", landcover, "-o", "out.gpkg", *options)
    assert run.code == code
    assert message in " ".join(run.stderr.split())
    assert run.stdout == ""
    assert list(tmp_path.iterdir()) == [landcover]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(landcover: Path, tmp_path: Path, sarseg: Sarseg) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o500)
    run = sarseg("vectorize", landcover, "-o", folder / "out.gpkg")
    assert run.code == 4
    assert "is not writable" in " ".join(run.stderr.split())


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="the system has no /proc")
@pytest.mark.parametrize("extension", ["gpkg", "parquet", "fgb", "geojson", "shp"])
def test_a_folder_that_takes_no_files(landcover: Path, sarseg: Sarseg, extension: str) -> None:
    run = sarseg("vectorize", landcover, "-o", f"/proc/out.{extension}")
    assert run.code == 4
    assert f"/proc/out.{extension}" in " ".join(run.stderr.split())
    assert "Traceback" not in run.stderr


@pytest.mark.skipif(not REAL_DATA, reason="SARSEG_REAL_DATA names no folder of real scenes")
@pytest.mark.parametrize(
    "name",
    [
        "scenes/s1_iw_gcps_vv.tif",
        "scenes/s1_sm_gcps_vh.tif",
        "scenes/s1_gamma0_vv_utm.tif",
        "scenes/s1_vv_db_utm.tif",
        "scenes/s1_vv_db_wgs84.tif",
        "flevoland/scene.tif",
    ],
)
def test_polygons_fall_on_the_rasters_of_real_scenes(
    tmp_path: Path, sarseg: Sarseg, name: str
) -> None:
    with rasterio.open(Path(REAL_DATA or "") / name) as scene:
        georeference = Georeference.of(scene)
        mask = scene.read_masks(1)
    classes = np.where(mask > 0, blocky(*mask.shape), 255).astype(np.uint8)
    landcover = write_map(tmp_path / "map.tif", classes, **georeference.profile())
    assert sarseg("vectorize", landcover, "-o", tmp_path / "polygons.gpkg", "-q").code == 0
    frame = geopandas.read_file(tmp_path / "polygons.gpkg", layer="landcover")
    assert frame.is_valid.all()
    crs = georeference.crs or georeference.gcp_crs
    assert frame.crs == (crs and crs.to_string())
    assert frame["area_ha"].isna().all() == (crs is None)
    grid: dict[str, Any] = {"out_shape": classes.shape}
    if crs is not None:  # what GDAL makes of the map on an upright grid
        with (
            rasterio.open(landcover) as dataset,
            WarpedVRT(dataset, crs=crs, tolerance=0) as warped,
        ):
            classes = warped.read(1, masked=True).filled(255)
            grid = {"out_shape": warped.shape, "transform": warped.transform}
    again = rasterize(
        zip(frame.geometry, frame["class_id"], strict=True), fill=255, dtype=np.uint8, **grid
    )
    different = np.count_nonzero(again != classes) / classes.size
    # Points control by one polynomial forwards and by another backwards: 0.02 pixel apart.
    assert different <= (0.01 if georeference.gcps else 0)
