"""What is settled before the first tile is read: batches, strips, memory."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from sarseg.errors import UsageError
from sarseg.model.file import LoadedModel
from sarseg.model.memory import peak_memory
from sarseg.prediction.batch_size import Measured, measured_batch_size
from sarseg.prediction.boxes import BoxSource
from sarseg.prediction.budget import WIDEST_STRIP, needed_disk, predicted_bytes, strip_width
from sarseg.prediction.forward import Forward, choose_precision
from sarseg.prediction.layers import MapLayers
from sarseg.prediction.mapping import checked_grid, map_layers
from sarseg.prediction.provenance import run_identity, running_tags, work_tags
from sarseg.prediction.settings import DEFAULTS, PredictSettings
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

    ``tiles`` (those that reach across strips count in each) are segmented in ``batches`` of
    ``batch_size``, ``strips`` of at most ``strip_width`` columns one after the other, unless they
    have no valid pixel. ``memory`` is the most that the process takes and ``disk`` what lies beside
    the output meanwhile, both in bytes. ``seconds`` are estimated from one batch.
    """

    shape: tuple[int, int]
    tiles: int
    batches: int
    batch_size: int
    device: str
    precision: str
    strips: int
    strip_width: int
    memory: int
    disk: int
    seconds: float


def planned(
    scene: Scene,
    model: LoadedModel,
    settings: PredictSettings = DEFAULTS,
    boxes: BoxSource | None = None,
    tell: Tell | None = None,
) -> PredictionPlan:
    """What ``predict_scene`` would do, from one batch of made-up tiles.

    Raises what it raises before the first tile is read.
    """
    work, measured = _measured(scene, model, settings, boxes, tell)
    num_bands = len(work.layers.bands)

    return PredictionPlan(
        shape=(scene.height, scene.width),
        tiles=work.tiles,
        batches=sum(math.ceil(len(strip) / work.batch_size) for strip in work.strips),
        batch_size=work.batch_size,
        device=model.device,
        precision=work.forward.precision,
        strips=len(work.strips),
        strip_width=work.widest,
        memory=_predicted(work, measured),
        disk=needed_disk(work.grid, model.card, num_bands, work.widest),
        seconds=work.tiles * measured.seconds_per_tile,
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
        return _measured(scene, model, settings, boxes, tell)[0]
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


def _measured(
    scene: Scene,
    model: LoadedModel,
    settings: PredictSettings,
    boxes: BoxSource | None,
    tell: Tell | None,
) -> tuple[Work, Measured]:
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


def _refuse_more(work: Work, memory: int) -> None:
    """Raise UsageError where ``work``, divided as it is, takes more than ``memory`` bytes."""
    limit = memory if work.model.device == "cpu" else None
    measured = measured_batch_size(work.forward, limit, work.batch_size)
    needed = _predicted(work, measured)
    if measured.batch_size < work.batch_size or needed > memory:
        raise UsageError(
            f"--memory {memory / 1e9:.2f}GB is not enough to go on with batches of "
            f"{work.batch_size} and strips of {work.widest} columns: about {needed / 1e9:.2f}GB "
            "are needed. Give that much, or leave out --resume to begin anew."
        )


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
