"""The curves of a run, in files."""

import csv
import importlib.util
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboardX.proto.event_pb2 import Event

from sarseg.errors import OutputError, UsageError
from sarseg.training.loggers import loggers
from sarseg.training.run import train
from sarseg.training.settings import TrainSettings
from tests.cli.conftest import sarseg  # noqa: F401
from tests.cli.running import Sarseg
from tests.training.chips import two_band_chips

EPOCHS = 2


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_band_chips(tmp_path_factory.mktemp("loggers"))


def settings(chips: Path, **changes: Any) -> TrainSettings:
    return TrainSettings(
        dataset=str(chips), **{"epochs": EPOCHS, "schedule": "constant", "warmup": 2, **changes}
    )


def rows(version: Path) -> list[dict[str, str]]:
    with (version / "metrics.csv").open(newline="") as opened:
        return list(csv.DictReader(opened))


def column(version: Path, name: str) -> dict[int, float]:
    """Values of a curve by step."""
    return {int(float(row["step"])): float(row[name]) for row in rows(version) if row[name]}


def events(version: Path) -> Iterator[Event]:
    """Records of length, checksum, content, checksum."""
    (path,) = version.glob("events.out.tfevents.*")
    content, start = path.read_bytes(), 0
    while start < len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        yield Event.FromString(content[start + 12 : start + 12 + length])
        start += length + 16


def scalars(version: Path, name: str) -> dict[int, float]:
    """Values of a curve by step."""
    return {
        event.step: value.simple_value
        for event in events(version)
        for value in event.summary.value
        if value.tag == name
    }


@pytest.fixture(scope="module")
def logs(chips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of a run that was stopped in its second epoch, and went on."""
    output = tmp_path_factory.mktemp("run") / "model.safetensors"

    def stop(done: int, total: int, note: str) -> None:
        if done == 5:
            raise MemoryError

    with pytest.raises(MemoryError):
        train(settings(chips, save_minutes=0), output, overwrite=False, progress=stop)
    train(settings(chips), output, overwrite=False, resume=True)
    return output.with_suffix(".run") / "logs"


def test_each_start_has_a_folder_of_its_own(logs: Path) -> None:
    assert sorted(path.name for path in logs.iterdir()) == ["version_0", "version_1"]
    assert [path.name for path in logs.parent.iterdir()] == ["logs"]


@pytest.mark.parametrize("read", [column, scalars])
def test_steps_are_counted_over_the_whole_run(
    logs: Path, read: Callable[[Path, str], dict[int, float]]
) -> None:
    """The fifth step was stopped before it was saved, so it is done again."""
    first, second = logs / "version_0", logs / "version_1"
    assert {1, 2, 3, 4} <= read(first, "train_loss").keys() <= {1, 2, 3, 4, 5}
    assert read(second, "train_loss").keys() == {5, 6}
    assert all(loss > 0 for loss in read(second, "train_loss").values())
    assert read(first, "val_miou").keys() == {3}
    assert read(second, "val_miou").keys() == {6}
    rates = read(first, "learning_rate")
    assert [rates[step] for step in (1, 2, 3)] == pytest.approx([1e-4, 2e-4, 2e-4])


def test_both_loggers_tell_the_same(logs: Path) -> None:
    version = logs / "version_1"
    for name in ("train_loss", "val_miou", "val_oa"):
        assert scalars(version, name) == pytest.approx(column(version, name), rel=1e-6)


def test_settings_stand_beside_the_curves(logs: Path) -> None:
    told = yaml.safe_load((logs / "version_1" / "hparams.yaml").read_text())
    assert (told["epochs"], told["warmup"]) == (EPOCHS, 2)
    assert "dataset" not in told


@pytest.mark.parametrize(
    ("names", "found"),
    [("none", []), ("csv", ["metrics.csv"]), ("tensorboard", ["events.out.tfevents"])],
)
def test_only_what_is_asked_for_is_written(
    chips: Path, tmp_path: Path, names: str, found: list[str]
) -> None:
    output = tmp_path / "model.safetensors"
    train(settings(chips, logger=names, epochs=1), output, overwrite=False)
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    expected = ["hparams.yaml", *found] if found else []
    assert len(files) == 1 + len(expected)
    assert all(any(file.startswith(name) for file in files) for name in expected)


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_logger_that_is_not_installed_gets_a_sentence(
    chips: Path,
    tmp_path: Path,
    sarseg: Sarseg,  # noqa: F811
    name: str,
) -> None:
    if importlib.util.find_spec(name):
        pytest.skip(f"{name} is installed")
    output = tmp_path / "model.safetensors"
    done = sarseg("train", "--dataset", chips, "-o", output, "--logger", f"csv,{name}")
    assert done.code == 2
    assert f"--logger {name} needs a package that is not installed: pip install" in done.stderr
    assert not list(tmp_path.iterdir())


def test_names_of_no_logger_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose tensorboard, csv, wandb or mlflow"):
        loggers(["excel"], tmp_path, {})


def test_versions_go_on_after_the_last_one(tmp_path: Path) -> None:
    for name in ("version_3", "version_x", "version_10"):
        (tmp_path / "logs" / name).mkdir(parents=True)
    (logger,) = loggers(["csv"], tmp_path, {})
    assert logger.version == 11


def test_a_full_disk_at_the_start_gets_a_sentence(
    tmp_path: Path, file_size_limit: Callable[[int], None]
) -> None:
    file_size_limit(100)
    with pytest.raises(OutputError, match=r"logs in .* cannot be written"):
        loggers(["csv"], tmp_path, {f"setting_{number}": number for number in range(100)})


def test_nobody_waits_for_a_writer_that_a_full_disk_has_ended(
    tmp_path: Path, file_size_limit: Callable[[int], None]
) -> None:
    file_size_limit(100)
    (logger,) = loggers(["tensorboard"], tmp_path, {})
    for step in range(400):  # more than its buffer holds
        logger.log_metrics({"train_loss": 1.0}, step)


def test_a_full_disk_in_the_middle_gets_a_sentence(
    chips: Path, tmp_path: Path, file_size_limit: Callable[[int], None]
) -> None:
    def fill_the_disk(done: int, total: int, note: str) -> None:
        if done == 2:
            file_size_limit(50)

    with pytest.raises(
        OutputError, match=r"logs cannot be written after \d of \d steps.*Make room"
    ):
        train(
            settings(chips, logger="csv", epochs=1),
            tmp_path / "model.safetensors",
            overwrite=False,
            progress=fill_the_disk,
        )
    assert not (tmp_path / "model.safetensors").exists()
