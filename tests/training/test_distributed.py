"""Every method and decoder trains in data-parallel processes, whatever never takes part."""

import csv
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sarseg.adapters import METHODS
from sarseg.decoders import DECODERS
from tests.training.chips import two_band_chips

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def test_two_processes_end_with_the_same_weights() -> None:
    done = subprocess.run(
        [*TORCHRUN, "-m", "tests.training.two_processes"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    digests = defaultdict(set)
    # both processes write to one pipe, where lines may run into each other
    for rank, combination, digest in re.findall(
        r"weights: (\d) ([\w-]+/[\w-]+) ([0-9a-f]{16})", done.stdout
    ):
        digests[combination].add((rank, digest))
    assert len(digests) == len(METHODS) + len(DECODERS) - 1
    for combination, found in digests.items():
        assert {rank for rank, _ in found} == {"0", "1"}, combination
        assert len({digest for _, digest in found}) == 1, combination


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_band_chips(tmp_path_factory.mktemp("distributed"))


def trained(start: list[str], chips: Path, output: Path, *options: str) -> list[dict[str, str]]:
    """The rows of the log of a training whose processes ``start`` starts."""
    done = subprocess.run(
        [
            *(*start, "-m", "sarseg", "train", "--dataset", str(chips), "-o", str(output)),
            *("--epochs", "2", "--no-augment", "--class-weights", "frequency", *options),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("best epoch") == 1  # one process talks
    log = output.with_suffix(".run") / "logs" / "version_0" / "metrics.csv"
    with log.open(newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.fixture(scope="module")
def alone(chips: Path) -> tuple[list[dict[str, str]], Path]:
    """The log and the model of one process."""
    output = chips.parent / "one.safetensors"
    return trained([sys.executable], chips, output, "--batch-size", "4"), output


@pytest.mark.parametrize("options", [("--batch-size", "2"), ("--batch-size=1", "--accumulate=2")])
@pytest.mark.parametrize("by", ["torchrun", "--devices"])
def test_two_processes_do_what_one_does(
    chips: Path,
    alone: tuple[list[dict[str, str]], Path],
    tmp_path: Path,
    by: str,
    options: tuple[str, ...],
) -> None:
    """Four chips a step of six training chips: the last step of an epoch has two."""
    log, model = alone
    if by == "torchrun":
        shared = trained(list(TORCHRUN), chips, tmp_path / "two.safetensors", *options)
    else:
        options = (*options, "--devices", "2")
        shared = trained([sys.executable], chips, tmp_path / "two.safetensors", *options)
    assert [row["step"] for row in shared] == [row["step"] for row in log]
    for ours, theirs in zip(shared, log, strict=True):
        for name in ("train_loss", "val_miou"):
            assert bool(ours[name]) == bool(theirs[name])
            if ours[name]:
                assert float(ours[name]) == pytest.approx(float(theirs[name]), rel=1e-4)
    together = load_file(tmp_path / "two.safetensors")
    for name, tensor in load_file(model).items():
        # Adam makes steps of the learning rate, 2e-4, out of gradients that are rounding alone
        torch.testing.assert_close(together[name], tensor, rtol=1e-3, atol=1e-4)
