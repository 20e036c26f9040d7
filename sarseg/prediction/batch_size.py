"""How many tiles to segment at once, found by trying it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from sarseg.decoders import DECODERS
from sarseg.errors import UsageError
from sarseg.model.memory import held_memory, peak_memory, release_memory, restart_peak
from sarseg.prediction.boxes import Boxes
from sarseg.prediction.forward import Forward
from sarseg.wording import counted

_WORTHWHILE = 1.05
"""Times as many tiles a second that a batch twice as large has to bring."""

_LONGEST_BATCH = 5.0
"""Seconds; larger batches are not tried, as they would not keep any device busier."""

_LONG = 2.0
"""Seconds of a run in which what is done once no longer counts."""

_SHARE_OF_FREE = 0.9


@dataclass(frozen=True)
class Measured:
    """What one batch takes: ``seconds_per_tile``, and ``peak_memory``, the most bytes in use while
    it runs: by tensors on a GPU, with the model; else by the process, 0 where not known."""

    batch_size: int
    seconds_per_tile: float
    peak_memory: int


def measured_batch_size(
    forward: Forward,
    memory: int | None = None,
    batch_size: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> Measured:
    """The batch size that is fastest, or ``batch_size`` if given, and what it takes.

    Tried on made-up tiles: 1, 2, 4, … at once, until twice as many bring less than 5 % more tiles
    a second, take more than 5 seconds, or do not fit. ``memory`` bounds the bytes in use as
    ``Measured.peak_memory`` counts them; None on the CPU is no bound, on a GPU 90 % of what is
    free. What would not fit is foreseen, and not tried, from what smaller batches needed. A given
    size is halved until it fits, which is told. One tile is the least, also where it takes more
    than ``memory``: what is needed besides is not known here.

    Raises UsageError where the device has no room for one tile.
    """
    trial = _Trial(forward, memory)
    one = trial.run(1)
    if one is None:
        raise UsageError(
            f"One tile at a time does not fit {trial.room}: choose another --device, or a model of "
            "smaller tiles or fewer parameters."
        )
    if batch_size is None:
        return _fastest(trial, one)
    found = _largest(trial, one, batch_size)
    if found.batch_size < batch_size and tell:
        tell(
            f"{counted(batch_size, 'tile')} at once do not fit {trial.room}: "
            f"going on with a batch size of {found.batch_size}."
        )
    return found


class _Trial:
    """Batches of made-up tiles, and the memory they may take: ``limit`` bytes."""

    def __init__(self, forward: Forward, memory: int | None) -> None:
        self._forward = forward
        self._device = torch.device(forward.model.device)
        release_memory(self._device)
        self._base = held_memory(self._device)
        self.limit: float = math.inf
        self.room = f"the memory of {self._device.type}"
        if memory is not None:
            self.limit = memory
            self.room = f"--memory {memory / 1e9:.2f}GB"
        elif self._device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self._device)
            self.limit = self._base + _SHARE_OF_FREE * free

    def run(self, size: int) -> Measured | None:
        """A batch of ``size`` tiles; None where the device has no room for it."""
        bands, boxes = self._made_up(size)
        found = None
        restart_peak(self._device)
        try:
            seconds = _seconds(lambda: self._forward.probabilities(bands, boxes))
            found = Measured(size, seconds / size, peak_memory(self._device))
        except torch.OutOfMemoryError:
            pass  # the error holds the tensors: they are released after it
        release_memory(self._device)
        return found

    def run_if_it_fits(self, size: int, smaller: Measured) -> Measured | None:
        """A batch of ``size`` tiles; None where it takes more than the limit, or is foreseen to.

        ``smaller`` is a batch that was run.
        """
        each = (smaller.peak_memory - self._base) / smaller.batch_size
        # from the base, as what a run has freed since then, and the process keeps, is used again
        if self._base + size * each > self.limit:
            return None
        found = self.run(size)
        return found if found and found.peak_memory <= self.limit else None

    def _made_up(self, size: int) -> tuple[np.ndarray, list[Boxes]]:
        card = self._forward.model.card
        side = card.tile_size
        shape = (size, len(card.inputs), side, side)
        bands = np.random.default_rng(0).standard_normal(shape, np.float32)
        box = np.array([[side // 4, side // 4, side // 2, side // 2]], np.float64)
        return bands, [box] * size if DECODERS[card.decoder].takes_boxes else []


def _fastest(trial: _Trial, best: Measured) -> Measured:
    """The last size, from that of ``best`` on, that was worth doubling to."""
    while 2 * best.batch_size * best.seconds_per_tile <= _LONGEST_BATCH:
        larger = trial.run_if_it_fits(2 * best.batch_size, best)
        if larger is None or larger.seconds_per_tile * _WORTHWHILE > best.seconds_per_tile:
            break
        best = larger
    return best


def _largest(trial: _Trial, one: Measured, wanted: int) -> Measured:
    """``wanted`` tiles at once, or a half, a quarter, … of them, whichever fits first."""
    size = wanted
    while size > 1:
        if found := trial.run_if_it_fits(size, one):
            return found
        size //= 2
    return one


def _seconds(run: Callable[[], object]) -> float:
    """Time of a run; of a short one, that of a second."""
    started = time.perf_counter()
    run()
    first = time.perf_counter() - started
    if first > _LONG:
        return first
    run()
    return time.perf_counter() - started - first
