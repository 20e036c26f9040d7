"""What goes wrong in a run from outside: data, workers, signals. A sentence each, nothing lost."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
import rasterio
import torch
from safetensors.torch import load_file

from sarseg.datasets.manifest import read_manifest
from sarseg.errors import DatasetError, ModelError
from sarseg.model.backbone import backbone_file
from sarseg.training.run import dry_run, train
from sarseg.training.settings import TrainSettings
from tests.training.chips import two_band_chips


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_band_chips(tmp_path_factory.mktemp("stops"))


def with_a_wrong_id(chips: Path, folder: Path, split: str) -> Path:
    """A copy of ``chips`` whose last label of ``split`` holds a class that there is not."""
    shutil.copytree(chips, folder)
    labels = [chip.label for chip in read_manifest(folder).chips if chip.split == split]
    with rasterio.open(folder / str(labels[-1]), "r+") as opened:
        ids = opened.read(1)
        ids[5, 5] = 77
        opened.write(ids, 1)
    return folder


@pytest.mark.parametrize("split", ["train", "validation"])
def test_all_labels_are_looked_at_before_the_first_step(
    chips: Path, tmp_path: Path, split: str
) -> None:
    broken = with_a_wrong_id(chips, tmp_path / "broken", split)
    chosen = TrainSettings(dataset=str(broken), epochs=1)
    for run in (train, dry_run):
        with pytest.raises(DatasetError, match="holds the class 77, which is not in"):
            run(chosen, tmp_path / "model.safetensors", overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


class Run:
    """A training in processes of its own, at a time when it has saved its state."""

    def __init__(self, start: list[str], chips: Path, output: Path, *options: str) -> None:
        self.state = output.with_suffix(".run") / "state.pt"
        self.process = subprocess.Popen(
            [
                *(*start, "-m", "sarseg", "train", "--dataset", str(chips), "-o", str(output)),
                *("--epochs", "10000", "--batch-size", "1", *options),
            ],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        deadline = time.monotonic() + 240
        while not self.state.exists():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def children(self) -> list[int]:
        """Processes that this one started."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(number) for task in tasks for number in task.read_text().split()]

    def said(self) -> str:
        """What it said until it ended."""
        return self.process.communicate(timeout=120)[1]


def test_what_a_worker_cannot_read_is_one_sentence(chips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "chips"
    shutil.copytree(chips, folder)
    run = Run([sys.executable], folder, tmp_path / "m.safetensors", "--workers", "2")
    for image in (folder / "images").iterdir():
        image.write_bytes(b"damaged since")
    said = run.said()
    assert run.process.returncode == 6
    (error,) = [line for line in said.splitlines() if "error:" in line]
    assert ".tif" in error
    assert "Traceback" not in said


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux to find workers")
def test_a_killed_worker_is_one_sentence(chips: Path, tmp_path: Path) -> None:
    run = Run([sys.executable], chips, tmp_path / "m.safetensors", "--workers", "2")
    deadline = time.monotonic() + 60
    while run.process.poll() is None and time.monotonic() < deadline:
        for worker in run.children():  # of an epoch; one that has done its part is not missed
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        time.sleep(0.01)
    said = run.said()
    assert run.process.returncode == 2, said
    assert "error: A process that prepares chips was ended" in said
    assert run.state.exists()


def test_a_scheduler_stops_all_processes_in_time(chips: Path, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    run = Run([*torchrun, "--nproc-per-node", "2"], chips, tmp_path / "m.safetensors")
    started = time.monotonic()
    run.process.send_signal(signal.SIGTERM)
    said = run.said()
    assert time.monotonic() - started < 25  # torchrun waits for 30 s, and kills then
    assert run.process.returncode != 0
    assert "interrupted" in said
    assert run.state.exists()


def test_signals_are_handled_as_before_the_training(chips: Path, tmp_path: Path) -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def handler(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, handler)
    try:
        train(
            TrainSettings(dataset=str(chips), epochs=1),
            tmp_path / "model.safetensors",
            overwrite=False,
            progress=lambda done, total, note="": seen.append(signal.getsignal(signal.SIGTERM)),
        )
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen
    assert all(each is handler for each in seen)


def test_a_loss_that_is_no_number_ends_the_run(chips: Path, tmp_path: Path) -> None:
    weights = tmp_path / "broken.pth"
    state = {
        name: torch.full_like(tensor, np.nan) if "neck" in name else tensor
        for name, tensor in _shipped().items()
    }
    torch.save(state, weights)
    with pytest.raises(ModelError, match="The loss of step 1 is no number"):
        train(
            TrainSettings(dataset=str(chips), backbone_weights=weights),
            tmp_path / "model.safetensors",
            overwrite=False,
        )


def _shipped() -> dict[str, torch.Tensor]:
    return load_file(backbone_file("vit_t", None))
