"""Confidence that means what it says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from sarseg.errors import ModelError
from sarseg.model.file import load_model
from sarseg.training.plan import plan
from sarseg.training.run import train
from sarseg.training.settings import TrainSettings
from sarseg.training.temperature import fitted_temperature
from tests.toy import Constant
from tests.training.chips import two_band_chips


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_band_chips(tmp_path_factory.mktemp("temperature"))


def settings(chips: Path, **changes: Any) -> TrainSettings:
    return TrainSettings(dataset=str(chips), **{"epochs": 2, "logger": "none", **changes})


def test_the_stored_temperature_is_the_best_of_its_neighbours(chips: Path, tmp_path: Path) -> None:
    chosen = settings(chips, learning_rate=1e-3, epochs=3)
    summary = train(chosen, tmp_path / "m.safetensors", overwrite=False)
    model = load_model(tmp_path / "m.safetensors")
    assert summary is not None
    temperature = model.card.temperature
    assert temperature == summary.temperature > 0
    validation = plan(chosen).validation
    assert validation is not None
    bands, labels = map(torch.stack, zip(*(validation[n] for n in range(2)), strict=True))
    with torch.inference_mode():
        logits = model.segmenter(bands)

    def surprise(temperature: float) -> float:
        """Mean negative log-likelihood of the validation labels."""
        return float(functional.cross_entropy(logits / temperature, labels, ignore_index=255))

    assert temperature != pytest.approx(1, abs=0.02)
    assert surprise(temperature) < surprise(1)
    assert surprise(temperature) < min(surprise(temperature * 0.9), surprise(temperature * 1.1))


def test_boxes_from_labels_leave_the_temperature_alone(chips: Path, tmp_path: Path) -> None:
    chosen = settings(chips, epochs=1, decoder="box-prompted", foreground="built-up")
    summary = train(chosen, tmp_path / "m.safetensors", overwrite=False)
    assert summary is not None
    assert summary.metrics
    assert summary.temperature == load_model(tmp_path / "m.safetensors").card.temperature == 1


def test_the_temperature_of_a_constant_answer_by_hand(chips: Path) -> None:
    """Of two classes with logits a and 0, the temperature makes the probability the share."""
    planned = plan(settings(chips, foreground="built-up"))
    assert planned.validation is not None
    labels = np.concatenate([planned.validation[n][1].numpy().ravel() for n in range(2)])
    share = (labels == 1).sum() / (labels != 255).sum()
    logit = np.log(share / (1 - share))
    segmenter: Any = Constant([0.0, 3 * float(logit)])
    segmenter.num_classes = 2
    found = fitted_temperature(segmenter, planned.validation, "cpu", batch_size=2, seed=0)
    assert found == pytest.approx(3, rel=1e-2)


def test_a_diverged_model_gets_a_sentence_and_no_file(chips: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.safetensors"
    chosen = settings(chips, epochs=1, learning_rate=1e30, schedule="constant")
    with pytest.raises(ModelError, match=r"diverged.*smaller --learning-rate"):
        train(chosen, output, overwrite=False)
    assert not output.exists()
