import json
from pathlib import Path

import pytest

from tests.cli.running import Sarseg
from tests.rasters import speckle, write_raster

TINY = ("--size", 48, "--steps", 2, "--batch-size", 1, "--device", "cpu")


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    folder = tmp_path / "scenes"
    folder.mkdir()
    for number in range(2):
        write_raster(folder / f"s{number}_vv.tif", speckle(100, 100, seed=number))
        write_raster(folder / f"s{number}_vh.tif", speckle(100, 100, seed=9 + number))
    return folder


def test_a_folder_of_scenes(tmp_path: Path, scenes: Path, sarseg: Sarseg) -> None:
    output = tmp_path / "b.safetensors"
    run = sarseg("pretrain", scenes, "-o", output, *TINY, "--json")
    assert run.code == 0, run.stderr
    told = json.loads(run.stdout)
    assert (told["scenes"], told["bands"]) == (2, ["VV", "VH"])
    assert "of what is seen of each window" in run.stderr
    before = output.read_bytes()
    run = sarseg("pretrain", scenes, "-o", output, *TINY)
    assert run.code == 4
    assert "--overwrite" in run.stderr
    assert output.read_bytes() == before


def test_scenes_from_stdin(tmp_path: Path, scenes: Path, sarseg: Sarseg) -> None:
    lines = f"{scenes}/s0_vv.tif,{scenes}/s0_vh.tif\n"
    output = tmp_path / "b.safetensors"
    run = sarseg("pretrain", "-", "-o", output, *TINY, "--json", "-q", stdin=lines)
    assert run.code == 0, run.stderr
    assert json.loads(run.stdout)["scenes"] == 1
    assert run.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("-o", "b.pth"), 2, "should end in .safetensors"),
        (("-o", "b.safetensors", "--size", "100"), 2, "--size is 100"),
        (("-o", "b.safetensors", "--size", "224"), 3, "No scene has room"),
        (("-o", "b.safetensors", "--init", "embedded", "--backbone", "vit_b"), 2, "vit_b choose"),
    ],
)
def test_wrong_input(
    tmp_path: Path,
    scenes: Path,
    sarseg: Sarseg,
    arguments: tuple[str, ...],
    code: int,
    sentence: str,
) -> None:
    run = sarseg("pretrain", scenes, *(tmp_path / a if a[0] == "b" else a for a in arguments))
    assert run.code == code, run.stderr
    assert sentence in run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["scenes"]
