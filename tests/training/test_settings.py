"""What settings accept, and what a model file says of them."""

from typing import Any

import pytest
from pydantic import ValidationError

from sarseg.datasets.augment import NO_AUGMENTATION, Augmentation
from sarseg.errors import UsageError
from sarseg.filters.despeckle import Lee
from sarseg.training.settings import CONDUCT, PLACES, TrainSettings


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings(dataset="chips", **changes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("batch_size", 0),
        ("accumulate", -1),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("learning_rate", 0),
        ("ema", 1.0),
        ("ema", 0.0),
        ("clip", 0),
        ("warmup", -1),
        ("patience", 0),
        ("label_share", 0),
        ("label_share", 1.5),
        ("init", "meta"),
        ("seed", -1),
        ("seed", 2**32),
        ("schedule", "linear"),
        ("precision", "64"),
        ("precision", 8),
        ("logger", "csv,excel"),
        ("class_weights", "many"),
        ("class_weights", "1,-1"),
        ("class_weights", "1,nan"),
        ("class_weights", "1,inf"),
        ("set", {"encoder.depth": 3}),
        ("set", {"method": 3}),
        ("set", {"augment.zooms": 2}),
        ("set", {"augment.zoom": 0.5}),
        ("learning_rates", 1.0),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        settings(**{name: value})


def test_loggers_as_the_command_line_gives_them() -> None:
    assert settings().logger == ("tensorboard", "csv")
    assert settings(logger="csv, wandb").logger == ("csv", "wandb")
    assert settings(logger="none").logger == settings(logger=[]).logger == ()


def test_a_precision_may_be_a_number() -> None:
    assert (settings(precision=16).precision, settings(precision="bf16").precision) == (
        "16",
        "bf16",
    )


def test_settings_of_parts() -> None:
    chosen = settings(set={"method.rank": 4, "augment.zoom": 1.5, "method.alpha": 8})
    assert chosen.settings_of("method") == {"rank": 4, "alpha": 8}
    assert chosen.settings_of("decoder") == {}
    assert chosen.augmentation == Augmentation(zoom=1.5)
    assert settings(augment=False, set={"augment.zoom": 1.5}).augmentation == NO_AUGMENTATION


def test_filters() -> None:
    assert settings().filters is None
    chosen = settings(set={"despeckle.size": 9}, looks=3).filters
    assert chosen is not None
    assert chosen.despeckle == Lee(size=9, looks=3)
    with pytest.raises(UsageError):
        _ = settings(despeckle="blur").filters


def test_a_model_file_records_what_made_it_and_nothing_of_the_machine() -> None:
    recorded = settings(epochs=3, workers=7, device="cpu", logger="none").recorded()
    assert recorded["epochs"] == 3
    assert not recorded.keys() & (PLACES | CONDUCT)
    assert recorded.keys() | PLACES | CONDUCT == TrainSettings.model_fields.keys()
    assert settings(epochs=3).recorded() == recorded
