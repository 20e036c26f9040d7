"""Networks in training on simulated patches."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sarseg.baselines import baseline
from sarseg.errors import OutputError
from sarseg.model.bands import channels_from_bands, exact_inputs
from sarseg.pretraining.bank import PatchBank
from sarseg.pretraining.parcels import EMBEDDING
from sarseg.pretraining.simulated import PatchSettings, for_bands, main, train_on_patches

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


@pytest.mark.parametrize("bands", [1, 2, 3])
@pytest.mark.parametrize(("name", "settings"), [("unet", {"channels": [8, 16]}), ("segformer", {})])
def test_a_network_answers_to_bands_as_to_what_is_mixed_from_them(
    bands: int, name: str, settings: dict[str, object]
) -> None:
    chosen = baseline(name, settings)
    whole, own = chosen.build(3, EMBEDDING).eval(), chosen.build(bands, EMBEDDING).eval()
    own.load_state_dict(for_bands(whole.state_dict(), chosen, bands))
    shown = torch.randn(1, bands, 32, 32)
    mix = torch.tensor(channels_from_bands(exact_inputs(["VV", "VH", "HH"][:bands])))
    with torch.inference_mode():
        expected = whole(torch.einsum("cb,nbhw->nchw", mix, shown))
        torch.testing.assert_close(own(shown), expected, atol=1e-4, rtol=1e-4)


def test_a_baseline_gets_its_start_from_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "unet.safetensors"
    tiny = ["--patches", "1", "--size", "32", "--steps", "1", "--batch-size", "1"]
    options = ["--baseline", "unet", "--bands", "2", *tiny, "-o", str(output)]
    monkeypatch.setattr(sys, "argv", ["simulated", *options])
    main()
    own = baseline("unet").build(2, EMBEDDING).state_dict()
    assert {name: each.shape for name, each in load_file(output).items()} == {
        name: each.shape for name, each in own.items()
    }


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--baseline", "random-forest", "-o", "f.safetensors"], SystemExit),
        (["--baseline", "unet", "--bands", "4", "-o", "f.safetensors"], SystemExit),
        (["--baseline", "unet", "-o", "there.safetensors"], OutputError),
        (["--baseline", "unet", "-o", "nowhere/f.safetensors"], OutputError),
    ],
)
def test_what_makes_no_sense_is_refused_before_training(
    arguments: list[str],
    error: type[BaseException],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.safetensors").touch()
    monkeypatch.setattr(sys, "argv", ["simulated", *arguments])
    with pytest.raises(error):
        main()
    assert [path.name for path in tmp_path.iterdir()] == ["there.safetensors"]
