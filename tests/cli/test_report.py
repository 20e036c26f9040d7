"""``sarseg report`` on real files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.cli.running import Sarseg
from tests.rasters import hidden_files, speckle, write_raster
from tests.report.maps import UNPLACED, UTM, random_map, write_landcover


@pytest.fixture
def landcover(tmp_path: Path) -> Path:
    tags = {"SARSEG_SCENE": "scene_vv.tif", "SARSEG_MODEL_SHA256": "ab" * 32}
    return write_landcover(tmp_path / "map.tif", *random_map(40, 60), tags=tags, **UTM)


def test_a_page_and_a_picture(landcover: Path, tmp_path: Path, sarseg: Sarseg) -> None:
    scene = write_raster(tmp_path / "scene_vv.tif", speckle(40, 60), **UTM)
    page, png = tmp_path / "report.html", tmp_path / "map.png"
    run = sarseg("report", landcover, "--scene", scene, "-o", page, "--png", png, "--json")
    assert run.code == 0, run.stderr
    text = page.read_text("utf-8")
    assert "<title>Land cover of scene_vv.tif</title>" in text
    assert "data:image/webp" in text
    assert "ab" * 32 in text
    with Image.open(png) as picture:
        assert picture.format == "PNG"
    found = json.loads(run.stdout)
    assert (found["page"], found["png"]) == (str(page), str(png))
    classes, confidence = random_map(40, 60)
    water = found["classes"][0]
    assert (water["id"], water["name"]) == (1, "water")
    assert water["pixels"] == (classes == 1).sum()
    assert water["confidence"] == pytest.approx(confidence[classes == 1].mean() / 100)
    assert found["area_ha"] == pytest.approx(sum(each["area_ha"] for each in found["classes"]))
    assert hidden_files(tmp_path) == []


def test_a_scene_of_several_files_and_a_title(
    landcover: Path, tmp_path: Path, sarseg: Sarseg
) -> None:
    files = [
        write_raster(tmp_path / f"scene_{name}.tif", speckle(40, 60), **UTM)
        for name in ("vv", "vh")
    ]
    options = [text for file in files for text in ("--scene", file)]
    page = tmp_path / "report.html"
    run = sarseg("report", landcover, *options, "-o", page, "--title", "A & B", "--quiet")
    assert run == (0, "", "")
    assert "<h1>A &amp; B</h1>" in page.read_text("utf-8")
    assert "over scene_vv.tif + scene_vh.tif" in page.read_text("utf-8")


def test_a_picture_alone(landcover: Path, tmp_path: Path, sarseg: Sarseg) -> None:
    assert sarseg("report", landcover, "--png", tmp_path / "map.png").code == 0
    assert not list(tmp_path.glob("*.html"))


def test_a_missing_crs_is_said(tmp_path: Path, sarseg: Sarseg) -> None:
    path = write_landcover(tmp_path / "map.tif", *random_map(9, 9))
    run = sarseg("report", path, "-o", tmp_path / "r.html", "--json")
    assert "so classes are told in pixels: it has no CRS." in " ".join(run.stderr.split())
    assert json.loads(run.stdout)["area_ha"] is None


@pytest.mark.parametrize("reason", UNPLACED)
def test_control_points_that_tell_no_place(tmp_path: Path, sarseg: Sarseg, reason: str) -> None:
    """The map is shown without a place, over the scene that it was made from."""
    place = UNPLACED[reason]
    path = write_landcover(tmp_path / "map.tif", *random_map(40, 60), **place)
    scene = write_raster(tmp_path / "scene_vv.tif", speckle(40, 60), **place)
    page, png = tmp_path / "r.html", tmp_path / "m.png"
    run = sarseg("report", path, "--scene", scene, "-o", page, "--png", png)
    assert run.code == 0, run.stderr
    assert f"classes are told in pixels: {reason}." in " ".join(run.stderr.split())
    assert page.exists()
    assert png.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["map.tif"], 2, "Nothing to write was named"),
        (["map.tif", "-o", "r.pdf"], 2, "should end in .html or .htm"),
        (["map.tif", "--png", "map.jpg"], 2, "should end in .png"),
        (["map.tif", "-o", "r.html", "--nodata", "0"], 2, "no scene: name its files by --scene"),
        (["map.tif", "-o", "taken.html"], 4, "give --overwrite"),
        (["map.tif", "-o", "nowhere/r.html"], 4, "does not exist; create it first"),
        (["missing.tif", "-o", "r.html"], 3, "missing.tif does not exist"),
        (["float.tif", "-o", "r.html"], 3, "float32"),
        (["empty.tif", "-o", "r.html"], 3, "holds no class: all of it is nodata"),
        (["text.tif", "-o", "r.html"], 3, "text.tif is not a raster"),
        (["map.tif", "--scene", "no_vv.tif", "-o", "r.html"], 3, "no_vv.tif does not exist"),
        (["map.tif", "--scene", "other_vv.tif", "-o", "r.html"], 3, "without a CRS of the scene"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence_a_code_and_no_output(
    landcover: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sarseg: Sarseg,
    arguments: list[Any],
    code: int,
    message: str,
) -> None:
    write_raster(tmp_path / "float.tif", np.ones((9, 9), np.float32))
    write_raster(tmp_path / "empty.tif", np.full((9, 9), 255, np.uint8), nodata=255)
    write_raster(tmp_path / "other_vv.tif", speckle(9, 9))
    (tmp_path / "text.tif").write_text("no raster")
    (tmp_path / "taken.html").write_text("precious")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.chdir(tmp_path)
    run = sarseg("report", *arguments)
    assert run.code == code
    assert message in " ".join(run.stderr.split())
    assert run.stdout == ""
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_read_only_folder(landcover: Path, tmp_path: Path, sarseg: Sarseg) -> None:
    run = sarseg("report", landcover, "-o", "/proc/report.html")
    assert run.code == 4
    assert "Traceback" not in run.stderr


def test_torch_is_not_loaded(landcover: Path, tmp_path: Path) -> None:
    """It takes seconds, and nothing here needs it."""
    scene = write_raster(tmp_path / "scene_vv.tif", speckle(40, 60), **UTM)
    arguments = ["sarseg", "report", landcover, "--scene", scene, "-o", tmp_path / "r.html"]
    script = (
        "import sys; from sarseg.cli import app; app(standalone_mode=False);"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, *map(str, arguments[1:])], check=True)
    assert (tmp_path / "r.html").exists()
