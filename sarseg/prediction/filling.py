"""Mapping what a journal does not hold yet, and saving it in time."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from sarseg.classes import NODATA
from sarseg.errors import InputError
from sarseg.model.memory import release_memory
from sarseg.prediction.blend import StripBlender
from sarseg.prediction.journal import Journal, Position
from sarseg.prediction.mapping import Step, map_strip
from sarseg.prediction.planning import Work
from sarseg.prediction.tile_reading import TileReader, tile_reader
from sarseg.prediction.tiles import Strip

Progress = Callable[[int, int], None]


def fill_journal(work: Work, journal: Journal, progress: Progress | None = None) -> None:
    """Map the strips of ``work`` from the journal's position to the end.

    It is saved every now and then, and before a tile that cannot be read ends it. Raises what
    ``tile_reader``, ``map_strip`` and ``Journal`` do.
    """
    if journal.position.strip == len(work.strips):
        return
    device, earlier = work.model.device, journal.position.missing
    # one array for all strips: one each would leave holes in memory that the next does not fit
    room = np.empty((len(work.model.card.classes) + 1, work.grid.tile, work.widest), np.uint32)
    with tile_reader(work.scene, work.model.card, work.settings, work.boxes, device) as read:
        for number in range(journal.position.strip, len(work.strips)):
            # of the strip before, blocks are left that this one's do not fit
            release_memory(torch.device("cpu"))
            _fill_strip(work, journal, number, room, read, progress, earlier)


def tiles_before(strips: Sequence[Strip], position: Position) -> int:
    """Tiles that need not be looked at any more."""
    return sum(map(len, strips[: position.strip])) + position.tiles


def _fill_strip(
    work: Work,
    journal: Journal,
    number: int,
    room: NDArray[np.uint32],
    read: TileReader,
    progress: Progress | None,
    earlier: Sequence[str],
) -> None:
    strip, position = work.strips[number], journal.position

    def save(reached: Position, sums: NDArray[np.uint32] | None) -> None:
        missing = dict.fromkeys([*earlier, *work.scene.missing.parts])
        journal.save(replace(reached, missing=tuple(missing)), sums)

    blender = StripBlender(strip, len(work.model.card.classes), work.settings.window, room)
    if (sums := journal.sums()) is not None:
        blender.sums[:] = sums
    steps = map_strip(
        strip, read, work.forward, blender, work.layers, work.batch_size, position.tiles
    )
    try:
        with closing(steps):
            for step in steps:
                position = _taken_in(step, number, position, journal)
                if journal.due:
                    save(position, blender.sums)
                if progress:
                    progress(tiles_before(work.strips, position), work.tiles)
    except InputError:  # raised between steps: the sums are those of the position
        if position != journal.position:
            save(position, blender.sums)
        raise
    save(position.next_strip(), None)


def _taken_in(step: Step, strip: int, position: Position, journal: Journal) -> Position:
    pixels = np.zeros(NODATA + 1, np.int64)
    height = 0
    for rows in step.rows:
        journal.append(strip, rows.bands)
        pixels += np.bincount(rows.classes.ravel(), minlength=len(pixels))
        height += len(rows.classes)
    return position.after(step, height, pixels)
