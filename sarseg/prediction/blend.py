"""Joining overlapping tiles without seams, in memory that does not grow with the scene's height."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import NODATA
from sarseg.prediction.tiles import TileGrid
from sarseg.scenes.window import Window

# Probabilities and weights are blended as whole numbers: such sums are exact, so tiles that agree
# give what they agree on to the last digit, wherever they lie. Two ramps that meet add up to 256
# at most, in rows and in columns, thus 256 * 256 * 65535 fits 32 bits.
_CERTAIN = 65535
_PLATEAU = 254


def blend_weights(tile: int, overlap: int) -> NDArray[np.uint32]:
    """Weight (tile, tile) of each pixel of a tile, 1 to 254 squared.

    Level in the middle, a raised cosine (Hann) over the ``overlap`` pixels at each edge; never
    zero, so that a pixel which only one tile covers takes that tile's answer.
    """
    position = (np.arange(overlap) + 0.5) / max(overlap, 1)
    ramp = np.clip(np.rint(_PLATEAU * np.sin(0.5 * np.pi * position) ** 2), 1, _PLATEAU)
    profile = np.full(tile, _PLATEAU, np.uint32)
    profile[:overlap] = ramp
    profile[tile - overlap :] = ramp[::-1]
    return np.outer(profile, profile)


@dataclass(frozen=True)
class FinishedRows:
    """Rows of the map that no later tile touches.

    ``classes`` (h, W) holds the index of the most probable class, ``confidence`` (h, W) its
    blended probability in percent, 0..100; both are 255 where the scene is invalid. Of the tiles
    that these rows were waiting for, ``skipped`` had no valid pixel and ``unprompted`` had some,
    but no box that says where to look.
    """

    row: int
    classes: NDArray[np.uint8]
    confidence: NDArray[np.uint8]
    skipped: int = 0
    unprompted: int = 0


class RowBlender:
    """Adds up the tiles of a grid in its order and lets rows go as soon as they are finished.

    Held are the sums of one tile, those of the overlap with the tile row below, and class and
    confidence of one tile row: ``4 K overlap W`` bytes for K classes and W columns make the most.
    """

    def __init__(self, num_classes: int, grid: TileGrid) -> None:
        overlap, tile, width = grid.overlap, grid.tile, grid.width
        self._grid = grid
        self._weights = blend_weights(tile, overlap)
        # Sums of the K classes and, last, of the weights.
        self._from_left = np.zeros((num_classes + 1, tile, overlap), np.uint32)
        self._from_above = np.zeros((num_classes + 1, overlap, width), np.uint32)
        self._classes = np.full((tile, width), NODATA, np.uint8)
        self._confidence = np.full((tile, width), NODATA, np.uint8)

    def add(
        self,
        window: Window,
        probabilities: NDArray[np.float32] | None,
        valid: NDArray[np.bool_],
    ) -> FinishedRows | None:
        """Add the grid's next tile; returns rows where it was the last of its tile row.

        ``probabilities`` (K, tile, tile) sum to 1 over K, or None for a tile without a valid
        pixel; ``valid`` (tile, tile) is False for invalid pixels and beyond the scene.
        """
        grid, stride = self._grid, self._grid.stride
        rightmost, lowest = grid.in_last_column(window), grid.in_last_row(window)
        sums = self._weighted(probabilities)
        sums[:, :, : grid.overlap] += self._from_left
        self._from_left = sums[:, :, stride:] * np.uint32(not rightmost)
        # Columns and rows of this tile that no later tile touches, cut to the scene.
        height, width = grid.tile if lowest else stride, grid.tile if rightmost else stride
        finished = Window(window.row, window.col, height, width).within(grid.height, grid.width)
        inner = finished.slices_in(window)
        columns = slice(finished.col, finished.col_end)
        sums = sums[:, :, inner[1]]
        sums[:, : grid.overlap] += self._from_above[:, :, columns]
        self._from_above[:, :, columns] = sums[:, stride:]
        self._decide(sums[:, inner[0]], valid[inner], columns)
        if not rightmost:
            return None
        rows = slice(0, finished.height)
        return FinishedRows(finished.row, self._classes[rows].copy(), self._confidence[rows].copy())

    def _weighted(self, probabilities: NDArray[np.float32] | None) -> NDArray[np.uint32]:
        sums = np.zeros((len(self._from_above), *self._weights.shape), np.uint32)
        if probabilities is not None:
            sums[:-1] = np.rint(probabilities * np.float32(_CERTAIN))
            sums[:-1] *= self._weights
            sums[-1] = self._weights
        return sums

    def _decide(self, sums: NDArray[np.uint32], valid: NDArray[np.bool_], columns: slice) -> None:
        scores, weights = sums[:-1], np.maximum(sums[-1], 1)
        percent = np.rint(scores.max(axis=0) / weights * (100.0 / _CERTAIN))
        self._classes[: len(valid), columns] = np.where(valid, scores.argmax(axis=0), NODATA)
        self._confidence[: len(valid), columns] = np.where(valid, percent, NODATA)
