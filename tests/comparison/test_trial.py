from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from torch import Tensor, nn

from sarseg.comparison.begun import Begun, read_begun, write_begun
from sarseg.comparison.config import Comparison, DatasetData, Run
from sarseg.comparison.record import TrialRecord, read_record
from sarseg.comparison.trial import Place, length_of, run_trial, start_from
from sarseg.comparison.trials import Trial, trials_of
from sarseg.datasets.chips import write_chips
from sarseg.datasets.source import open_dataset
from sarseg.datasets.synthetic import simulate, write_scene
from sarseg.errors import ModelError
from sarseg.evaluation.chips import evaluate_chips
from sarseg.model.file import load_model
from sarseg.model.network import Network
from sarseg.model.tensors import write_tensors
from sarseg.training.settings import TrainSettings
from sarseg.training.state import StateFile

SIZE = 32


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DatasetData:
    """Six chips: two to train on, two to validate with, two to be judged by."""
    folder = tmp_path_factory.mktemp("chips")
    scene, labels, split = (folder / f"{name}.tif" for name in ("scene", "labels", "split"))
    write_scene(simulate(7, 2 * SIZE, 3 * SIZE), scene, labels)
    parts = np.repeat(np.arange(1, 4, dtype=np.uint8), SIZE)[None].repeat(2 * SIZE, axis=0)
    with rasterio.open(labels) as like, rasterio.open(split, "w", **like.profile) as opened:
        opened.write(parts, 1)
    write_chips([str(scene)], folder / "chips", size=SIZE, labels=labels, split=str(split))
    return DatasetData(dataset=str(folder / "chips"))


def _trial(data: DatasetData, run: Run, **settings: Any) -> Trial:
    comparison = Comparison(
        title="One run",
        data=data,
        runs={"run": run},
        seeds=(0,),
        settings={"epochs": 1, "batch_size": 1, "despeckle": "none", **settings},
    )
    (trial,) = trials_of(comparison, Path("compared"), "digest")
    return trial


def _record(trial: Trial, data: DatasetData, place: Place, **told: Any) -> TrialRecord:
    run_trial(
        trial,
        data,
        "test",
        place,
        told.get("report", lambda done, total, note: None),
        told.get("tell", lambda sentence: None),
    )
    record = read_record(place.record, trial.key)
    assert record is not None
    return record


def _interrupt(*told: object) -> None:
    raise KeyboardInterrupt


def test_a_trial_that_is_stopped_goes_on_and_with_nothing_else(
    data: DatasetData, tmp_path: Path
) -> None:
    trial = _trial(data, Run(options={"method": "decoder-only"}))
    place = Place(tmp_path / "record.json", tmp_path / "model.safetensors")
    folder, kept = tmp_path / "model.run", tmp_path / "model.begun"
    # another trial was stopped here, and then this one before it saved anything
    StateFile(folder, {"epochs": 300}).write({"steps": 1})
    write_begun(kept, Begun(key="another", seconds=1e6))
    with pytest.raises(KeyboardInterrupt):
        _record(trial, data, place, tell=_interrupt)
    with pytest.raises(KeyboardInterrupt, match="1 of 2 steps"):
        _record(trial, data, place, report=_interrupt)
    begun = read_begun(kept, trial.key)
    assert begun is not None
    assert 0 < begun.seconds < 1000
    write_begun(kept, Begun(key=trial.key, seconds=1000))
    steps: list[int] = []
    record = _record(trial, data, place, report=lambda done, total, note: steps.append(done))
    assert steps == [2]
    assert 1000 < record.seconds < 2000
    assert (record.epochs, record.best_epoch, record.plateau) == (1, 1, False)
    assert not kept.exists()
    assert not folder.exists()

    source, model = open_dataset(data.dataset), load_model(place.model)
    accuracy = evaluate_chips(model, place.model, source, "test").evaluation.accuracy
    assert accuracy is not None
    assert record.judgement.by_unit().sum(axis=0).tolist() == list(map(list, accuracy.confusion))
    assert record.judgement.units == 2


def test_runs_of_different_filters_are_judged_by_the_same_pixels(
    data: DatasetData, tmp_path: Path
) -> None:
    records = [
        _record(
            _trial(data, Run(baseline="gaussian-ml"), **filters),
            data,
            Place(tmp_path / "record.json", tmp_path / "model.safetensors"),
        )
        for filters in ({}, {"despeckle": "lee", "looks": 4.0})
    ]
    plain, smooth = (record.judgement.by_unit() for record in records)
    assert (plain != smooth).any()
    assert (plain.sum(axis=2) == smooth.sum(axis=2)).all()
    assert "1 thread of " in records[0].machine or " threads of " in records[0].machine


def test_what_is_to_be_known_of_a_baseline_is_told(data: DatasetData, tmp_path: Path) -> None:
    told: list[str] = []
    run = Run(baseline="unet", set={"channels": [8, 16]})
    place = Place(tmp_path / "record.json", tmp_path / "model.safetensors")
    record = _record(_trial(data, run, patience=1), data, place, tell=told.append)
    assert any(sentence.startswith("No training pixel is labelled") for sentence in told)
    assert not any("position tables" in sentence for sentence in told)
    assert "monai" in record.versions
    assert record.validation_miou is not None


@pytest.mark.parametrize(
    ("best_epoch", "patience", "validated", "expected"),
    [
        (3, 2, True, (5, True)),
        (2, 2, True, (4, True)),
        (4, 2, True, (5, False)),
        (4, None, True, (5, False)),
        (5, 2, False, (5, False)),
        (None, 2, True, (None, None)),
    ],
)
def test_how_long_training_took(
    best_epoch: int | None,
    patience: int | None,
    validated: bool,
    expected: tuple[int | None, bool | None],
) -> None:
    settings = TrainSettings(dataset="chips", epochs=5, patience=patience)
    assert length_of(best_epoch, settings, validated=validated) == expected


class Small(Network):
    def __init__(self, num_classes: int, width: int = 4) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.body = nn.Sequential(nn.Conv2d(2, width, 3, padding=1), nn.BatchNorm2d(width))
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, bands: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(bands))
        return out


def test_starting_from_weights(tmp_path: Path) -> None:
    first, path, told = Small(3), tmp_path / "weights.safetensors", list[str]()
    write_tensors(path, first.state_dict())
    same = Small(3)
    start_from(same, path, told.append)
    assert all(torch.equal(same.state_dict()[name], t) for name, t in first.state_dict().items())
    assert not told

    other = Small(5)
    head = other.head.weight.detach().clone()
    start_from(other, path, told.append)
    assert torch.equal(other.body[0].weight, first.body[0].weight)
    assert torch.equal(other.head.weight, head)
    assert len(told) == 1
    assert "head.weight, head.bias" in told[0]


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_tensors(path, Small(3, width=8).state_dict())
    with pytest.raises(ModelError, match=r"body\.0\.weight has the shape"):
        start_from(Small(3), path, print)
    write_tensors(path, {"some": torch.zeros(1)})
    with pytest.raises(ModelError, match=r"it has no body\.0\.weight \(\d+ differences"):
        start_from(Small(3), path, print)
