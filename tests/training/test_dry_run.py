"""A look at data, labels and memory, and warnings before the first step."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from sarseg.errors import OutputError, UsageError
from sarseg.training.run import dry_run, train
from sarseg.training.settings import TrainSettings
from tests.cli.conftest import sarseg  # noqa: F401
from tests.cli.running import Sarseg
from tests.training.chips import two_band_chips


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_band_chips(tmp_path_factory.mktemp("dry"))


def listing(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def pixels(chips: Path) -> dict[int, int]:
    """Labelled training pixels by class id, counted from the files."""
    found = np.zeros(256, int)
    for path in (chips / "labels" / "train").iterdir():
        with rasterio.open(path) as opened:
            found += np.bincount(opened.read(1).ravel(), minlength=256)
    return {number: int(count) for number, count in enumerate(found) if count}


def test_it_tells_what_a_run_would_do_and_writes_nothing(
    chips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sarseg: Sarseg,  # noqa: F811
) -> None:
    monkeypatch.chdir(tmp_path)
    before = listing(tmp_path), listing(chips.parent)
    options = ("--dry-run", "--epochs", "5", "--batch-size", "2", "--workers", "1", "--json")
    done = sarseg("train", "--dataset", chips, *options)
    assert done.code == 0, done.stderr
    assert (listing(tmp_path), listing(chips.parent)) == before
    told = json.loads(done.stdout)
    assert told["chips"] == {"train": 6, "validation": 2}
    assert told["steps"] == 5 * 3
    assert told["peak_memory"] > 50e6
    assert told["loss"] > 0
    assert 0 < told["trainable_parameters"] < told["parameters"]
    share = told["class_pixels"]["water"] / sum(told["class_pixels"].values())
    assert f"{share:.2%}" in done.stderr
    assert "Nothing was written" in done.stderr
    assert "GB" in done.stderr


def test_class_pixels_are_those_of_the_training_labels(chips: Path, tmp_path: Path) -> None:
    tried = dry_run(
        TrainSettings(dataset=str(chips), despeckle="none"), tmp_path / "m.st", overwrite=False
    )
    counted = [count for number, count in pixels(chips).items() if number not in (0, 255)]
    assert sorted(filter(None, tried.class_pixels.values())) == sorted(counted)


def test_doubts_are_told_before_the_first_step(chips: Path, tmp_path: Path) -> None:
    told: list[str] = []
    train(
        TrainSettings(dataset=str(chips), epochs=1, logger="none"),
        tmp_path / "m.safetensors",
        overwrite=False,
        warn=told.append,
        progress=lambda done, total, note: told.append("a step"),
    )
    first = told.index("a step")
    assert "No training pixel is labelled woodland, bare soil; no map will show it." in told[:first]
    assert told[first:] == ["a step"] * 3


def rare_water(chips: Path, folder: Path) -> Path:
    """The same chips with all water but a few pixels unlabelled."""
    copied: Path = shutil.copytree(chips, folder / "chips")
    left = 20
    for path in sorted((copied / "labels" / "train").iterdir()):
        with rasterio.open(path, "r+") as opened:
            labels = opened.read(1)
            rows, cols = np.nonzero(labels == 1)
            labels[rows[left:], cols[left:]] = opened.nodata
            left = max(left - len(rows), 0)
            opened.write(labels, 1)
    return copied


@pytest.mark.parametrize(("weights", "warned"), [("none", True), ("frequency", False)])
def test_rare_classes_are_told_unless_they_are_weighted(
    chips: Path, tmp_path: Path, weights: str, warned: bool
) -> None:
    told: list[str] = []
    dry_run(
        TrainSettings(
            dataset=str(rare_water(chips, tmp_path)), class_weights=weights, despeckle="none"
        ),
        tmp_path / "m.safetensors",
        overwrite=False,
        warn=told.append,
    )
    rare = [sentence for sentence in told if "Far fewer training pixels" in sentence]
    assert bool(rare) == warned
    assert all(
        "water (0.1" in sentence and "--class-weights frequency" in sentence for sentence in rare
    )


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_pixels_that_are_no_numbers_do_not_matter(
    chips: Path, tmp_path: Path, share: float
) -> None:
    """NaN in a part of one chip, or in all of it."""
    copied: Path = shutil.copytree(chips, tmp_path / "chips")
    broken = sorted((copied / "images").glob("*_c00000.tif"))[0]
    with rasterio.open(broken, "r+") as opened:
        bands = opened.read()
        bands[:, : round(share * bands.shape[1])] = np.nan
        opened.write(bands)
    chosen: dict[str, Any] = {"dataset": str(copied), "epochs": 1, "logger": "none"}
    tried = dry_run(TrainSettings(**chosen), tmp_path / "m.safetensors", overwrite=False)
    assert np.isfinite(tried.loss)
    done = train(TrainSettings(**chosen, batch_size=1), tmp_path / "m.safetensors", overwrite=False)
    assert done is not None
    assert done.steps == 6
    assert (
        0
        < sum(done.class_pixels.values())
        < sum(
            dry_run(
                TrainSettings(dataset=str(chips)), tmp_path / "n.safetensors", overwrite=False
            ).class_pixels.values()
        )
    )


def test_it_refuses_what_the_run_would_refuse(chips: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.safetensors"
    output.write_bytes(b"precious")
    with pytest.raises(OutputError, match="--overwrite"):
        dry_run(TrainSettings(dataset=str(chips)), output, overwrite=False)
    with pytest.raises(UsageError, match="gives 2 numbers for 6 classes"):
        dry_run(TrainSettings(dataset=str(chips), class_weights="1,2"), output, overwrite=True)
    assert output.read_bytes() == b"precious"


def test_a_dry_run_cannot_be_resumed(chips: Path, sarseg: Sarseg) -> None:  # noqa: F811
    done = sarseg("train", "--dataset", chips, "--dry-run", "--resume")
    assert (done.code, "not both" in done.stderr) == (2, True)
