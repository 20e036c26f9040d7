"""Chips as if their pixels were larger or smaller."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.sample import IGNORE, ChipData
from sarseg.kernels import compiled, over_rows


def zoomed(chip: ChipData, factor: float, row: float, col: float) -> ChipData:
    """``chip`` magnified by ``factor`` (> 0), of the same size.

    From a factor of 1 on, a window is enlarged to the whole chip; below, the chip is shrunk to a
    whole number of pixels, and those round it are invalid and unlabelled. ``row`` and ``col``, in
    ``[0, 1)``, say where the window, or the shrunk chip, lies between the first and the last place
    that there is for it.

    Bands are interpolated bilinearly when they grow, averaged over the area when they shrink, over
    valid pixels alone. Labels and validity are those of the pixel that the centre lies in.
    """
    along = _enlarged if factor >= 1 else _shrunk
    height, width = chip.valid.shape
    down, across = along(height, factor, row), along(width, factor, col)
    inner = (
        slice(down.start, down.start + len(down.nearest)),
        slice(across.start, across.start + len(across.nearest)),
    )

    valid = np.zeros_like(chip.valid)
    valid[inner] = chip.valid[down.nearest][:, across.nearest]
    labels = np.full_like(chip.labels, IGNORE)
    labels[inner] = chip.labels[down.nearest][:, across.nearest]
    intensity = np.zeros(chip.intensity.shape, np.float32)
    np.multiply(_means(chip, down, across), valid[inner], out=intensity[:, *inner])
    return ChipData(intensity, valid, labels)


@dataclass(frozen=True)
class _Axis:
    """Where the pixels from ``start`` on come from, along rows or columns.

    Pixel ``start + i`` lies in the source's pixel ``nearest[i]`` and is made of its pixels
    ``parts[i]`` with ``weights[i]``, which add up to 1.
    """

    start: int
    nearest: NDArray[np.int64]
    parts: NDArray[np.int64]
    weights: NDArray[np.float32]


def _enlarged(size: int, factor: float, place: float) -> _Axis:
    """A window of ``size / factor`` of ``size`` pixels, interpolated to ``size`` pixels."""
    extent = size / factor
    centres = place * (size - extent) + (np.arange(size) + 0.5) / factor
    parts = np.floor(centres - 0.5)[:, None] + np.arange(2)
    return _axis(size, 0, centres, parts, 1 - np.abs(parts + 0.5 - centres[:, None]))


def _shrunk(size: int, factor: float, place: float) -> _Axis:
    """All ``size`` pixels, averaged to about ``size * factor`` pixels among ``size``."""
    length = max(1, round(size * factor))
    step = size / length
    edges = np.arange(length + 1) * step
    left, right = edges[:-1, None], edges[1:, None]
    parts = np.floor(left) + np.arange(math.ceil(step) + 1)
    covered = np.maximum(np.minimum(parts + 1, right) - np.maximum(parts, left), 0)
    start = int(place * (size - length + 1))
    return _axis(size, start, (np.arange(length) + 0.5) * step, parts, covered / step)


def _axis(
    size: int,
    start: int,
    centres: NDArray[np.floating[Any]],
    parts: NDArray[np.floating[Any]],
    weights: NDArray[np.floating[Any]],
) -> _Axis:
    """Beyond the source's edge, its last pixel goes on."""
    return _Axis(
        start,
        np.clip(np.floor(centres), 0, size - 1).astype(np.int64),
        np.clip(parts, 0, size - 1).astype(np.int64),
        weights.astype(np.float32),
    )


def _means(chip: ChipData, down: _Axis, across: _Axis) -> NDArray[np.float32]:
    """Weighted means over the valid pixels; 0 where there is none."""
    bands = np.ascontiguousarray(chip.intensity)
    valid = np.ascontiguousarray(chip.valid)
    result = np.empty((len(bands), len(down.nearest), len(across.nearest)), np.float32)

    def fill(first: int, last: int) -> None:
        rows = slice(first, last)
        _fill_rows(
            bands,
            valid,
            down.parts[rows],
            down.weights[rows],
            across.parts,
            across.weights,
            result[:, rows],
        )

    over_rows(len(down.nearest), fill)
    return result


@compiled
def _fill_rows(
    bands: NDArray[np.float32],
    valid: NDArray[np.bool_],
    rows: NDArray[np.int64],
    row_weights: NDArray[np.float32],
    cols: NDArray[np.int64],
    col_weights: NDArray[np.float32],
    result: NDArray[np.float32],
) -> None:
    count, width = len(bands), valid.shape[1]
    # Sums down the columns of the source: of each band, and last of the weights.
    sums = np.empty((count + 1, width))
    for r in range(len(rows)):
        sums[:] = 0
        for k in range(rows.shape[1]):
            row, weight = rows[r, k], row_weights[r, k]
            for c in range(width):
                if valid[row, c]:
                    sums[count, c] += weight
            for band in range(count):
                for c in range(width):
                    if valid[row, c]:
                        sums[band, c] += weight * bands[band, row, c]
        for c in range(len(cols)):
            total = 0.0
            for k in range(cols.shape[1]):
                total += col_weights[c, k] * sums[count, cols[c, k]]
            for band in range(count):
                mean = 0.0
                for k in range(cols.shape[1]):
                    mean += col_weights[c, k] * sums[band, cols[c, k]]
                result[band, r, c] = mean / total if total > 0 else 0.0
