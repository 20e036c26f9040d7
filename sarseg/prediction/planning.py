"""What is settled before the first tile is read: batches, strips, memory."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from sarseg.errors import UsageError
from sarseg.model.file import LoadedModel
from sarseg.model.memory import held_memory, peak_memory
from sarseg.prediction.batch_size import Measured, measured_batch_size
from sarseg.prediction.boxes import BoxSource
from sarseg.prediction.budget import (
    WIDEST_STRIP,
    needed_disk,
    predicted_bytes,
    shortage,
    strip_width,
)
from sarseg.prediction.forward import Forward, choose_precision
from sarseg.prediction.identity import run_identity
from sarseg.prediction.layers import MapLayers, map_layers
from sarseg.prediction.settings import PredictSettings
from sarseg.prediction.tags import running_tags, work_tags
from sarseg.prediction.tile_reading import checked_grid
from sarseg.prediction.tiles import Strip, TileGrid
from sarseg.scenes.reader import Scene

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Work:
    """A scene, what it is mapped with, and how the work is divided."""

    scene: Scene
    settings: PredictSettings
    boxes: BoxSource | None
    forward: Forward
    layers: MapLayers
    grid: TileGrid
    batch_size: int
    strips: Sequence[Strip]

    @property
    def model(self) -> LoadedModel:
        """The model."""
        return self.forward.model

    @property
    def tiles(self) -> int:
        """All tiles; those that reach across strips count in each."""
        return sum(map(len, self.strips))

    @property
    def widest(self) -> int:
        """Columns of the widest strip."""
        return max(strip.width for strip in self.strips)

    @property
    def identity(self) -> dict[str, Any]:
        """See ``run_identity``."""
        return run_identity(
            self.scene,
            self.model,
            self.settings,
            self.boxes,
            precision=self.forward.precision,
            batch_size=self.batch_size,
            strips=[(strip.col, strip.width) for strip in self.strips],
        )

    @property
    def tags(self) -> dict[str, str]:
        """The map's tags."""
        return {
            **work_tags(self.scene, self.model, self.settings, self.boxes),
            **running_tags(self.model.device, self.forward.precision, self.batch_size),
        }

    def with_smaller_batches(self) -> "Work":
        """The same work, half as many tiles at once."""
        return replace(self, batch_size=self.batch_size // 2)


@dataclass(frozen=True)
class PredictionPlan:
    """What predicting a scene takes.

    Of ``tiles`` (those that reach across strips count in each) ``kept`` come from an earlier,
    unfinished run. The others are segmented in ``batches`` of ``batch_size``, ``strips`` of at most
    ``strip_width`` columns one after the other, unless they have no valid pixel. ``memory`` is the
    most that the process takes and ``disk`` what lies beside the output meanwhile, both in bytes.
    ``seconds``, for what is not kept, are estimated from one batch.
    """

    shape: tuple[int, int]
    tiles: int
    kept: int
    batches: int
    batch_size: int
    device: str
    precision: str
    strips: int
    strip_width: int
    memory: int
    disk: int
    seconds: float


def planned(work: Work, measured: Measured, kept: int = 0) -> PredictionPlan:
    """What ``work`` takes after its first ``kept`` tiles; ``measured`` is a batch of it."""
    return PredictionPlan(
        shape=(work.scene.height, work.scene.width),
        tiles=work.tiles,
        kept=kept,
        batches=sum(math.ceil(left / work.batch_size) for left in _left(work.strips, kept)),
        batch_size=work.batch_size,
        device=work.model.device,
        precision=work.forward.precision,
        strips=len(work.strips),
        strip_width=work.widest,
        memory=_predicted(work, measured),
        disk=needed_disk(work.grid, work.model.card, len(work.layers.bands), work.widest),
        seconds=(work.tiles - kept) * measured.seconds_per_tile,
    )


def settled(
    scene: Scene,
    model: LoadedModel,
    settings: PredictSettings,
    boxes: BoxSource | None = None,
    tell: Tell | None = None,
    *,
    begun: Mapping[str, Any] | None = None,
) -> Work:
    """The work, with what ``settings`` leave open as it is in the run that was ``begun`` (see
    ``run_identity``), or by measuring. Raises what ``predict_scene`` raises before the first tile
    is read."""
    if begun is None and (settings.batch_size is None or settings.memory is not None):
        return measured_work(scene, model, settings, boxes, tell)[0]
    precision, size = settings.precision, settings.batch_size
    grid = checked_grid(scene, model.card, settings, boxes)
    strips = grid.strips(WIDEST_STRIP)
    if begun is not None:
        precision = begun["precision"] if precision == "auto" else precision
        size = size or begun["batch_size"]
        strips = [Strip(grid, col, width) for col, width in begun["strips"]]
    assert size is not None
    forward = Forward(model, choose_precision(precision, model.device), settings.views)
    layers = map_layers(model.card, settings)
    work = Work(scene, settings, boxes, forward, layers, grid, size, strips)
    if settings.memory is not None:
        _refuse_more(work, settings.memory)
    return work


def measured_work(
    scene: Scene,
    model: LoadedModel,
    settings: PredictSettings,
    boxes: BoxSource | None = None,
    tell: Tell | None = None,
) -> tuple[Work, Measured]:
    """The work, divided as is fastest and fits the memory, and what a batch of it takes.

    Raises what ``predict_scene`` raises before the first tile is read.
    """
    grid = checked_grid(scene, model.card, settings, boxes)
    layers = map_layers(model.card, settings)
    forward = Forward(model, choose_precision(settings.precision, model.device), settings.views)
    memory = settings.memory if model.device == "cpu" else None  # that of a GPU is its own
    measured = measured_batch_size(forward, memory, settings.batch_size, tell)
    while True:
        size = measured.batch_size
        try:
            width = strip_width(
                scene,
                grid,
                model.card,
                len(layers.bands),
                size,
                base=_base(model, measured),
                memory=settings.memory,
            )
            break
        except UsageError:
            if size == 1:
                raise
            measured = measured_batch_size(forward, memory, size // 2, tell)
    work = Work(scene, settings, boxes, forward, layers, grid, size, grid.strips(width))
    return work, measured


def measured_again(work: Work) -> Measured:
    """What a batch of ``work`` takes; of a smaller one where no more fits its memory."""
    memory = work.settings.memory if work.model.device == "cpu" else None
    return measured_batch_size(work.forward, memory, work.batch_size)


def _refuse_more(work: Work, memory: int) -> None:
    """Raise UsageError where ``work``, divided as it is, takes more than ``memory`` bytes."""
    measured = measured_again(work)
    if measured.batch_size < work.batch_size:
        # foreseen as if all that a batch takes grew with it
        held = held_memory(torch.device(work.model.device))
        grown = (measured.peak_memory - held) * work.batch_size // measured.batch_size
        measured = replace(measured, peak_memory=held + grown)
    needed = _predicted(work, measured)
    if needed > memory:
        raise shortage(memory, needed, work.batch_size, work.widest)


def _left(strips: Sequence[Strip], kept: int) -> Iterator[int]:
    """Tiles of each strip without the first ``kept`` of all."""
    for strip in strips:
        yield max(len(strip) - kept, 0)
        kept = max(kept - len(strip), 0)


def _predicted(work: Work, measured: Measured) -> int:
    return predicted_bytes(
        work.scene,
        work.grid,
        work.model.card,
        len(work.layers.bands),
        work.batch_size,
        work.widest,
        base=_base(work.model, measured),
    )


def _base(model: LoadedModel, measured: Measured) -> int:
    """What the process takes with the model at work."""
    on_cpu = model.device == "cpu"
    return measured.peak_memory if on_cpu else peak_memory(torch.device("cpu"))
