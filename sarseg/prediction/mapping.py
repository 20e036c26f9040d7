"""From a scene to rows of its map: prepare, segment and blend, tile by tile.

What becomes of the rows is the caller's: ``predict`` writes them, ``evaluate`` counts them.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from sarseg.classes import NODATA
from sarseg.errors import InputError, UsageError
from sarseg.filters.preparation import Preparation, prepare_window, scene_scaling
from sarseg.model.card import ModelCard
from sarseg.model.file import LoadedModel
from sarseg.prediction.blend import StripBlender
from sarseg.prediction.boxes import Boxes, BoxSource, check_prompts
from sarseg.prediction.fit import ScalingSource, bands_used, picks_of
from sarseg.prediction.forward import Forward, choose_precision
from sarseg.prediction.layers import MapLayers
from sarseg.prediction.pipeline import Ahead
from sarseg.prediction.regrouping import regrouping
from sarseg.prediction.settings import DEFAULTS, PredictSettings
from sarseg.prediction.tiles import Strip, TileGrid
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window

_LONGEST_GROUP = 16
"""Tiles that are looked at for one batch: where most are skipped, the others do not wait long."""

_BATCH_SIZE = 4
"""Where it is not chosen, and nothing is written that it could change."""

BATCHES_AHEAD = 2
"""How many batches of prepared tiles wait for the segmenter, so that it never waits for them."""

_HALF = 0.31830988
"""Added before rounding down: fractions of a pixel that occur, as 0.5, then stay far from where
rounding errors decide."""


class BatchTooLargeError(UsageError):
    """A batch does not fit the memory of the device."""


@dataclass
class TileCounts:
    """Tiles by what became of them: ``segmented``; ``skipped``, without a valid pixel;
    ``unprompted``, with valid pixels but without a box that says where to look. Of ``missing``
    ones parts could not be read."""

    segmented: int = 0
    skipped: int = 0
    unprompted: int = 0
    missing: int = 0

    def __add__(self, other: "TileCounts") -> "TileCounts":
        return TileCounts(
            self.segmented + other.segmented,
            self.skipped + other.skipped,
            self.unprompted + other.unprompted,
            self.missing + other.missing,
        )


@dataclass(frozen=True)
class FinishedRows:
    """Rows of a map that no later tile touches: ``bands`` (n, h, w), class ids first, confidence in
    percent second where there is any; 255 where the scene is not valid."""

    row: int
    bands: NDArray[np.uint8]

    @property
    def classes(self) -> NDArray[np.uint8]:
        """Class ids (h, w)."""
        return np.asarray(self.bands[0])

    @property
    def confidence(self) -> NDArray[np.uint8]:
        """Percent (h, w)."""
        return np.asarray(self.bands[1])


@dataclass(frozen=True)
class Step:
    """One batch more: ``done`` tiles of the strip are blended, and ``rows`` finished by them."""

    done: int
    counts: TileCounts
    rows: Sequence[FinishedRows]


@dataclass(frozen=True)
class Tile:
    """What a window of the scene holds, prepared; ``boxes`` None for a decoder that takes none.

    Of a ``missing`` one parts could not be read, which are not valid.
    """

    window: Window
    bands: NDArray[np.float32]
    valid: NDArray[np.bool_]
    boxes: Boxes | None
    missing: bool = False

    @property
    def skipped(self) -> bool:
        """True where no pixel is valid."""
        return not self.valid.any()

    @property
    def unprompted(self) -> bool:
        """True where there would be something to look at, but no box says where."""
        return not self.skipped and self.boxes is not None and not len(self.boxes)

    @property
    def shown(self) -> bool:
        """True where the segmenter is to look."""
        return not (self.skipped or self.unprompted)


TileReader = Callable[[Window], Tile]


def map_rows(
    scene: Scene,
    model: LoadedModel,
    settings: PredictSettings = DEFAULTS,
    *,
    boxes: BoxSource | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Generator[FinishedRows, None, None]:
    """The map of ``scene`` with its confidence, in rows of the full width from first to last.

    Options and the bands are checked at once, all else is done as the rows are asked for; see
    ``predict_scene`` on both, and on what is raised. Run it in ``bounded_cache``.
    """
    grid = checked_grid(scene, model.card, settings, boxes)
    return _map_rows(scene, model, grid, boxes, settings, progress)


def checked_grid(
    scene: Scene, card: ModelCard, settings: PredictSettings, boxes: BoxSource | None
) -> TileGrid:
    """The tiles of a map of ``scene`` by the model of ``card``.

    Raises ModelError where the bands do not fit, UsageError where the overlap does not fit the
    tiles, or boxes the decoder.
    """
    picks_of(scene, card)
    check_prompts(card, boxes)
    overlap = card.tile_size // 4 if settings.overlap is None else settings.overlap
    return TileGrid(scene.height, scene.width, card.tile_size, overlap, _anchor(scene))


def map_layers(card: ModelCard, settings: PredictSettings) -> MapLayers:
    """The bands of a map by the model of ``card``. Raises as ``regrouping``."""
    return MapLayers(
        regrouping(card, settings.classes),
        settings.confidence,
        settings.entropy,
        settings.probabilities,
    )


@contextmanager
def tile_reader(
    scene: Scene,
    card: ModelCard,
    settings: PredictSettings,
    boxes: BoxSource | None = None,
    device: str = "cpu",
) -> Iterator[TileReader]:
    """What reads and prepares tiles of ``scene`` for the model of ``card``, while files are open.

    Raises InputError where the boxes cannot be used, or the scene's statistics cannot be measured.
    """
    picks = picks_of(scene, card)
    with _tile_boxes(boxes, scene, card) as boxes_in:
        preparation = _preparation(scene, card, picks, settings.scaling, device)

        def read(window: Window) -> Tile:
            unreadable = scene.missing.times
            bands, valid = prepare_window(scene, window, preparation, picks, device)
            if not valid.any():
                bands, valid = _nothing(window, len(picks))
            missing = scene.missing.times > unreadable
            prompts = boxes_in(window)
            if prompts is not None and not len(prompts):
                bands, _ = _nothing(window, len(picks))  # nobody will look at it
            return Tile(window, bands, valid, prompts, missing)

        yield read


def map_strip(
    strip: Strip,
    read: TileReader,
    forward: Forward,
    blender: StripBlender,
    layers: MapLayers,
    batch_size: int,
    first: int = 0,
) -> Generator[Step, None, None]:
    """Map a strip from tile ``first`` on, of which the tiles before are in ``blender`` already.

    Tiles are read and prepared in a thread ahead of the segmenter, and a GPU works on the next
    batch while this one is blended and the caller has it. Which tiles share a batch depends on
    nothing that comes before, so a strip that is gone on with after a step gives what it gives in
    one go.

    Raises BatchTooLargeError where a batch does not fit the device's memory, InputError where a
    tile cannot be read, ModelError where the model answers with no numbers.
    """
    try:
        done = first
        with Ahead(map(read, strip.tiles(first)), BATCHES_AHEAD * batch_size) as prepared:
            for group in _segmented(prepared, forward, batch_size):
                counts, rows = TileCounts(), []
                for tile, probabilities in group:
                    if probabilities is not None:
                        blender.add(tile.window, probabilities, tile.valid)
                    begin, end = strip.finished_rows(done)
                    if begin < end:
                        sums = blender.finished(begin, end, tile.window.row)
                        rows.append(FinishedRows(begin, layers.of(sums)))
                    if (done + 1) % len(strip.col_starts) == 0:
                        blender.next_row()
                    counts += _counted(tile)
                    done += 1
                yield Step(done, counts, rows)
    except torch.OutOfMemoryError as error:
        raise BatchTooLargeError(
            f"{batch_size} tiles at once do not fit the memory of {forward.model.device}: choose a "
            "smaller --batch-size."
        ) from error


def _map_rows(
    scene: Scene,
    model: LoadedModel,
    grid: TileGrid,
    boxes: BoxSource | None,
    settings: PredictSettings,
    progress: Callable[[int, int], None] | None,
) -> Generator[FinishedRows, None, None]:
    card = model.card
    layers = map_layers(card, replace(settings, confidence=True))
    forward = Forward(model, choose_precision(settings.precision, model.device), settings.views)
    batch_size = settings.batch_size or _BATCH_SIZE
    (strip,) = grid.strips()
    blender = StripBlender(strip, len(card.classes), settings.window)
    mapped = False
    with tile_reader(scene, card, settings, boxes, model.device) as read:
        for step in map_strip(strip, read, forward, blender, layers, batch_size):
            for rows in step.rows:
                mapped = mapped or bool((rows.classes != NODATA).any())
                yield rows
            if progress:
                progress(step.done, len(strip))
    if not mapped:
        raise nothing_valid(scene, card)


def nothing_valid(scene: Scene, card: ModelCard) -> InputError:
    """The sentence for a scene without a map."""
    used = " and ".join(bands_used(scene, card))
    return InputError(
        f"{scene.name} has no pixel that is valid in {used}: all is nodata, "
        "so there is no map to make."
    )


def _anchor(scene: Scene) -> tuple[int, int]:
    """Row and column of the scene's first pixel in a frame that all its parts share.

    It begins at the origin of the map's CRS, so that also parts cut out by other programs have the
    same tiles as the whole; without a transform at the first pixel of the file.
    """
    transform = scene.georeference.transform
    if transform is None or transform.is_degenerate:
        return scene.cut.row, scene.cut.col
    col, row = ~transform * (0.0, 0.0)
    return -int(np.floor(row + _HALF)), -int(np.floor(col + _HALF))


def _nothing(window: Window, bands: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Bands and validity of a tile without data, which take no memory while it waits."""
    shape = window.height, window.width
    return np.broadcast_to(np.float32(0), (bands, *shape)), np.broadcast_to(np.False_, shape)


def _preparation(
    scene: Scene,
    card: ModelCard,
    picks: Sequence[int | None],
    scaling: ScalingSource,
    device: str,
) -> Preparation:
    if scaling == "model":
        return card.preparation
    own = card.preparation
    statistics = scene_scaling(scene, picks, own, own.quantity, device)
    return own.model_copy(update={"scaling": statistics})


def _tile_boxes(
    boxes: BoxSource | None, scene: Scene, card: ModelCard
) -> AbstractContextManager[Callable[[Window], Boxes | None]]:
    return nullcontext(lambda window: None) if boxes is None else boxes.on(scene, card)


Answered = list[tuple[Tile, NDArray[np.float32] | None]]
"""Tiles, each with its probabilities (K, tile, tile), None where no pixel is valid."""


def _segmented(prepared: Iterable[Tile], forward: Forward, batch_size: int) -> Iterator[Answered]:
    in_flight: deque[Callable[[], Answered]] = deque()
    for group in _grouped(prepared, batch_size):
        in_flight.append(_begun(group, forward))
        if len(in_flight) > forward.batches_in_flight:
            yield in_flight.popleft()()
    while in_flight:
        yield in_flight.popleft()()


def _grouped(prepared: Iterable[Tile], batch_size: int) -> Iterator[list[Tile]]:
    """Consecutive tiles, of which ``batch_size`` are shown to the segmenter, or fewer."""
    group: list[Tile] = []
    shown = 0
    for tile in prepared:
        group.append(tile)
        shown += tile.shown
        if shown == batch_size or len(group) == _LONGEST_GROUP * batch_size:
            yield group
            group, shown = [], 0
    if group:
        yield group


def _begun(group: Sequence[Tile], forward: Forward) -> Callable[[], Answered]:
    shown = [tile for tile in group if tile.shown]
    answer: Callable[[], Iterable[NDArray[np.float32]]] = tuple
    if shown:
        bands = np.stack([tile.bands for tile in shown])
        boxes = [tile.boxes for tile in shown if tile.boxes is not None]
        answer = forward.begun(bands, boxes)
    classes, size = len(forward.model.card.classes), forward.model.card.tile_size

    def answered() -> Answered:
        answers = iter(answer())
        return [
            (tile, next(answers) if tile.shown else None if tile.skipped else _rest(classes, size))
            for tile in group
        ]

    return answered


def _rest(num_classes: int, size: int) -> NDArray[np.float32]:
    """Where no box is, all is the first class for certain."""
    certain = np.eye(num_classes, 1, dtype=np.float32)[..., None]
    return np.broadcast_to(certain, (num_classes, size, size))


def _counted(tile: Tile) -> TileCounts:
    return TileCounts(
        segmented=int(tile.shown),
        skipped=int(tile.skipped),
        unprompted=int(tile.unprompted),
        missing=int(tile.missing),
    )
