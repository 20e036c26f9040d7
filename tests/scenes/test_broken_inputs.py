"""Every broken input through the command line: a sentence, an exit code, and nothing left behind.

One process predicts them all to a folder, and a scene that is whole between them.
"""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.control import GroundControlPoint

from tests.rasters import speckle, write_raster

GOOD = "good_vv.tif"

TOLD = {
    "gone_vv.tif": "gone_vv.tif does not exist",
    "empty_vv.tif": "empty_vv.tif is empty (0 bytes)",
    "text_vv.tif": "text_vv.tif is not a raster that sarseg reads",
    "header_vv.tif": "header_vv.tif is not a raster that sarseg reads",
    "strips_vv.tif": "strips_vv.tif cannot be read at rows",
    "folder": "folder is a folder without a raster in it",
    "cut.zip": "cut.zip is not a whole zip file",
    "whole.zip!/gone.tif": "gone.tif does not exist: whole.zip holds no such file",
    "a_vv.tif,small_vh.tif": "small_vh.tif does not lie on the grid of a_vv.tif: 20 x 29 pixels",
    "b_vv.tif,./b_vv.tif": "b_vv.tif is given twice",
    "c_vv.tif,a_vv.tif": "Two bands are VV",
    "nodata_vv.tif": "all is nodata",
    "zeros_vv.tif": "all is nodata",
    "unnamed.tif": "unnamed.tif has the bands band 1, but the model takes",
    "picture_vv.tif": "has a colour table",
    "linear_vv_db.tif": "linear_vv_db.tif says db, but its numbers are as small as power",
    "dem.tif": "No band of backscatter was given, only elevation",
    "http://127.0.0.1:9/x_vv.tif?sig=secret": "http://127.0.0.1:9/x_vv.tif cannot be opened",
}


def make_inputs(folder: Path) -> None:
    values = speckle(20, 30)
    for name in (
        GOOD,
        "a_vv.tif",
        "b_vv.tif",
        "c_vv.tif",
        "unnamed.tif",
        "linear_vv_db.tif",
        "dem.tif",
    ):
        write_raster(folder / name, values)
    write_raster(folder / "small_vh.tif", speckle(20, 29))
    write_raster(folder / "nodata_vv.tif", np.full((20, 30), -1, np.float32), nodata=-1.0)
    write_raster(folder / "zeros_vv.tif", np.zeros((20, 30), np.uint16))
    picture = np.ones((20, 30), np.uint8)
    write_raster(folder / "picture_vv.tif", picture, photometric="palette")
    (folder / "empty_vv.tif").touch()
    (folder / "text_vv.tif").write_text("VV backscatter of a fine scene\n" * 20)
    whole = write_raster(folder / "strips_vv.tif", speckle(500, 300), nodata=-1.0).read_bytes()
    (folder / "strips_vv.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "header_vv.tif").write_bytes(whole[:6])
    (folder / "folder").mkdir()
    with zipfile.ZipFile(folder / "whole.zip", "w") as archive:
        archive.write(folder / "a_vv.tif", "a_vv.tif")
        archive.writestr("readme.txt", "one polarisation")
    content = (folder / "whole.zip").read_bytes()
    (folder / "cut.zip").write_bytes(content[: len(content) // 2])


def predict(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sarseg", "predict", *arguments, "--device", "cpu", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """What one run over all of them leaves behind and says."""
    folder = tmp_path_factory.mktemp("broken")
    make_inputs(folder)
    (folder / "maps").mkdir()
    before = {path.name for path in folder.iterdir()}
    run = predict(folder, GOOD, *TOLD, "--output-dir", "maps")
    assert run.returncode == 3, run.stderr
    assert "Traceback" not in run.stderr
    assert "secret" not in run.stdout.replace("?sig=secret", "")
    assert {path.name for path in folder.iterdir()} == before
    return folder, json.loads(run.stdout)


@pytest.mark.parametrize("scene", TOLD)
def test_a_broken_input_gets_a_sentence(outcome: tuple[Path, dict[str, Any]], scene: str) -> None:
    said = {
        ",".join(each["scene"]): each[key]
        for state, key in (("failed", "error"), ("empty", "note"))
        for each in outcome[1][state]
    }
    assert TOLD[scene] in said[scene]
    assert "secret" not in said[scene]


def test_only_the_whole_scene_gets_a_map(outcome: tuple[Path, dict[str, Any]]) -> None:
    folder, said = outcome
    assert [made["scene"] for made in said["maps"]] == [[GOOD]]
    assert len(said["failed"]) + len(said["empty"]) == len(TOLD)
    assert [each["scene"] for each in said["empty"]] == [["nodata_vv.tif"], ["zeros_vv.tif"]]
    assert [path.name for path in (folder / "maps").glob("*.tif")] == ["good_vv_landcover.tif"]


def points(places: list[tuple[float, float, float, float]]) -> dict[str, Any]:
    gcps = [GroundControlPoint(*place) for place in places]
    return {"gcps": gcps, "crs": "EPSG:4326"}


def test_control_points_that_make_no_map(tmp_path: Path) -> None:
    """Where a map is asked for; without one the pixels are mapped as they lie."""
    rng = np.random.default_rng(0)
    grid = [(row, col) for row in (0.0, 10.0, 20.0) for col in (0.0, 15.0, 30.0)]
    line = [(row, col, 10.0 + row, 50.0 + row) for row, col in grid]
    spot = [(row, col, 10.0, 50.0) for row, col in grid]
    scattered = [(row, col, *rng.uniform(0, 50, 2)) for row, col in grid]
    for name, places in [("line", line), ("spot", spot), ("scattered", scattered)]:
        write_raster(tmp_path / f"{name}_vv.tif", speckle(20, 30), **points(places))
    files = [path.name for path in sorted(tmp_path.iterdir())]
    (tmp_path / "maps").mkdir()
    run = predict(tmp_path, *files, "--to-crs", "EPSG:32632", "--output-dir", "maps")
    assert run.returncode == 3, run.stderr
    failed = json.loads(run.stdout)["failed"]
    assert [each["scene"] for each in failed] == [[name] for name in files]
    assert all("control points" in each["error"] for each in failed), failed
    assert not list((tmp_path / "maps").iterdir())
