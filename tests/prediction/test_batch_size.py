"""The batch size that is found by trying."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sarseg.errors import UsageError
from sarseg.prediction import batch_size as batch_size_module
from sarseg.prediction.batch_size import Measured, measured_batch_size
from sarseg.prediction.forward import Forward
from tests.prediction.test_forward import small_model
from tests.toy import Brightness, toy_model


class Device(Brightness):
    """Takes as long as told, and has room for ``room`` tiles; notes the size of each batch."""

    def __init__(self, *, start: float = 0.0, each: float = 0.0, room: int = 1000) -> None:
        super().__init__()
        self.start, self.each, self.room = start, each, room
        self.sizes: list[int] = []
        self.seen: list[np.ndarray] = []

    def forward(self, bands: Tensor) -> Tensor:
        self.sizes.append(len(bands))
        self.seen.append(bands.numpy())
        if len(bands) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        time.sleep(self.start + self.each * len(bands))
        return super().forward(bands)


def measured(device: Device, **options: Any) -> Measured:
    return measured_batch_size(Forward(toy_model(device)), **options)


def test_a_device_that_is_busy_with_one_tile_gets_one() -> None:
    device = Device(each=0.1)
    found = measured(device)
    assert found.batch_size == 1
    assert found.seconds_per_tile == pytest.approx(0.1, rel=0.3)
    assert device.sizes == [1, 1, 2, 2]  # each once before the time counts


@pytest.mark.full  # by the clock: needs a quiet machine
def test_batches_grow_as_long_as_that_pays() -> None:
    """Of 50 + 25 n milliseconds, doubling saves 33 % from 1 on, 20, 11, 6, and 3 % from 16 on."""
    found = measured(Device(start=0.05, each=0.025))
    assert found.batch_size in (8, 16, 32)


@pytest.mark.full  # by the clock: needs a quiet machine
def test_batches_grow_until_the_memory_is_full() -> None:
    device = Device(start=0.2, room=11)
    assert measured(device).batch_size == 8
    assert device.sizes == [1, 1, 2, 2, 4, 4, 8, 8, 16]


def test_long_batches_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size_module, "_LONGEST_BATCH", 0.3)
    device = Device(start=0.2)
    assert measured(device).batch_size == 1
    assert set(device.sizes) == {1}


def test_a_long_run_counts_the_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size_module, "_LONG", 0.1)
    device = Device(start=0.2)
    assert measured(device, batch_size=1).seconds_per_tile == pytest.approx(0.2, rel=0.2)
    assert device.sizes == [1]


@pytest.mark.full  # by the clock: needs a quiet machine
def test_a_given_size_is_run_and_nothing_is_told() -> None:
    device, told = Device(each=0.05), list[str]()
    found = measured(device, batch_size=6, tell=told.append)
    assert found.batch_size == 6
    assert found.seconds_per_tile == pytest.approx(0.05, rel=0.5)
    assert device.sizes == [1, 1, 6, 6]
    assert not told


def test_a_given_size_is_halved_until_it_fits() -> None:
    device, told = Device(room=3), list[str]()
    found = measured(device, batch_size=13, tell=told.append)
    assert found.batch_size == 3
    assert device.sizes == [1, 1, 13, 6, 3, 3]
    (sentence,) = told
    assert sentence.startswith("13 tiles at once do not fit the memory of cpu")
    assert sentence.endswith("batch size of 3.")


def test_halving_may_end_at_one_tile() -> None:
    found = measured(Device(room=1), batch_size=8)
    assert found.batch_size == 1


@pytest.mark.parametrize("batch_size", [None, 4])
def test_a_memory_too_small_for_one_tile_is_refused(batch_size: int | None) -> None:
    with pytest.raises(UsageError, match="One tile at a time does not fit the memory of cpu"):
        measured(Device(room=0), batch_size=batch_size)


def test_tiles_are_made_up_the_same_each_time() -> None:
    devices = [Device(), Device()]
    for device in devices:
        measured(device, batch_size=2)
    first, second = (np.concatenate(device.seen) for device in devices)
    np.testing.assert_array_equal(first, second)
    assert first.shape[1:] == (2, 64, 64)
    assert abs(first.std() - 1) < 0.05


def test_decoders_that_take_boxes_get_one_a_tile() -> None:
    found = measured_batch_size(Forward(small_model("box-prompted")), batch_size=2)
    assert found.batch_size == 2


@pytest.mark.full  # by the clock: needs a quiet machine
def test_all_views_count() -> None:
    alone = measured_batch_size(Forward(toy_model(Device(each=0.1))), batch_size=1)
    turned = measured_batch_size(Forward(toy_model(Device(each=0.1)), views="turns"), batch_size=1)
    assert 6 < turned.seconds_per_tile / alone.seconds_per_tile < 10


HUNGRY = """
import json, sys, time, torch
from sarseg.model.memory import held_memory
from sarseg.prediction.batch_size import measured_batch_size
from sarseg.prediction.forward import Forward
from tests.toy import Brightness, toy_model

class Hungry(Brightness):
    def forward(self, bands):
        # 256 MiB a tile, in blocks as networks take it: the C library reuses a single large block
        # only if nothing small was put at its start meanwhile
        needed = [torch.ones(16 * 2**18) for _ in range(16 * len(bands))]
        time.sleep(0.6)
        return super().forward(bands)

room, batch_size = json.loads(sys.argv[1])
earlier = torch.ones(2400 * 2**18)  # the most was in use before: that must not count
del earlier
held = held_memory(torch.device("cpu"))
told = []
forward = Forward(toy_model(Hungry()))
found = measured_batch_size(forward, held + room * 2**20, batch_size, told.append)
answer = [found.batch_size, (found.peak_memory - held) / 2**20]
print(json.dumps([answer, told]))
"""


def hungry(megabytes: int, batch_size: int | None) -> list[Any]:
    """What is found where so much is left, by a model that needs 256 MiB a tile."""
    task = json.dumps([megabytes, batch_size])
    ran = subprocess.run([sys.executable, "-c", HUNGRY, task], capture_output=True, check=True)
    answer: list[Any] = json.loads(ran.stdout)
    return answer


needs_linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")


@pytest.mark.full  # by the clock: needs a quiet machine
@needs_linux
@pytest.mark.parametrize(("batch_size", "expected"), [(None, 4), (12, 6)])
def test_what_would_not_fit_is_foreseen(batch_size: int | None, expected: int) -> None:
    (found, used), told = hungry(1920, batch_size)
    assert found == expected
    assert expected * 256 <= used <= 1920
    assert len(told) == (batch_size is not None)
    assert all("12 tiles at once do not fit --memory" in sentence for sentence in told)


AGAIN = """
import torch
from sarseg.model.file import load_model
from sarseg.model.memory import held_memory
from sarseg.prediction.batch_size import measured_batch_size
from sarseg.prediction.forward import Forward

forward = Forward(load_model())
first = measured_batch_size(forward, batch_size=8)
needed = first.peak_memory - held_memory(torch.device("cpu"))
print(needed, measured_batch_size(forward, first.peak_memory - needed // 4, 8).batch_size)
"""


@needs_linux
def test_memory_that_an_earlier_batch_left_for_reuse_misleads_nobody() -> None:
    ran = subprocess.run([sys.executable, "-c", AGAIN], capture_output=True, check=True)
    needed, found = map(int, ran.stdout.split())
    assert needed > 100e6
    assert found in (2, 4)


@needs_linux
def test_what_one_tile_takes_is_found_where_it_is_too_much() -> None:
    for batch_size in (None, 12):
        (found, used), _ = hungry(30, batch_size)
        assert found == 1
        assert used >= 64
