"""Pixels of one grid from those of another, where positions lead from the one to the other."""

import math

import numpy as np
from numpy.typing import NDArray

from sarseg.kernels import compiled, over_rows
from sarseg.scenes.window import Window

_LEAST_WEIGHT = 0.5 - 1e-6  # a half, whichever way sums are rounded
_FARTHEST = 2.0**31


class Lattice:
    """Where the pixels of a window lie in a source raster.

    ``nodes`` (rows, cols, 2) are the source's column and row, in pixels from its upper left corner,
    of every ``step``-th corner of the target's pixels, from the corner ``first_row`` and
    ``first_col`` (multiples of ``step``) on; NaN where there is no such place. In between they are
    interpolated bilinearly, so a pixel's place does not depend on the window it is in.
    """

    def __init__(
        self, nodes: NDArray[np.float64], first_row: int, first_col: int, step: int
    ) -> None:
        self.nodes = nodes
        self.first = np.array([first_row, first_col])
        self.step = step

    def source_window(self, height: int, width: int) -> Window:
        """The window of a source of ``height`` x ``width`` that the resampled pixels come from."""
        known = self.nodes[np.isfinite(self.nodes).all(axis=-1)]
        if not len(known):
            return Window(0, 0, 0, 0)
        known = np.clip(known, -2, [width + 2, height + 2])  # far beyond is as good as beyond
        left, top = (int(edge) - 1 for edge in np.floor(known.min(axis=0)))
        right, bottom = (int(edge) + 1 for edge in np.ceil(known.max(axis=0)))
        return Window(top, left, bottom - top, right - left).within(height, width)


def average(
    values: NDArray[np.float32],
    valid: NDArray[np.bool_],
    source: Window,
    lattice: Lattice,
    window: Window,
    samples: tuple[int, int],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values (h, w) and validity (h, w) of ``window`` from those (sh, sw) of the window ``source``.

    A pixel is the mean of ``samples`` (down, across) positions spread evenly over it, each
    interpolated bilinearly; with one sample that is bilinear interpolation at its centre. Invalid
    pixels, and those outside ``source``, weigh nothing: the mean is over the weights that are left,
    and valid where they are at least half of all.
    """
    result = np.zeros((window.height, window.width), np.float32)
    weights = np.zeros((window.height, window.width))
    over_rows(
        window.height,
        lambda first, last: _average(
            values,
            valid,
            source.row,
            source.col,
            lattice.nodes,
            lattice.first,
            lattice.step,
            window.row,
            window.col,
            samples,
            result,
            weights,
            first,
            last,
        ),
    )
    return result, weights >= _LEAST_WEIGHT


def nearest(
    values: NDArray[np.float32],
    valid: NDArray[np.bool_],
    source: Window,
    lattice: Lattice,
    window: Window,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Like ``average``, but each pixel is the source's pixel that its centre lies in."""
    result = np.zeros((window.height, window.width), np.float32)
    covered = np.zeros((window.height, window.width), np.bool_)
    _nearest(
        values,
        valid,
        source.row,
        source.col,
        lattice.nodes,
        lattice.first,
        lattice.step,
        window.row,
        window.col,
        result,
        covered,
    )
    return result, covered


@compiled
def _place(
    nodes: NDArray[np.float64], first: NDArray[np.int64], step: int, row: float, col: float
) -> tuple[float, float]:
    """Column and row in the source of a position in the target."""
    down, across = row / step, col / step
    i, j = math.floor(down), math.floor(across)
    down, across = down - i, across - j
    i, j = i - first[0] // step, j - first[1] // step
    x, y = 0.0, 0.0
    for di, along in ((0, 1 - down), (1, down)):
        for dj, weight in ((0, along * (1 - across)), (1, along * across)):
            x += weight * nodes[i + di, j + dj, 0]
            y += weight * nodes[i + di, j + dj, 1]
    return x, y


@compiled
def _average(
    values: NDArray[np.float32],
    valid: NDArray[np.bool_],
    source_row: int,
    source_col: int,
    nodes: NDArray[np.float64],
    first: NDArray[np.int64],
    step: int,
    window_row: int,
    window_col: int,
    samples: tuple[int, int],
    result: NDArray[np.float32],
    weights: NDArray[np.float64],
    begin: int,
    end: int,
) -> None:
    down, across = samples
    for r in range(begin, end):
        for c in range(result.shape[1]):
            total, weight = 0.0, 0.0
            for i in range(down):
                for j in range(across):
                    x, y = _place(
                        nodes,
                        first,
                        step,
                        window_row + r + (i + 0.5) / down,
                        window_col + c + (j + 0.5) / across,
                    )
                    x, y = x - 0.5, y - 0.5  # counted from the centres of pixels
                    if not (abs(x) < _FARTHEST and abs(y) < _FARTHEST):  # nor is NaN
                        continue
                    x0, y0 = math.floor(x), math.floor(y)
                    for row, along in ((y0, 1 - (y - y0)), (y0 + 1, y - y0)):
                        for col, part in ((x0, along * (1 - (x - x0))), (x0 + 1, along * (x - x0))):
                            sr, sc = row - source_row, col - source_col
                            if (
                                0 <= sr < values.shape[0]
                                and 0 <= sc < values.shape[1]
                                and valid[sr, sc]
                            ):
                                total += part * values[sr, sc]
                                weight += part
            if weight > 0:
                result[r, c] = total / weight
                weights[r, c] = weight / (down * across)


@compiled
def _nearest(
    values: NDArray[np.float32],
    valid: NDArray[np.bool_],
    source_row: int,
    source_col: int,
    nodes: NDArray[np.float64],
    first: NDArray[np.int64],
    step: int,
    window_row: int,
    window_col: int,
    result: NDArray[np.float32],
    covered: NDArray[np.bool_],
) -> None:
    for r in range(result.shape[0]):
        for c in range(result.shape[1]):
            x, y = _place(nodes, first, step, window_row + r + 0.5, window_col + c + 0.5)
            if not (abs(x) < _FARTHEST and abs(y) < _FARTHEST):
                continue
            sr, sc = math.floor(y) - source_row, math.floor(x) - source_col
            if 0 <= sr < values.shape[0] and 0 <= sc < values.shape[1] and valid[sr, sc]:
                result[r, c] = values[sr, sc]
                covered[r, c] = True
