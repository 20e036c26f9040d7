"""Mean and variation of a box around every pixel, and the filters that need no more than these.

Each box is summed by itself, first down its columns and then along its row. Running sums and
integral images are faster for large boxes, but their rounding depends on where they started: dark
pixels of a window would differ from those of the whole wherever a bright target has passed through.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sarseg.filters.despeckle.base import SpeckleFilter
from sarseg.kernels import compiled

if TYPE_CHECKING:
    from torch import Tensor

COLUMNS = 512
"""How many are summed at a time: what the sums need stays in the fastest cache."""
_BLOCK = 2**15  # pixels whose statistics are held at a time: a part of the second cache


class LocalStatisticsFilter(SpeckleFilter):
    """A filter whose estimate follows from a pixel and the mean and variation of its box."""

    @abstractmethod
    def _estimate(
        self,
        value: NDArray[np.float32],
        mean: NDArray[np.float64],
        variation: NDArray[np.float64],
        looks: float,
        result: NDArray[np.float32],
    ) -> None:
        """Write the estimates into ``result``; all arrays are (n,).

        ``variation`` is the box's squared coefficient of variation, variance / mean^2.
        """

    @abstractmethod
    def _estimated(self, value: Tensor, mean: Tensor, variation: Tensor, looks: float) -> Tensor:
        """The same by torch, in float64, any shape."""

    def _fill_rows(
        self,
        intensity: NDArray[np.float32],
        valid: NDArray[np.bool_],
        looks: float,
        first: int,
        result: NDArray[np.float32],
    ) -> None:
        height, width = result.shape
        for block in row_blocks(height, max(self.size, _BLOCK // max(width, 1))):
            rows = slice(first + block.start, first + block.stop)
            mean, variation = box_statistics(intensity, valid, self.size, rows.start, rows.stop)
            value = intensity[rows].ravel()
            self._estimate(value, mean.ravel(), variation.ravel(), looks, result[block].ravel())

    def _despeckled(self, intensity: Tensor, valid: Tensor, looks: float) -> Tensor:
        mean, variation = tensor_box_statistics(intensity, valid, self.size)
        return self._estimated(intensity.double(), mean, variation, looks)


def row_blocks(rows: int, step: int) -> list[slice]:
    """``rows`` rows in blocks of at most ``step`` (>= 1)."""
    return [slice(row, min(row + step, rows)) for row in range(0, rows, step)]


@compiled
def box_statistics(
    intensity: NDArray[np.float32], valid: NDArray[np.bool_], size: int, first: int, last: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and squared coefficient of variation of ``size`` x ``size`` boxes, (last - first, w).

    Of the band ``intensity`` (h, w), for the boxes around the pixels of rows ``[first, last)``.
    Only pixels that are ``valid`` (h, w) count; the variation of a box of zeros, or without valid
    pixels, is 0, as is such a box's mean.
    """
    rows, width = last - first, intensity.shape[1]
    mean = np.empty((rows, width))
    variation = np.empty((rows, width))
    sums, squares, counts = np.empty(COLUMNS), np.empty(COLUMNS), np.empty(COLUMNS)
    for left in range(0, width, COLUMNS):
        columns = min(COLUMNS, width - left)
        known, counted = neighbourhood(
            intensity, valid, size // 2, first, last, left, left + columns
        )
        breadth = known.shape[1]
        down, down_squares, down_counts = np.empty(breadth), np.empty(breadth), np.empty(breadth)
        for row in range(rows):
            down[:] = 0.0
            down_squares[:] = 0.0
            down_counts[:] = 0.0
            for tap in range(row, row + size):
                for col in range(breadth):
                    value = np.float64(known[tap, col])
                    down[col] += value
                    down_squares[col] += value * value
                    down_counts[col] += counted[tap, col]
            sums[:] = 0.0
            squares[:] = 0.0
            counts[:] = 0.0
            for tap in range(size):
                for col in range(columns):
                    sums[col] += down[col + tap]
                    squares[col] += down_squares[col + tap]
                    counts[col] += down_counts[col + tap]
            for col in range(columns):
                count = max(counts[col], 1.0)
                middle = sums[col] / count
                square = middle * middle
                variance = max(squares[col] / count - square, 0.0)
                mean[row, left + col] = middle
                variation[row, left + col] = variance / square if square > 0.0 else 0.0
    return mean, variation


@compiled
def neighbourhood(
    intensity: NDArray[np.float32],
    valid: NDArray[np.bool_],
    margin: int,
    first: int,
    last: int,
    left: int,
    right: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows ``[first, last)`` and columns ``[left, right)`` of a band, with ``margin`` around them.

    Returns the intensity, 0 where it is invalid or beyond the band, and 1 where it counts, else 0.
    """
    height, width = intensity.shape
    shape = (last - first + 2 * margin, right - left + 2 * margin)
    known, counted = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    top, start = first - margin, left - margin
    for row in range(max(top, 0), min(last + margin, height)):
        for col in range(max(start, 0), min(right + margin, width)):
            if valid[row, col]:
                known[row - top, col - start] = intensity[row, col]
                counted[row - top, col - start] = 1.0
    return known, counted


def tensor_box_statistics(intensity: Tensor, valid: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """``box_statistics`` of whole bands (C, h, w) by torch, in float64."""
    import torch

    known = torch.where(valid, intensity, 0.0).double()
    count = _box_sum(valid.double(), size).clamp(min=1.0)
    mean = _box_sum(known, size) / count
    variance = (_box_sum(known**2, size) / count - mean**2).clamp(min=0.0)
    return mean, torch.where(mean > 0.0, variance / mean**2, 0.0)


def _box_sum(values: Tensor, size: int) -> Tensor:
    from torch.nn.functional import pad

    half = size // 2
    padded = pad(values, (half, half, half, half))
    height, width = values.shape[-2:]
    down = padded[..., :height, :].clone()
    for tap in range(1, size):
        down += padded[..., tap : tap + height, :]
    total = down[..., :width].clone()
    for tap in range(1, size):
        total += down[..., tap : tap + width]
    return total
