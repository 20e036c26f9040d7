"""What a run goes on from: refused where it is damaged or of another run, never lost."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from sarseg.errors import DatasetError, OutputError, UsageError
from sarseg.training.run import TrainingSummary, train
from sarseg.training.settings import TrainSettings
from sarseg.training.state import StateFile
from tests.rasters import hidden_files
from tests.training.chips import two_band_chips

IDENTITY = {"epochs": 3, "logger": ("csv",), "data": "abc"}
STATE = {"steps": 5, "weights": {"a": torch.arange(4.0)}}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    StateFile(tmp_path / "m.run", IDENTITY).write(STATE)
    again = StateFile(tmp_path / "m.run", IDENTITY)
    assert again.steps == 0
    again.load()
    assert again.steps == 5
    assert again.state is not None
    assert torch.equal(again.state["weights"]["a"], torch.arange(4.0))
    again.remove()
    assert not again.path.exists()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({**IDENTITY, "epochs": 4}, "begun with epochs 3, and this one has 4"),
        ({**IDENTITY, "data": "abd"}, "begun with data abc, and this one has abd"),
        ({"epochs": 3, "data": "abc"}, r"begun with logger \['csv'\], and this one has None"),
    ],
)
def test_only_the_same_run_is_read(tmp_path: Path, other: dict[str, Any], words: str) -> None:
    StateFile(tmp_path, IDENTITY).write(STATE)
    with pytest.raises(UsageError, match=words):
        StateFile(tmp_path, other).load()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("state")
    StateFile(folder, IDENTITY).write(STATE)
    return (folder / "state.pt").read_bytes()


def refused(folder: Path, content: bytes) -> str:
    file = StateFile(folder, IDENTITY)
    file.path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"state\.pt cannot be read") as told:
        file.load()
    assert file.steps == 0
    return str(told.value)


@given(st.data())
def test_a_truncated_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    length = data.draw(st.integers(0, len(whole) - 23))  # a zip file ends with 22 bytes
    assert "--overwrite" in refused(tmp_path_factory.mktemp("cut"), whole[:length])


@given(st.binary(max_size=300))
def test_other_files_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    refused(tmp_path_factory.mktemp("other"), content)


@pytest.mark.parametrize(
    "content", [None, 3, [1], {"identity": {}}, {"identity": 3, "state": {}}, {"state": {}}]
)
def test_other_tensors_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "saved.pt")
    refused(tmp_path, (tmp_path / "saved.pt").read_bytes())


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("plain", [True, False])
def test_nothing_in_the_file_is_executed(tmp_path: Path, plain: bool) -> None:
    trap = tmp_path / "executed"
    content = {"identity": IDENTITY, "state": Trap(trap)}
    if plain:
        refused(tmp_path, pickle.dumps(content))
    else:
        torch.save(content, tmp_path / "trap.pt")
        refused(tmp_path, (tmp_path / "trap.pt").read_bytes())
    assert not trap.exists()


def test_a_full_disk_leaves_the_state_before(
    tmp_path: Path, file_size_limit: Callable[[int], None]
) -> None:
    file = StateFile(tmp_path, IDENTITY)
    file.write(STATE)
    before = file.path.read_bytes()
    file_size_limit(10_000)
    with pytest.raises(OutputError, match=r"state\.pt could not be written: .*File too large"):
        file.write({**STATE, "weights": torch.zeros(100_000)})
    assert file.path.read_bytes() == before
    assert not hidden_files(tmp_path)


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_band_chips(tmp_path_factory.mktemp("chips"))


EMA_WITHOUT_VALIDATION = {"epochs": 2, "ema": 0.5, "foreground": "water", "decoder": "box-prompted"}
EARLY = {"epochs": 8, "patience": 1, "schedule": "constant", "learning_rate": 1e-2}


def run(chips: Path, output: Path, **options: Any) -> TrainingSummary:
    told = {"epochs": 2, "logger": "csv", **options.pop("chosen", {})}
    done = train(TrainSettings(dataset=str(chips), **told), output, overwrite=False, **options)
    assert done is not None
    return done


def test_a_full_disk_while_the_state_is_saved(
    chips: Path, tmp_path: Path, file_size_limit: Callable[[int], None]
) -> None:
    whole = run(chips, tmp_path / "whole.safetensors")
    output = tmp_path / "model.safetensors"
    state = output.with_suffix(".run") / "state.pt"

    def fill_the_disk(done: int, total: int, note: str) -> None:
        if done == 4:  # the first of the second epoch
            file_size_limit(1_000_000)

    told: list[str] = []
    with pytest.raises(OutputError, match=r"model\.safetensors could not be written"):
        run(chips, output, progress=fill_the_disk, warn=told.append)
    assert "state.pt could not be written" in told[-1]
    assert "Training goes on" in told[-1]
    assert not hidden_files(tmp_path)
    assert not output.exists()
    assert torch.load(state, weights_only=True)["state"]["steps"] == 3
    file_size_limit(-1)
    resumed = run(chips, output, resume=True)
    assert (resumed.steps, resumed.best_epoch) == (whole.steps, whole.best_epoch)
    assert_equal_models(output, whole.output)
    assert not state.exists()


@pytest.mark.parametrize("chosen", [{}, EMA_WITHOUT_VALIDATION, EARLY])
def test_a_full_disk_while_the_model_is_saved(
    chips: Path, tmp_path: Path, file_size_limit: Callable[[int], None], chosen: dict[str, Any]
) -> None:
    """All is done but for the model: --resume writes the same one."""
    whole = run(chips, tmp_path / "whole.safetensors", chosen=chosen)
    if chosen is EMA_WITHOUT_VALIDATION:  # no chip of the validation split shows water
        assert not whole.metrics
    if chosen is EARLY:
        assert whole.steps < 8 * 3
    output = tmp_path / "model.safetensors"
    state = output.with_suffix(".run") / "state.pt"

    def take_the_name(done: int, total: int, note: str) -> None:
        if done == whole.steps:
            output.mkdir(exist_ok=True)

    with pytest.raises(OutputError, match=r"model\.safetensors could not be written"):
        run(chips, output, chosen=chosen, progress=take_the_name)
    output.rmdir()
    file_size_limit(1_000_000)
    with pytest.raises(OutputError, match=r"could not be written.*File too large"):
        run(chips, output, chosen=chosen, resume=True)
    assert not hidden_files(tmp_path)
    assert not output.exists()
    assert torch.load(state, weights_only=True)["state"]["steps"] == whole.steps
    file_size_limit(-1)
    resumed = run(chips, output, chosen=chosen, resume=True)
    assert (resumed.steps, resumed.best_epoch) == (whole.steps, whole.best_epoch)
    assert resumed.metrics == whole.metrics
    assert_equal_models(output, whole.output)
    assert not state.exists()


def assert_equal_models(one: Path, other: Path) -> None:
    some, others = load_file(one), load_file(other)
    assert some.keys() == others.keys()
    assert all(torch.equal(some[name], others[name]) for name in some)


def test_an_interruption_while_the_state_is_saved_is_one(tmp_path: Path) -> None:
    """Not an error of the disk, after which training would go on."""

    class Interrupting:
        def __reduce__(self) -> object:
            raise KeyboardInterrupt

    file = StateFile(tmp_path / "m.run", {})
    weights = torch.zeros(1000)
    with pytest.raises(KeyboardInterrupt):
        file.write({"weights": weights, "more": Interrupting()})
    assert not hidden_files(tmp_path / "m.run")
    assert not file.path.exists()
