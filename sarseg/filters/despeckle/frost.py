"""Frost's filter, and what it shares with its enhanced form."""

from __future__ import annotations

from abc import abstractmethod
from math import hypot
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sarseg.filters.despeckle.base import SpeckleFilter
from sarseg.filters.despeckle.local_statistics import (
    COLUMNS,
    box_statistics,
    neighbourhood,
    row_blocks,
    tensor_box_statistics,
)
from sarseg.kernels import compiled

if TYPE_CHECKING:
    from torch import Tensor

_WEIGHTS = 2**18  # held at a time: a part of the second cache


class DistanceWeightedFilter(SpeckleFilter):
    """A weighted mean of the box, whose weights ``exp(-decay |t|)`` fall with the distance ``|t|``.

    ``|t|`` is Euclidean, in pixels; how fast the weights fall follows from the box's variation.
    """

    @abstractmethod
    def _decay(self, variation: NDArray[np.float64], looks: float) -> NDArray[np.float64]:
        """Decay (>= 0) a pixel of distance; infinite where the value is to stay as it is.

        ``variation``, of any shape, is the box's variance / mean^2.
        """

    @abstractmethod
    def _tensor_decay(self, variation: Tensor, looks: float) -> Tensor:
        """The same by torch."""

    def _fill_rows(
        self,
        intensity: NDArray[np.float32],
        valid: NDArray[np.bool_],
        looks: float,
        first: int,
        result: NDArray[np.float32],
    ) -> None:
        distances = np.array([hypot(*step) for step in _steps(self.size)], np.float32)
        height, width = result.shape
        pixels = _WEIGHTS // max(len(distances), 1)
        for block in row_blocks(height, max(1, pixels // max(width, 1))):
            top, bottom = first + block.start, first + block.stop
            _, variation = box_statistics(intensity, valid, self.size, top, bottom)
            decay = self._decay(variation, looks).astype(np.float32)
            weights = np.exp(-distances[:, None, None] * decay)
            half = self.size // 2
            known, counted = neighbourhood(intensity, valid, half, top, bottom, 0, width)
            _fill(known, counted, weights, result[block])

    def _despeckled(self, intensity: Tensor, valid: Tensor, looks: float) -> Tensor:
        import torch
        from torch.nn.functional import pad

        _, variation = tensor_box_statistics(intensity, valid, self.size)
        decay = self._tensor_decay(variation, looks)
        known = torch.where(valid, intensity, 0.0).double()
        counted = valid.double().expand_as(known)
        total, count = known.clone(), counted.clone()
        half = self.size // 2
        height, width = valid.shape
        around = [pad(values, (half, half, half, half)) for values in (known, counted)]
        for row in range(-half, half + 1):
            for col in range(-half, half + 1):
                if row or col:
                    weight = (-hypot(row, col) * decay).exp()
                    rows = slice(half + row, half + row + height)
                    cols = slice(half + col, half + col + width)
                    total += weight * around[0][..., rows, cols]
                    count += weight * around[1][..., rows, cols]
        return total / count


class Frost(DistanceWeightedFilter):
    """Frost's filter: the weights of the box fall the faster, the more it varies.

    The despeckled value is the mean of the box with the weights ``exp(-damping Ci^2 |t|)``, where
    ``Ci^2`` is the box's variance / mean^2. ``looks`` does not enter.

    Source: V. S. Frost, J. A. Stiles, K. S. Shanmugan, J. C. Holtzman 1982, "A model for radar
    images and its application to adaptive digital filtering of multiplicative noise", IEEE TPAMI
    4(2):157-166.
    """

    name: Literal["frost"] = "frost"
    damping: float = Field(default=2.0, gt=0.0, allow_inf_nan=False)

    def _decay(self, variation: NDArray[np.float64], looks: float) -> NDArray[np.float64]:
        return self.damping * variation

    def _tensor_decay(self, variation: Tensor, looks: float) -> Tensor:
        return self.damping * variation


def _steps(size: int) -> list[tuple[int, int]]:
    """Steps from the middle of a box in one of its eight octants, by column."""
    return [(down, across) for across in range(1, size // 2 + 1) for down in range(across + 1)]


@compiled
def _fill(
    known: NDArray[np.float32],
    counted: NDArray[np.float32],
    weights: NDArray[np.float32],
    result: NDArray[np.float32],
) -> None:
    """Weighted means of rows (rows, w), of what is ``known`` and ``counted`` there and around them.

    ``weights`` (n, rows, w) has a layer a step of ``_steps``: the step and its mirror images, up
    to eight, are equally far away and share a weight.
    """
    rows, width = result.shape
    half = (known.shape[0] - rows) // 2
    sums = np.empty((half + 1, COLUMNS + 2 * half))
    counts = np.empty((half + 1, COLUMNS + 2 * half))
    for left in range(0, width, COLUMNS):
        columns = min(COLUMNS, width - left)
        beyond = left + columns + 2 * half
        ring_sum, ring_count = np.empty(columns), np.empty(columns)
        for row in range(rows):
            _fold(known[:, left:beyond], row + half, sums)
            _fold(counted[:, left:beyond], row + half, counts)
            total = sums[0, half : half + columns].copy()
            count = counts[0, half : half + columns].copy()
            step = 0
            for across in range(1, half + 1):
                for down in range(across + 1):
                    _add_up_ring(sums, down, across, ring_sum)
                    _add_up_ring(counts, down, across, ring_count)
                    for col in range(columns):
                        weight = weights[step, row, left + col]
                        total[col] += weight * ring_sum[col]
                        count[col] += weight * ring_count[col]
                    step += 1
            for col in range(columns):
                result[row, left + col] = total[col] / count[col]


@compiled
def _fold(values: NDArray[np.float32], middle: int, folded: NDArray[np.float64]) -> None:
    """Sums of the two rows that are 1, 2, ... rows from the ``middle`` one, which itself is 0."""
    for col in range(values.shape[1]):
        folded[0, col] = values[middle, col]
    for away in range(1, folded.shape[0]):
        for col in range(values.shape[1]):
            above = np.float64(values[middle - away, col])
            folded[away, col] = above + values[middle + away, col]


@compiled
def _add_up_ring(
    folded: NDArray[np.float64], down: int, across: int, ring: NDArray[np.float64]
) -> None:
    """Sums over a step and its mirror images, ``down <= across``, around every column."""
    half = folded.shape[0] - 1
    for col in range(ring.size):
        middle = half + col
        ring[col] = folded[down, middle - across] + folded[down, middle + across]
    if down == 0:
        for col in range(ring.size):
            ring[col] += folded[across, half + col]
    elif down < across:
        for col in range(ring.size):
            middle = half + col
            ring[col] += folded[across, middle - down] + folded[across, middle + down]
