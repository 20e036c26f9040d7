import json
import os
import sys
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize
from rasterio.vrt import WarpedVRT

from sarseg.cli import main
from sarseg.scenes.georeference import Georeference
from tests.vectors.maps import UTM, blocky, write_map

REAL_DATA = os.environ.get("SARSEG_REAL_DATA")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["sarseg", "vectorize", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_totals_go_to_stderr_and_json_to_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    landcover = write_map(
        tmp_path / "map.tif", np.array([[0, 0, 7]], np.uint8), names={0: "water"}, **UTM
    )
    output = tmp_path / "polygons.gpkg"
    assert run(monkeypatch, landcover, "-o", output, "--json") == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert result["output"] == str(output)
    assert result["polygons"] == 2
    assert result["crs"] == "EPSG:32631"
    assert result["engine"] in ("osgeo", "rasterio")
    assert {name: total["polygons"] for name, total in result["classes"].items()} == {
        "water": 1,
        "class 7": 1,
    }
    assert result["classes"]["water"]["area_ha"] == pytest.approx(0.08, rel=1e-3)
    assert "water" in captured.err
    assert "2 polygons written" in captured.err


def test_quiet_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9))
    assert run(monkeypatch, landcover, "-o", tmp_path / "polygons.gpkg", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_a_missing_crs_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    landcover = write_map(tmp_path / "map.tif", blocky(9, 9))
    assert run(monkeypatch, landcover, "-o", tmp_path / "polygons.geojson", "--json") == 0
    captured = capsys.readouterr()
    assert "no CRS, so area_ha is null" in captured.err
    assert json.loads(captured.out)["crs"] is None


@pytest.mark.parametrize(
    ("landcover", "output", "code", "message"),
    [
        ("missing.tif", "out.gpkg", 3, "missing.tif does not exist"),
        ("text.tif", "out.gpkg", 3, "text.tif is not a raster"),
        ("nodata.tif", "out.gpkg", 3, "no pixel with a class"),
        ("float.tif", "out.geojson", 3, "float32 numbers and is no class raster"),
        ("map.tif", "nowhere/out.gpkg", 4, "does not exist; create it first"),
        ("map.tif", "taken.gpkg", 4, "give --overwrite"),
        ("map.tif", "out.shp", 2, "names no vector format"),
    ],
)
def test_wrong_input_gets_a_sentence_a_code_and_no_output(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    landcover: str,
    output: str,
    code: int,
    message: str,
) -> None:
    write_map(tmp_path / "map.tif", blocky(9, 9), **UTM)
    write_map(tmp_path / "nodata.tif", np.full((9, 9), 255, np.uint8), **UTM)
    write_map(tmp_path / "float.tif", np.ones((9, 9), np.float32), nodata=None, **UTM)
    (tmp_path / "text.tif").write_text("no raster")
    (tmp_path / "taken.gpkg").write_text("precious")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert run(monkeypatch, tmp_path / landcover, "-o", tmp_path / output) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with rasterio.open(Path(REAL_DATA or "") / name) as scene:
        georeference = Georeference.of(scene)
        mask = scene.read_masks(1)
    classes = np.where(mask > 0, blocky(*mask.shape), 255).astype(np.uint8)
    landcover = write_map(tmp_path / "map.tif", classes, **georeference.profile())
    assert run(monkeypatch, landcover, "-o", tmp_path / "polygons.gpkg") == 0
    frame = geopandas.read_file(tmp_path / "polygons.gpkg")
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
