"""A class raster as runs: pixels of equal class side by side in a row."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarseg.kernels import compiled, over_rows
from sarseg.vectors.rows import Rows


@dataclass(frozen=True)
class Runs:
    """R runs of a raster that is ``width`` pixels wide, row by row from left to right.

    ``starts`` (R,) is the first column of each, ``class_ids`` (R,) its class or NO_CLASS;
    ``offsets`` (height + 1,) tells where the runs of each row begin. A run ends where the next one
    of its row starts, or at ``width``.
    """

    width: int
    starts: NDArray[np.int32]
    class_ids: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Rows, width: int) -> "Runs":
        """The longest runs of ``rows``, whose blocks are ``width`` (> 0) pixels wide.

        Memory grows with the runs, not with the pixels. Raises ValueError where a block has
        another width.
        """
        counts, starts, class_ids = [], [], []
        for block in rows:
            if block.shape[1] != width:
                raise ValueError(f"rows of {block.shape[1]} pixels in a raster of {width}")
            in_block = _counts(block)
            offsets = _summed(in_block)
            starts.append(np.empty(offsets[-1], np.int32))
            class_ids.append(np.empty(offsets[-1], np.int32))
            _encode(block, offsets, starts[-1], class_ids[-1])
            counts.append(in_block)
        return cls(width, _joined(starts), _joined(class_ids), _summed(_joined(counts)))

    @property
    def height(self) -> int:
        return len(self.offsets) - 1

    def rows(self, block: int) -> Rows:
        """The raster, in blocks of ``block`` rows; the last may have fewer."""
        for first in range(0, self.height, block):
            yield self._decoded(first, min(first + block, self.height))

    def _decoded(self, first: int, end: int) -> NDArray[np.int32]:
        result = np.empty((end - first, self.width), np.int32)

        def fill(top: int, bottom: int) -> None:
            _decode(self.starts, self.class_ids, self.offsets[first:], top, bottom, result)

        over_rows(end - first, fill)
        return result


def _joined(pieces: list[NDArray[np.int32]]) -> NDArray[np.int32]:
    """All pieces in one array; the list is emptied, so that they are not held twice for long."""
    whole = np.concatenate([np.empty(0, np.int32), *pieces])
    pieces.clear()
    return whole


def _summed(counts: NDArray[np.int32]) -> NDArray[np.int64]:
    sums = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=sums[1:])
    return sums


def _counts(block: NDArray[np.int32]) -> NDArray[np.int32]:
    counts = np.empty(len(block), np.int32)
    over_rows(len(block), lambda first, end: _count(block, first, end, counts))
    return counts


def _encode(
    block: NDArray[np.int32],
    offsets: NDArray[np.int64],
    starts: NDArray[np.int32],
    class_ids: NDArray[np.int32],
) -> None:
    over_rows(len(block), lambda first, end: _split(block, first, end, offsets, starts, class_ids))


@compiled
def _count(block: NDArray[np.int32], first: int, end: int, counts: NDArray[np.int32]) -> None:
    for row in range(first, end):
        count = 1
        for col in range(1, block.shape[1]):
            count += block[row, col] != block[row, col - 1]
        counts[row] = count


@compiled
def _split(
    block: NDArray[np.int32],
    first: int,
    end: int,
    offsets: NDArray[np.int64],
    starts: NDArray[np.int32],
    class_ids: NDArray[np.int32],
) -> None:
    for row in range(first, end):
        run = offsets[row]
        for col in range(block.shape[1]):
            if col == 0 or block[row, col] != block[row, col - 1]:
                starts[run] = col
                class_ids[run] = block[row, col]
                run += 1


@compiled
def _decode(
    starts: NDArray[np.int32],
    class_ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    first: int,
    end: int,
    result: NDArray[np.int32],
) -> None:
    for row in range(first, end):
        for run in range(offsets[row], offsets[row + 1]):
            stop = starts[run + 1] if run + 1 < offsets[row + 1] else result.shape[1]
            result[row, starts[run] : stop] = class_ids[run]
