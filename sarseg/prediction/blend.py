"""Joining overlapping tiles without seams, in memory that grows with neither height nor width."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sarseg.kernels import compiled, over_rows
from sarseg.prediction.tiles import Strip
from sarseg.scenes.window import Window

BlendWindow = Literal["hann", "gaussian", "pyramid", "flat"]
"""How a tile's weight falls towards its edges."""

CERTAIN = 4095
"""What a probability of 1 is in sums."""

# Probabilities and weights are added up as whole numbers. Such sums are exact: they depend on
# neither the order of the tiles nor what else is added, and tiles that agree give what they agree
# on to the last digit. In rows and in columns the weights that meet at a pixel add up to 1024 at
# most, thus 1024 * 1024 * 4095 fits 32 bits.
_TOTAL = 1024


def blend_profile(window: BlendWindow, tile: int, overlap: int) -> NDArray[np.uint32]:
    """Weights (tile,) of a tile's pixels along one direction; never zero, so that a pixel which
    only one tile covers takes that tile's answer.

    ``hann`` is a raised cosine and ``pyramid`` a straight line over the ``overlap`` pixels at each
    edge, or half the tile where more overlaps, and level between; ``gaussian`` has a standard
    deviation of an eighth of the tile (nnU-Net, Isensee et al. 2021, 10.1038/s41592-020-01008-z);
    ``flat`` weighs all alike.
    """
    ramp = min(overlap, tile // 2)
    position = (np.arange(ramp) + 0.5) / max(ramp, 1)
    shape = np.ones(tile)
    if window == "gaussian":
        distance = np.arange(tile) - (tile - 1) / 2
        shape = np.exp(-0.5 * (distance / (tile / 8)) ** 2)
    elif window != "flat":
        shape[:ramp] = position if window == "pyramid" else np.sin(0.5 * np.pi * position) ** 2
        shape[tile - ramp :] = shape[:ramp][::-1]
    stride = tile - overlap
    meeting = -(-tile // stride)
    padded = np.zeros(meeting * stride)
    padded[:tile] = shape
    # rounding, and the one in place of nothing, add no more than one for each
    scale = (_TOTAL - meeting) / padded.reshape(meeting, stride).sum(axis=0).max()
    profile: NDArray[np.uint32] = np.maximum(np.rint(shape * scale), 1).astype(np.uint32)
    return profile


class StripBlender:
    """Adds up the tiles of a strip in its order; rows are taken out as soon as they are finished.

    ``sums`` (K + 1, tile, strip's width) holds, for the rows of the current row of tiles, the
    weighted probabilities of K classes and, last, the weights; pixels that are not valid have none.
    They are kept in ``room`` (K + 1, tile, that width or more), where it is given.
    """

    def __init__(
        self,
        strip: Strip,
        num_classes: int,
        window: BlendWindow = "gaussian",
        room: NDArray[np.uint32] | None = None,
    ) -> None:
        self._strip = strip
        self._profile = blend_profile(window, strip.grid.tile, strip.grid.overlap)
        if room is None:
            room = np.empty((num_classes + 1, strip.grid.tile, strip.width), np.uint32)
        self.sums = room[:, :, : strip.width]
        self.sums[:] = 0

    def add(
        self, window: Window, probabilities: NDArray[np.float32], valid: NDArray[np.bool_]
    ) -> None:
        """Add a tile of the current row: ``probabilities`` (K, tile, tile), which sum to 1 over K,
        where ``valid`` (tile, tile)."""
        first = max(window.col, self._strip.col)
        end = min(window.col_end, self._strip.col + self._strip.width)
        inner = slice(first - window.col, end - window.col)
        sums = self.sums[:, :, first - self._strip.col : end - self._strip.col]
        shown, weights = probabilities[:, :, inner], self._profile[inner]

        def fill(row: int, row_end: int) -> None:
            _add(sums, shown, valid[:, inner], self._profile, weights, row, row_end)

        over_rows(window.height, fill)

    def finished(self, first: int, end: int, row: int) -> NDArray[np.uint32]:
        """The sums (K + 1, end - first, width) of the scene's rows [``first``, ``end``) where the
        current row of tiles begins at ``row``."""
        return self.sums[:, first - row : end - row]

    def next_row(self) -> None:
        """Go to the next row of tiles: its first rows have been added to already."""
        stride = self._strip.grid.stride
        for plane in self.sums:  # one by one: numpy copies what overlaps
            plane[:-stride] = plane[stride:]
            plane[-stride:] = 0


@compiled
def _add(
    sums: NDArray[np.uint32],
    probabilities: NDArray[np.float32],
    valid: NDArray[np.bool_],
    row_weights: NDArray[np.uint32],
    col_weights: NDArray[np.uint32],
    first: int,
    end: int,
) -> None:
    num_classes = len(probabilities)
    for row in range(first, end):
        for channel in range(num_classes):
            for col in range(len(col_weights)):
                if valid[row, col]:
                    share = np.uint32(probabilities[channel, row, col] * np.float32(CERTAIN) + 0.5)
                    sums[channel, row, col] += share * row_weights[row] * col_weights[col]
        for col in range(len(col_weights)):
            if valid[row, col]:
                sums[num_classes, row, col] += row_weights[row] * col_weights[col]
