import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).exponential(0.1, (1, 30, 50)).astype(np.float32)
    return write(tmp_path / "scene_VV.tif", values)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    ids = np.zeros((1, 30, 50), np.uint8)
    ids[:, 5:10, 5:25], ids[:, 20:, 30:] = 1, 2
    return write(tmp_path / "labels.tif", ids)


def write(path: Path, values: np.ndarray) -> Path:
    transform = rasterio.Affine(10, 0, 500_000, 0, -10, 5_700_000)
    options = {"crs": "EPSG:32631", "transform": transform, "dtype": values.dtype}
    count, height, width = values.shape
    with rasterio.open(path, "w", "GTiff", width, height, count, **options) as dataset:
        dataset.write(values)
    return path


def sarseg(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sarseg", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_writes_chips_and_says_what_they_hold(tmp_path: Path, scene: Path, labels: Path) -> None:
    output = tmp_path / "chips"
    names = tmp_path / "names.yaml"
    names.write_text("1: water\n2: road\n")
    run = sarseg(
        "tile", scene, "--labels", labels, "-o", output, "--size", 16, "--overlap", 4,
        "--ignore", "0,99", "--classes", names, "--json",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["images"] == len(list((output / "images").iterdir())) == 12
    assert result["pixels"] == {"train": {"1": 100, "2": 200}}
    assert result["bands"] == ["VV"]
    assert sum(result["chips"].values()) == 12
    for word in ("1 water", "2 road", "train", "100", "200", "300", "12 chips"):
        assert word in run.stderr


def test_quiet_says_nothing(tmp_path: Path, scene: Path) -> None:
    run = sarseg("tile", scene, "-o", tmp_path / "chips", "--size", 32, "--quiet")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert (tmp_path / "chips" / "chips.json").is_file()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--overlap", "32", "--size", "32"], 2),
        (["--split", "split.tif"], 2),
        (["--input-unit", "volt"], 2),
        (["--ignore", "none"], 2),
        (["--label-attribute", "kind"], 2),
        (["--guard", "5"], 2),
        (["--split", "blocks", "--shares", "70,30"], 2),
        (["--split", "blocks", "--block-size", "0"], 2),
        (["--split", "blocks", "--block-size", "20", "--guard", "10"], 2),
        (["--min-valid", "1.5"], 2),
        (["--min-labelled", "0.5"], 2),
        (["--labels", "gone.tif"], 3),
    ],
)
def test_errors_are_one_sentence_and_leave_nothing(
    tmp_path: Path, scene: Path, options: list[str], code: int
) -> None:
    run = sarseg("tile", scene, "-o", tmp_path / "chips", *options)
    assert run.returncode == code
    assert run.stdout == ""
    assert run.stderr.startswith("error: ")
    assert "Traceback" not in run.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"scene_VV.tif"}


def test_existing_folder_needs_overwrite(tmp_path: Path, scene: Path) -> None:
    output = tmp_path / "chips"
    assert sarseg("tile", scene, "-o", output, "--size", 32).returncode == 0
    assert sarseg("tile", scene, "-o", output, "--size", 32).returncode == 4
    assert sarseg("tile", scene, "-o", output, "--size", 16, "--overwrite").returncode == 0


def test_polygons_and_blocks(tmp_path: Path, scene: Path, labels: Path) -> None:
    """Labels that were a map: what is counted is what the map shows."""
    polygons, output = tmp_path / "labels.gpkg", tmp_path / "chips"
    assert sarseg("vectorize", labels, "-o", polygons).returncode == 0
    run = sarseg(
        "tile", scene, "-o", output, "--size", 16, "--labels", polygons,
        "--ignore", 0, "--split", "blocks", "--block-size", 5, "--shares", "60,20,20",
        "--split-seed", 2, "--min-labelled", 0.01, "--json",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    counted = {"1": 0, "2": 0}
    for counts in result["pixels"].values():
        for class_id, count in counts.items():
            counted[class_id] += count
    assert counted == {"1": 100, "2": 200}
    assert result["division"] == "blocks of 5 pixels, shares 60,20,20, guard 0 pixels, seed 2"
    assert result["dropped"]["unlabelled"] > 0
    assert "less than 0.01 of their pixels labelled in any split" in run.stderr
    assert (output / "quicklook.png").is_file()


def test_lacking_splits_and_classes_are_warned_of(
    tmp_path: Path, scene: Path, labels: Path
) -> None:
    codes = np.ones((1, 30, 50), np.uint8)
    codes[:, 20:] = 3
    split = write(tmp_path / "split.tif", codes)
    run = sarseg(
        "tile", scene, "-o", tmp_path / "chips", "--labels", labels, "--ignore", "0",
        "--split", split, "--size", 16, "--no-quicklook",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "warning: No labelled pixel is for validation." in run.stderr
    assert "warning: No training pixel is of: 2 class 2." in run.stderr
    assert not (tmp_path / "chips" / "quicklook.png").exists()
