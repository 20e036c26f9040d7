"""Lee's refined filter: statistics from the side of an edge that a pixel lies on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from sarseg.filters.despeckle.base import SpeckleFilter
from sarseg.filters.despeckle.local_statistics import COLUMNS, neighbourhood, row_blocks
from sarseg.kernels import compiled

if TYPE_CHECKING:
    from torch import Tensor

_Number = TypeVar("_Number", float, "Tensor")

_SIZE = 7
_HALF = _SIZE // 2
_ROWS = 64  # of a block, whose neighbourhood is held at a time

_ACROSS, _DOWN = np.meshgrid(np.arange(-_HALF, _HALF + 1), np.arange(-_HALF, _HALF + 1))
_HALVES = np.stack(
    [
        _ACROSS <= 0,  # an edge that runs down: left of it, right of it
        _ACROSS >= 0,
        _DOWN <= 0,  # across: above, below
        _DOWN >= 0,
        _ACROSS >= _DOWN,  # from top left to bottom right: above, below
        _ACROSS <= _DOWN,
        _ACROSS <= -_DOWN,  # from bottom left to top right: above, below
        _ACROSS >= -_DOWN,
    ]
)
"""Half windows (8, 7, 7), 28 pixels each: the two sides of each of the four edges."""

_SIDES = np.array([[0, -1], [0, 1], [-1, 0], [1, 0], [-1, 1], [1, -1], [-1, -1], [1, 1]])
"""Sub-window (down, across) in the middle of each half window, among the 3 x 3 of them."""

_TOP = np.arange(_SIZE)
_BOTTOM = np.array([*range(_SIZE, 2 * _SIZE - 1), _SIZE - 1])
_NOTHING = 2 * _SIZE - 1


def _column_parts() -> NDArray[np.intp]:
    """Part of every column that lies in every half window, (8, 7).

    Numbered as ``_add_up_columns`` does: 0 to 6 the topmost 1 to 7 pixels, 7 to 12 the lowest 1 to
    6, 13 nothing.
    """
    heights = _HALVES.sum(axis=1)
    parts = np.where(_HALVES[:, 0], _TOP[heights - 1], _BOTTOM[heights - 1])
    return np.where(heights > 0, parts, _NOTHING)


_PARTS = _column_parts()


class RefinedLee(SpeckleFilter):
    """Lee's filter with the statistics of a half window that does not cross an edge.

    The means of nine overlapping sub-windows of 3 x 3 pixels, two pixels apart, show the strongest
    of four gradients (down, across and the two diagonals) in a window of 7 x 7 pixels. The edge
    goes through the middle; of its two sides, the one whose middle sub-window has the mean nearer
    to that of the central one gives, together with the pixels on the edge, a half window of 28
    pixels. Its mean and variance go into the formula of ``Lee``.

    A sub-window without valid pixels shows no gradient, and its side is only taken if the other
    side's is empty too. ``size`` is always 7.

    Source: J.-S. Lee 1981, "Refined filtering of image noise using local statistics", Computer
    Graphics and Image Processing 15(4):380-389; J.-S. Lee, E. Pottier 2009, *Polarimetric Radar
    Imaging*, CRC Press, chapter 5.
    """

    name: Literal["refined-lee"] = "refined-lee"
    size: Literal[7] = 7

    def _fill_rows(
        self,
        intensity: NDArray[np.float32],
        valid: NDArray[np.bool_],
        looks: float,
        first: int,
        result: NDArray[np.float32],
    ) -> None:
        height, width = result.shape
        for rows in row_blocks(height, _ROWS):
            for cols in row_blocks(width, COLUMNS):
                top, bottom = first + rows.start, first + rows.stop
                known, counted = neighbourhood(
                    intensity, valid, _HALF, top, bottom, cols.start, cols.stop
                )
                _fill(known, counted, 1.0 / looks, result[rows, cols])

    def _despeckled(self, intensity: Tensor, valid: Tensor, looks: float) -> Tensor:
        import torch
        from torch.nn.functional import pad

        known = pad(torch.where(valid, intensity, 0.0).double(), (_HALF,) * 4)
        counted = pad(valid.double(), (_HALF,) * 4).expand_as(known)
        chosen = _tensor_side(known, counted)
        count, total, squares = (torch.zeros_like(known[..., 6:, 6:]) for _ in range(3))
        halves = torch.tensor(_HALVES, device=intensity.device)
        height, width = valid.shape
        for row in range(_SIZE):
            for col in range(_SIZE):
                shifted = np.s_[..., row : row + height, col : col + width]
                inside = halves[chosen, row, col]
                count += inside * counted[shifted]
                total += inside * known[shifted]
                squares += inside * known[shifted] ** 2
        mean = total / count
        variation = torch.where(mean > 0.0, (squares / count - mean**2) / mean**2, 0.0)
        speckle = 1.0 / looks
        texture = (variation - speckle).clamp(min=0.0) / (1.0 + speckle)
        return mean + texture / (speckle + texture) * (intensity - mean)


@compiled
def _fill(
    known: NDArray[np.float32],
    counted: NDArray[np.float32],
    speckle: float,
    result: NDArray[np.float32],
) -> None:
    """Despeckled block (rows, w) from its neighbourhood, 3 pixels wider all round."""
    rows, columns = result.shape
    means = _sub_window_means(known, counted)
    breadth = known.shape[1]
    sums = np.zeros((_NOTHING + 1, breadth))
    squares = np.zeros((_NOTHING + 1, breadth))
    counts = np.zeros((_NOTHING + 1, breadth))
    for row in range(rows):
        window = known[row : row + _SIZE].astype(np.float64)
        _add_up_columns(window, sums)
        _add_up_columns(window * window, squares)
        _add_up_columns(counted[row : row + _SIZE].astype(np.float64), counts)
        for col in range(columns):
            if counted[row + _HALF, col + _HALF] == 0.0:
                continue
            side = _side(means, row, col)
            total = square = count = 0.0
            for tap in range(_SIZE):
                part = _PARTS[side, tap]
                total += sums[part, col + tap]
                square += squares[part, col + tap]
                count += counts[part, col + tap]
            mean = total / count
            variation = (square / count - mean * mean) / (mean * mean) if mean > 0.0 else 0.0
            texture = max(variation - speckle, 0.0) / (1.0 + speckle)
            gain = texture / (speckle + texture)
            result[row, col] = mean + gain * (known[row + _HALF, col + _HALF] - mean)


@compiled
def _add_up_columns(window: NDArray[np.float64], sums: NDArray[np.float64]) -> None:
    """Sums of the parts of a window's columns (7, w) that ``_PARTS`` numbers, into (14, w)."""
    last = _SIZE - 1
    for col in range(window.shape[1]):
        sums[0, col] = window[0, col]
        sums[_SIZE, col] = window[last, col]
    for tap in range(1, _SIZE):
        for col in range(window.shape[1]):
            sums[tap, col] = sums[tap - 1, col] + window[tap, col]
    for tap in range(1, last):
        for col in range(window.shape[1]):
            sums[_SIZE + tap, col] = sums[_SIZE + tap - 1, col] + window[last - tap, col]


@compiled
def _sub_window_means(
    known: NDArray[np.float32], counted: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Means of the valid pixels of all 3 x 3 windows (h - 2, w - 2), NaN where there are none."""
    rows, columns = known.shape[0] - 2, known.shape[1] - 2
    means = np.empty((rows, columns))
    down, down_counts = np.empty(columns + 2), np.empty(columns + 2)
    for row in range(rows):
        for col in range(columns + 2):
            middle = np.float64(known[row, col]) + known[row + 1, col]
            down[col] = middle + known[row + 2, col]
            down_counts[col] = counted[row, col] + counted[row + 1, col] + counted[row + 2, col]
        for col in range(columns):
            total = down[col] + down[col + 1] + down[col + 2]
            count = down_counts[col] + down_counts[col + 1] + down_counts[col + 2]
            means[row, col] = total / count
    return means


def _gradients(
    level: _Number, plumb: _Number, falling: _Number, rising: _Number
) -> tuple[_Number, _Number, _Number, _Number]:
    """Strength of the four edges, in the order of ``_HALVES``.

    From the differences of opposite sub-windows: right - left, bottom - top, bottom right - top
    left and top right - bottom left. So the gradients of a scene one pixel wide tie exactly.
    """
    return (
        abs(level + falling + rising),
        abs(plumb + falling - rising),
        abs(plumb - level - rising),
        abs(plumb + level + falling),
    )


_compiled_gradients = compiled(_gradients)


@compiled
def _side(means: NDArray[np.float64], row: int, col: int) -> int:
    """Half window of the pixel whose window of 7 x 7 begins at ``(row, col)``."""
    middle = means[row + 2, col + 2]
    gradients = _compiled_gradients(
        _known_or(middle, means[row + 2, col + 4]) - _known_or(middle, means[row + 2, col]),
        _known_or(middle, means[row + 4, col + 2]) - _known_or(middle, means[row, col + 2]),
        _known_or(middle, means[row + 4, col + 4]) - _known_or(middle, means[row, col]),
        _known_or(middle, means[row, col + 4]) - _known_or(middle, means[row + 4, col]),
    )
    edge = 0
    for each in range(1, 4):
        if gradients[each] > gradients[edge]:
            edge = each
    down, across = _SIDES[2 * edge]
    # The other side is the point reflection of this one.
    here = abs(means[row + 2 + 2 * down, col + 2 + 2 * across] - middle)
    there = abs(means[row + 2 - 2 * down, col + 2 - 2 * across] - middle)
    return 2 * edge + int(_known_or(np.inf, there) < _known_or(np.inf, here))


@compiled
def _known_or(other: float, mean: float) -> float:
    return other if np.isnan(mean) else mean


def _tensor_side(known: Tensor, counted: Tensor) -> Tensor:
    """Half window of every pixel (C, h, w) by torch, from bands (C, h + 6, w + 6).

    Added up in the order of the compiled loops, so that both decide alike where it is close.
    """
    import torch

    total, count = (
        values[..., :-2, :] + values[..., 1:-1, :] + values[..., 2:, :]
        for values in (known, counted)
    )
    total, count = (
        values[..., :-2] + values[..., 1:-1] + values[..., 2:] for values in (total, count)
    )
    means = total / count
    height, width = known.shape[-2] - 2 * _HALF, known.shape[-1] - 2 * _HALF

    def mean_of(down: int, across: int) -> Tensor:
        rows = slice(2 + 2 * down, 2 + 2 * down + height)
        cols = slice(2 + 2 * across, 2 + 2 * across + width)
        return means[..., rows, cols]

    middle = mean_of(0, 0)

    def difference(down: int, across: int) -> Tensor:
        ahead, behind = mean_of(down, across), mean_of(-down, -across)
        ahead = torch.where(ahead.isnan(), middle, ahead)
        return ahead - torch.where(behind.isnan(), middle, behind)

    differences = [difference(*step) for step in ((0, 1), (1, 0), (1, 1), (-1, 1))]
    edge = torch.stack(_gradients(*differences)).argmax(dim=0)
    distances = torch.stack([(mean_of(*side) - middle).abs() for side in _SIDES.tolist()])
    distances = torch.where(distances.isnan(), torch.inf, distances)
    here = distances.gather(0, 2 * edge[None])[0]
    there = distances.gather(0, 2 * edge[None] + 1)[0]
    return 2 * edge + (there < here)
