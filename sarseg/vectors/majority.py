"""Majority smoothing: each pixel gets the class that is most frequent round it."""

import numpy as np
from numpy.typing import NDArray

from sarseg.kernels import compiled, over_rows
from sarseg.vectors.rows import NO_CLASS, Rows


def majority(rows: Rows, size: int) -> Rows:
    """The most frequent class in the ``size`` x ``size`` window round each pixel of ``rows``.

    Pixels without a class have no vote and stay without; at the raster's border the window is cut
    off. Where several classes are most frequent, a pixel keeps its own if it is among them, and
    gets the smallest id otherwise.

    ``size`` is odd and at least 3, else ValueError. About ``size`` rows are held beside a block.
    """
    if size < 3 or size % 2 == 0:
        raise ValueError(f"a window of {size} pixels: it has to be odd and at least 3")
    return _majority(rows, size // 2)


def _majority(rows: Rows, reach: int) -> Rows:
    held = None  # from ``reach`` rows above the next one that is due
    due = 0
    for block in rows:
        held = block if held is None else np.concatenate([held, block])
        ready = len(held) - reach
        if ready > due:
            yield _filtered(held, reach, due, ready)
            first = max(ready - reach, 0)
            held = held[first:]
            due = ready - first
    if held is not None:
        yield _filtered(held, reach, due, len(held))


def _filtered(block: NDArray[np.int32], reach: int, first: int, end: int) -> NDArray[np.int32]:
    """Rows ``[first, end)`` of ``block`` after the vote."""
    ids = _distinct(block)
    places = np.empty(block.shape, np.int32)
    over_rows(len(block), lambda top, bottom: _place(block, ids, top, bottom, places))
    result = np.empty((end - first, block.shape[1]), np.int32)
    over_rows(
        end - first, lambda top, bottom: _vote(places, ids, reach, first, top, bottom, result)
    )
    return result


def _distinct(block: NDArray[np.int32]) -> NDArray[np.int32]:
    """Ids in ``block``, ascending, without NO_CLASS."""
    changes = block[:, 1:][block[:, 1:] != block[:, :-1]]  # few: to sort all pixels takes long
    return np.setdiff1d(np.concatenate([block[:, 0], changes]), NO_CLASS)


@compiled
def _place(
    block: NDArray[np.int32],
    ids: NDArray[np.int32],
    first: int,
    end: int,
    places: NDArray[np.int32],
) -> None:
    """Where in ``ids`` the class of each pixel is; ``len(ids)`` where there is none."""
    for row in range(first, end):
        place = -1
        for col in range(block.shape[1]):
            if col == 0 or block[row, col] != block[row, col - 1]:
                own = block[row, col]
                place = len(ids) if own == NO_CLASS else np.searchsorted(ids, own)
            places[row, col] = place


@compiled
def _vote(
    places: NDArray[np.int32],
    ids: NDArray[np.int32],
    reach: int,
    offset: int,
    first: int,
    end: int,
    result: NDArray[np.int32],
) -> None:
    """Rows ``first`` to ``end`` of ``result``; its row 0 is row ``offset`` of ``places``.

    The counts of a window are those of the one before, with a column more and a column less.
    (Huang, Yang and Tang 1979, "A fast two-dimensional median filtering algorithm".)
    """
    height, width = places.shape
    nothing = len(ids)
    counts = np.zeros(nothing + 1, np.int32)
    for row in range(first, end):
        top = max(offset + row - reach, 0)
        bottom = min(offset + row + reach + 1, height)
        counts[:] = 0
        for col in range(-reach, width):
            if col + reach < width:
                for y in range(top, bottom):
                    counts[places[y, col + reach]] += 1
            if col - reach > 0:
                for y in range(top, bottom):
                    counts[places[y, col - reach - 1]] -= 1
            if col < 0:
                continue
            own = places[offset + row, col]
            if own == nothing:
                result[row, col] = NO_CLASS
                continue
            across = min(col + reach + 1, width) - max(col - reach, 0)
            votes = (bottom - top) * across - counts[nothing]
            best = own
            if 2 * counts[own] < votes:
                for other in range(nothing):
                    if counts[other] > counts[best]:
                        best = other
            result[row, col] = ids[best]
