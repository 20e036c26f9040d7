"""A run that was stopped, however roughly, ends as if it had not been."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sarseg.errors import OutputError, UsageError
from sarseg.model.backbone import backbone_file
from sarseg.training.run import train
from sarseg.training.settings import TrainSettings
from tests.training.chips import two_band_chips

EVERYTHING_RANDOM = {
    "augment.zoom": 1.5,
    "augment.speckle_looks": "2,4",
    "augment.shift_db": 1.0,
    "augment.band_dropout": 0.3,
}


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_band_chips(tmp_path_factory.mktemp("resume"))


def command(chips: Path, output: Path, *further: str) -> list[str]:
    """Conv-LoRA, as its gate draws noise in every step, with all that else is random."""
    assigned = [f"--set={name}={json.dumps(value)}" for name, value in EVERYTHING_RANDOM.items()]
    return [
        *(sys.executable, "-m", "sarseg", "train", "--dataset", str(chips), "-o", str(output)),
        *("--method", "conv-lora", "--epochs", "3", "--batch-size", "1", "--accumulate", "2"),
        *("--ema", "0.9", "--clip", "1", "--warmup", "2", "--workers", "2", "--save-minutes", "0"),
        *assigned,
        *further,
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def steps_saved(output: Path) -> int:
    state = output.with_suffix(".run") / "state.pt"
    if not state.exists():
        return 0
    steps: int = torch.load(state, weights_only=True)["state"]["steps"]
    return steps


def stop(chips: Path, output: Path, number: signal.Signals, at_step: int, *further: str) -> str:
    """Run until ``at_step`` is saved, then stop the process by a signal; what it said."""
    with subprocess.Popen(
        command(chips, output, *further), env=environment(), stderr=subprocess.PIPE, text=True
    ) as run:
        deadline = time.monotonic() + 240
        while steps_saved(output) < at_step:
            assert run.poll() is None, run.stderr and run.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        run.send_signal(number)
        said = run.communicate(timeout=60)[1]
    assert run.returncode in (-number, 130)
    assert not output.exists()
    return said


def finish(chips: Path, output: Path, *further: str) -> dict[str, torch.Tensor]:
    done = subprocess.run(
        command(chips, output, *further),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert not (output.with_suffix(".run") / "state.pt").exists()
    return load_file(output)


@pytest.fixture(scope="module")
def uninterrupted(chips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    return finish(chips, tmp_path_factory.mktemp("whole") / "model.safetensors")


def test_kill_in_the_middle_of_an_epoch_and_resume(
    chips: Path, tmp_path: Path, uninterrupted: dict[str, torch.Tensor]
) -> None:
    output = tmp_path / "model.safetensors"
    stop(chips, output, signal.SIGKILL, 2)  # of three steps an epoch: in the first epoch
    stop(chips, output, signal.SIGKILL, 5, "--resume")  # and in the second
    resumed = finish(chips, output, "--resume")
    assert resumed.keys() == uninterrupted.keys()
    for name, tensor in uninterrupted.items():
        assert torch.equal(resumed[name], tensor), name


def test_ctrl_c_says_how_to_go_on(
    chips: Path, tmp_path: Path, uninterrupted: dict[str, torch.Tensor]
) -> None:
    output = tmp_path / "model.safetensors"
    said = stop(chips, output, signal.SIGINT, 1)
    assert "--resume goes on" in said
    assert "Traceback" not in said
    resumed = finish(chips, output, "--resume")
    assert all(torch.equal(resumed[name], tensor) for name, tensor in uninterrupted.items())


@pytest.fixture
def stopped(chips: Path, tmp_path: Path) -> Path:
    """The place of a model whose run was broken off after its first epoch."""
    output = tmp_path / "model.safetensors"

    def break_off(done: int, total: int, note: str) -> None:
        if done > 3:
            raise MemoryError

    with pytest.raises(MemoryError):
        train(TrainSettings(dataset=str(chips)), output, overwrite=False, progress=break_off)
    return output


def test_an_unfinished_run_is_not_begun_anew_unasked(chips: Path, stopped: Path) -> None:
    with pytest.raises(OutputError, match="--resume goes on with it, --overwrite begins anew"):
        train(TrainSettings(dataset=str(chips)), stopped, overwrite=False)


def test_only_the_same_run_goes_on(chips: Path, stopped: Path) -> None:
    other = TrainSettings(dataset=str(chips), learning_rate=1e-3)
    with pytest.raises(UsageError, match=r"begun with learning_rate 0\.0002, and this one has"):
        train(other, stopped, overwrite=False, resume=True)


def test_another_backbone_is_another_run(chips: Path, stopped: Path) -> None:
    weights = stopped.with_name("other.safetensors")
    content = bytearray(backbone_file("vit_t", None).read_bytes())
    content[-1] ^= 1  # the last bit of a weight
    weights.write_bytes(content)
    same = TrainSettings(dataset=str(chips), backbone_weights=weights)
    with pytest.raises(UsageError, match="begun with backbone_weights"):
        train(same, stopped, overwrite=False, resume=True)


def test_nothing_to_resume(chips: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to resume"):
        train(
            TrainSettings(dataset=str(chips)),
            tmp_path / "model.safetensors",
            overwrite=False,
            resume=True,
        )
    assert not list(tmp_path.iterdir())
