import json
from pathlib import Path

import numpy as np
import pytest
from rasterio.transform import Affine

from sarseg.cli import info_text
from sarseg.filters.chain import Filters
from sarseg.filters.despeckle import Lee
from sarseg.model.bands import exact_inputs
from sarseg.model.checkpoints import RELEASED
from tests.cli.running import Run, Sarseg
from tests.inspection.test_dataset import write_chips
from tests.inspection.test_model import write_model
from tests.rasters import speckle, write_raster
from tests.toy import toy_card


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    values = speckle(2, 200, 300, mean=0.08)
    values[0, :20] = -1e-3
    return write_raster(
        tmp_path / "s.tif",
        values,
        descriptions=["VV", "VH"],
        tags={"SARSEG_UNIT": "intensity"},
        nodata=-99.0,
        crs="EPSG:32631",
        transform=Affine(10, 0, 500_000, 0, -10, 5_700_000),
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model.safetensors", toy_card())


def unwrapped(run: Run) -> str:
    """What people read, however long the lines are and whatever pads them."""
    return " ".join(run.stderr.split())


def test_a_scene_for_people(sarseg: Sarseg, scene: Path) -> None:
    run = sarseg("info", scene)
    assert run.code == 0
    assert run.stdout == ""
    for told in (
        "200 rows x 300 columns",
        "EPSG:32631 (WGS 84 / UTM zone 31N)",
        "10 m",
        "intensity, as the file's tag says",
        "nodata -99",
        "10.0% negative",
        "backscatter of valid pixels, dB",
        "median",
        "looks",
    ):
        assert told in unwrapped(run), told
    assert "warning" not in run.stderr


def test_a_scene_for_programs(sarseg: Sarseg, scene: Path) -> None:
    run = sarseg("info", scene, "--json", "--input-unit", "amplitude", "--bands", "HH,HV")
    found = json.loads(run.stdout)
    assert (found["kind"], found["unit"], found["unit_source"]) == ("scene", "amplitude", "option")
    assert [band["name"] for band in found["bands"]] == ["HH", "HV"]
    assert found["bands"][0]["nodata"] == [-99.0]
    assert "model" not in found
    assert "median" not in run.stderr


def test_a_scene_that_fits(sarseg: Sarseg, scene: Path, model: Path) -> None:
    run = sarseg("info", scene, "--model", model, "--json")
    assert run.code == 0
    found = json.loads(run.stdout)["model"]
    assert found == {"fits": True, "bands": ["VV", "VH"], "empty": [], "doubts": []}
    assert "The model takes VV + VH of the scene." in run.stderr


def test_doubts_do_not_fail(sarseg: Sarseg, scene: Path, model: Path) -> None:
    run = sarseg("info", scene, "--model", model, "--input-unit", "amplitude")
    assert run.code == 0
    assert "warning: VV of s.tif, read as amplitude, has a median of" in run.stderr


def test_a_scene_that_does_not_fit(sarseg: Sarseg, scene: Path, tmp_path: Path) -> None:
    """The report is printed all the same."""
    model = write_model(tmp_path / "hh.safetensors", toy_card(inputs=exact_inputs(["HH"])))
    run = sarseg("info", scene, "--model", model, "--json")
    assert run.code == 5
    found = json.loads(run.stdout)
    assert found["model"]["fits"] is False
    assert "the model takes HH" in found["model"]["reason"]
    assert "error: s.tif has the bands VV, VH, but the model takes HH" in run.stderr
    run = sarseg("info", scene, "--model", model)
    assert run.code == 5
    assert "median" in run.stderr


def test_a_model(sarseg: Sarseg, tmp_path: Path) -> None:
    card = toy_card().model_copy(
        update={"backbone": "vit_t", "metrics": {"mIoU": 0.5, "IoU dark": 0.25}, "pixel_size": 7.0}
    )
    model = write_model(tmp_path / "model.safetensors", card)
    run = sarseg("info", model)
    assert run.code == 0
    for told in (
        "lee filter, size 5, looks 4.0",
        "co-polarised (VV or HH)",
        "64 x 64 pixels",
        "mIoU 0.500",
        "#0000ff 0.250",
        "7 m",
        "the model was trained on others",
    ):
        assert told in unwrapped(run), told
    assert "IoU dark" not in run.stderr  # it stands in the table
    found = json.loads(sarseg("info", model, "--json").stdout)
    assert found["kind"] == "model"
    assert found["card"]["tile_size"] == 64


def test_a_model_whose_backbone_is_not_here(
    sarseg: Sarseg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARSEG_CACHE", str(tmp_path))
    for sha256, told in (
        (RELEASED["vit_h"].sha256, "sarseg weights download vit_h"),
        ("0" * 64, "name them by --backbone-weights"),
    ):
        update = {"backbone": "vit_h", "backbone_sha256": sha256}
        card = toy_card().model_copy(update=update)
        run = sarseg("info", write_model(tmp_path / "model.safetensors", card))
        assert f"not here (SHA-256 {sha256[:12]}…): {told}" in unwrapped(run)


def test_the_embedded_model(sarseg: Sarseg, scene: Path) -> None:
    found = json.loads(sarseg("info", "embedded", "--json").stdout)
    assert found["backbone_fits"]
    run = sarseg("info", scene, "--model", "embedded", "--json")
    assert json.loads(run.stdout)["model"]["fits"]


def test_a_folder_of_chips(sarseg: Sarseg, tmp_path: Path) -> None:
    lee = Filters(despeckle=Lee(size=7, looks=3.0))
    folder = write_chips(tmp_path / "chips", "north", filters=lee)
    run = sarseg("info", folder)
    assert run.code == 0
    for told in ("VV, VH", "lee filter, size 7, looks 3.0", "north, 24 x 16 pixels, 10 m", "water"):
        assert told in unwrapped(run), told
    found = json.loads(sarseg("info", folder, "--json").stdout)
    assert found["kind"] == "dataset"
    assert found["splits"]["train"]["pixels"] == {"water": 200, "wood": 0}


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_wrapped_that_people_read_across(
    sarseg: Sarseg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """The longest names and numbers that there are, on a narrow terminal."""
    monkeypatch.setattr("sarseg.cli.console.stderr.width", width)
    monkeypatch.chdir(tmp_path)
    values = np.stack([1e-9 * speckle(30, 30), 9000 * speckle(30, 30)])
    write_raster(tmp_path / "s.tif", values.astype(np.float32))
    run = sarseg("info", "s.tif", "--bands", "VV,local_incidence_angle", "--input-unit", "db")
    assert run.code == 0
    lines = run.stderr.splitlines()
    tables = [line for line in lines if not line.startswith("warning")]
    assert max(map(len, tables)) <= width
    (row,) = (line for line in lines if line.lstrip().startswith("local_incidence_angle   "))
    assert len(row.split()) == 8 or "auxiliary" in row
    assert "…" not in run.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["{scene}", "{model}"], 2, "is a model: give it alone, or a model by --model"),
        (["{model}", "--bands", "VV"], 2, "is a model: --model and the options"),
        (["{model}", "--model", "{model}"], 2, "is a model: --model and the options"),
        (["{scene}", "--data", "."], 2, "is a scene: --data is for fusar"),
        (["backbone.pth"], 3, "`sarseg weights verify backbone.pth`"),
        (["gone.tif"], 3, "gone.tif does not exist"),
        (["gone.safetensors"], 5, "gone.safetensors does not exist"),
        (["{scene}", "--model", "gone.safetensors"], 5, "gone.safetensors does not exist"),
        (["fusar", "--data", "."], 6, "FUSAR-Map 1.0 was not found"),
    ],
)
def test_what_cannot_be_told(
    sarseg: Sarseg,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scene: Path,
    model: Path,
    arguments: list[str],
    code: int,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = sarseg("info", *(each.format(scene=scene, model=model) for each in arguments))
    assert run.code == code
    assert told in unwrapped(run)
    assert run.stdout == ""


@pytest.mark.parametrize(
    ("part", "shown"),
    [(0.0, "0.0%"), (1e-6, "< 0.1%"), (0.123, "12.3%"), (0.99999, "> 99.9%"), (1.0, "100.0%")],
)
def test_shares_say_nothing_and_all_only_where_it_is_so(part: float, shown: str) -> None:
    assert info_text._share(part) == shown
