"""Networks in training on simulated patches."""

import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from sarseg.baselines import baseline
from sarseg.pretraining.bank import PatchBank
from sarseg.pretraining.parcels import EMBEDDING
from sarseg.pretraining.simulated import PatchSettings, train_on_patches

TINY = PatchSettings(steps=5, batch_size=2, learning_rate=3e-3)


def test_a_network_changes_and_equal_seeds_give_equal_weights(bank: PatchBank) -> None:
    told: list[str] = []
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        network = baseline("unet", {"channels": [8, 16]}).build(3, EMBEDDING)
        before = {name: each.clone() for name, each in network.state_dict().items()}
        train_on_patches(network, bank, TINY, told.append)
        states.append(network.state_dict())
        assert any(not torch.equal(before[name], each) for name, each in states[-1].items())
    assert all(torch.equal(states[0][name], each) for name, each in states[1].items())
    assert told[0].startswith("patches step 5 level ")


def test_a_baseline_gets_its_start_from_the_command(tmp_path: Path) -> None:
    output = tmp_path / "unet.safetensors"
    command = [sys.executable, "-m", "sarseg.pretraining.simulated", "--baseline", "unet"]
    options = ["--patches", "2", "--size", "64", "--steps", "1", "--batch-size", "1"]
    subprocess.run([*command, "-o", str(output), *options], check=True, capture_output=True)
    own = baseline("unet").build(3, EMBEDDING).state_dict()
    assert {name: each.shape for name, each in load_file(output).items()} == {
        name: each.shape for name, each in own.items()
    }
