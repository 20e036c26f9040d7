import json
import signal
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from sarseg.filters.frequency import FrequencyFilter
from tests.cli.running import Sarseg, interrupted
from tests.rasters import hidden_files, speckle, write_raster

PLACE = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500_000, 0, -10, 5_700_000)}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    values = speckle(70, 90)
    values[:10] = np.nan
    return write_raster(tmp_path / "s_vv.tif", values, **PLACE)


@pytest.mark.parametrize(
    "cutoffs", [{"low_pass": 0.1}, {"high_pass": 0.05}, {"low_pass": 0.2, "high_pass": 0.04}]
)
def test_it_writes_the_filtered_scene_and_says_so(
    tmp_path: Path, sarseg: Sarseg, scene: Path, cutoffs: dict[str, float]
) -> None:
    options = [
        text
        for name, value in cutoffs.items()
        for text in ("--" + name.replace("_", "-"), str(value))
    ]
    run = sarseg("filter", scene, "-o", tmp_path / "o.tif", *options, "--json")
    assert run.code == 0, run.stderr
    assert "s_vv.tif: VV, read as intensity (guessed), 70 x 90 pixels." in run.stderr
    assert f"Wrote {tmp_path / 'o.tif'}: intensity, 85.7% of the backscatter valid" in run.stderr
    (made,) = json.loads(run.stdout)["scenes"]
    assert made["filter"] == {"low_pass": None, "high_pass": None, **cutoffs}
    assert (made["unit"], made["unit_guessed"]) == ("intensity", True)
    with rasterio.open(scene) as before, rasterio.open(tmp_path / "o.tif") as after:
        values, found = before.read(1), after.read(1)
        assert (after.crs, after.transform) == (before.crs, before.transform)
    valid = np.isfinite(values)
    expected = FrequencyFilter(**cutoffs)(values[None], valid)[0]
    np.testing.assert_array_equal(np.isnan(found), ~valid)
    np.testing.assert_allclose(found[valid], expected[valid], rtol=1e-6)


def test_scenes_to_a_folder_and_one_that_fails(tmp_path: Path, sarseg: Sarseg, scene: Path) -> None:
    other = write_raster(tmp_path / "b_hh.tif", speckle(20, 30))
    gone = tmp_path / "gone_vv.tif"
    listed = f"{gone}\n{scene}\n{other}\n"
    arguments = ["filter", "-", "--output-dir", tmp_path, "--low-pass", 0.2, "--json"]
    run = sarseg(*arguments, stdin=listed)
    assert run.code == 3
    made = {"s_vv_filtered.tif", "b_hh_filtered.tif"}
    assert {path.name for path in tmp_path.glob("*_filtered.tif")} == made
    result = json.loads(run.stdout)
    assert {Path(each["output"]).name for each in result["scenes"]} == made
    assert [failed["scene"] for failed in result["failed"]] == [[str(gone)]]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["s_vv.tif", "-o", "o.tif"], 2, "--low-pass, --high-pass, or both"),
        (["s_vv.tif", "-o", "o.tif", "--low-pass", "0.7"], 2, "--low-pass 0.7"),
        (["s_vv.tif", "-o", "o.tif", "--high-pass", "0"], 2, "--high-pass 0"),
        (["s_vv.tif", "-o", "o.tif", "--low-pass", "0.1", "--high-pass", "0.2"], 2, "smaller"),
        (["s_vv.tif", "-o", "o.img", "--low-pass", "0.1"], 2, "end its name in .tif"),
        (["s_vv.tif", "-o", "o.tif", "--low-pass", "0.1", "--device", "tpu"], 2, "tpu"),
        (["s_vv.tif", "-o", "s_vv.tif", "--low-pass", "0.1", "--overwrite"], 4, "also an input"),
        (["s_vv.tif", "-o", "there.tif", "--low-pass", "0.1"], 4, "--overwrite"),
        (["empty_vv.tif", "-o", "o.tif", "--low-pass", "0.1"], 3, "no valid pixel"),
        (["s_vv.tif", "--low-pass", "0.1"], 2, "either -o"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sarseg: Sarseg,
    scene: Path,
    arguments: list[str],
    code: int,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.tif").write_text("old")
    write_raster(tmp_path / "empty_vv.tif", np.full((20, 30), np.nan, np.float32))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    run = sarseg("filter", *arguments)
    assert (run.code, run.stdout) == (code, ""), run.stderr
    assert told in run.stderr
    assert "Traceback" not in run.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(tmp_path: Path, sent: signal.Signals) -> None:
    path = write_raster(tmp_path / "long_vv.tif", speckle(5000, 5000), nodata=-1.0)
    arguments = [path, "-o", tmp_path / "o.tif", "--low-pass", 0.01]
    run = interrupted(tmp_path, sent, "filter", *arguments)
    assert run.code == 130
    assert "interrupted" in run.stderr
    assert "Traceback" not in run.stderr
    assert hidden_files(tmp_path) == []
    assert not (tmp_path / "o.tif").exists()
