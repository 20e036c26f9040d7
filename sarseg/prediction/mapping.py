"""From a scene to rows of its map: prepare, segment and blend, tile by tile.

What becomes of the rows is the caller's: ``predict`` writes them, ``evaluate`` counts them.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sarseg.ahead import Ahead
from sarseg.errors import UsageError
from sarseg.prediction.blend import StripBlender
from sarseg.prediction.forward import Forward
from sarseg.prediction.layers import MapLayers
from sarseg.prediction.tile_reading import Tile, TileReader
from sarseg.prediction.tiles import Strip
from sarseg.wording import counted

_LONGEST_GROUP = 16
"""Tiles that are looked at for one batch: where most are skipped, the others do not wait long."""

BATCHES_AHEAD = 2
"""How many batches of prepared tiles wait for the segmenter, so that it never waits for them."""


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
    """Rows of a map that no later tile touches: ``bands`` (n, h, w) as ``MapLayers`` has them,
    class ids first, confidence in percent second where it is asked for; 255 where the scene is
    not valid."""

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
            f"A batch of {counted(batch_size, 'tile')} does not fit the memory of "
            f"{forward.model.device}: choose a smaller --batch-size."
        ) from error


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
