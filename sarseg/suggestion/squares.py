"""What a model says of each square of a scene."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import NODATA
from sarseg.prediction.mapping import FinishedRows


@dataclass(frozen=True)
class Squares:
    """The squares of ``side`` pixels that a scene of ``shape`` (rows, columns) parts into, from its
    upper left corner; the last row and column of squares may be cut.

    ``valid`` (R, C) is the share of a square's pixels that are valid, 0..1; ``entropy`` (R,
    C) and ``probabilities`` (K, R, C) are means over these, 0..1, and 0 where there are none.
    """

    side: int
    shape: tuple[int, int]
    valid: NDArray[np.float64]
    entropy: NDArray[np.float64]
    probabilities: NDArray[np.float64]


def squares_of(rows: Iterable[FinishedRows], shape: tuple[int, int], side: int) -> Squares:
    """Means over squares of the ``rows`` of a map with the bands class, entropy, and the
    probability of each class, all in percent."""
    height, width = shape
    starts = np.arange(0, width, side)
    sums: NDArray[np.int64] | None = None  # valid pixels, then each band but the first
    for block in rows:
        if sums is None:
            sums = np.zeros((len(block.bands), -(-height // side), len(starts)), np.int64)
        known = block.classes != NODATA
        for row, of_row in enumerate(np.moveaxis(np.where(known, block.bands, 0), 1, 0)):
            of_row[0] = known[row]
            across = np.add.reduceat(of_row, starts, axis=1, dtype=np.int64)
            sums[:, (block.row + row) // side] += across
    if sums is None:
        raise ValueError("a map has rows")
    pixels = sums[0]
    means = sums[1:] / (100.0 * np.maximum(pixels, 1))
    sizes = np.outer(*(np.diff([*range(0, length, side), length]) for length in shape))
    return Squares(side, shape, pixels / sizes, means[0], means[1:])
