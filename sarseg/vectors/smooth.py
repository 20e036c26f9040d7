"""Smoothing: the staircase of pixels becomes slanting lines, alike for both neighbours."""

import numpy as np
from numpy.typing import NDArray

from sarseg.kernels import compiled
from sarseg.vectors.regions import Outlines

ROUNDS = (0.5, 0.25)
"""Part of an edge that is cut off at either end, and pixels that are at most, round by round."""


def smoothed(outlines: Outlines) -> Outlines:
    """``outlines`` with their corners cut twice; ``fixed`` corners, and edges between them, stay.

    In the first round a corner gives way to the points half a pixel away on its two edges, so that
    a staircase becomes a straight line; in the second the corners that remain are blunted. (Chaikin
    1974, "An algorithm for high-speed curve generation", with cuts of bounded length.) A cut stays
    within a quarter of a pixel, where no other outline passes, so a valid coverage remains one and
    its total area is the same: between two regions a cut moves an eighth of a pixel in the first
    round, at most a 64th in the second.

    New vertices are multiples of an eighth of a pixel. Nothing is rounded, so neighbours that run
    along a border in opposite directions get the same vertices bit by bit.
    """
    corners, fixed, rings = outlines.corners, outlines.fixed, outlines.rings
    for part in ROUNDS:
        corners, fixed, rings = _cut(corners, fixed, rings, part)
    return Outlines(corners, rings, outlines.polygons, fixed)


@compiled
def _cut(
    corners: NDArray[np.float64], fixed: NDArray[np.bool_], rings: NDArray[np.int64], part: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """Corners, fixed and rings after one round. Corners at which a ring does not turn are dropped.

    Where the cuts at both ends of an edge meet, they share one vertex.
    """
    most = 2 * len(corners)
    cut = np.empty((most, 2))
    kept = np.zeros(most, np.bool_)
    offsets = np.zeros_like(rings)
    n = 0
    for ring in range(len(rings) - 1):
        first, last = rings[ring], rings[ring + 1] - 1
        for corner in range(first, last):
            x, y = corners[corner]
            if fixed[corner]:
                cut[n] = corners[corner]
                kept[n] = True
                n += 1
                continue
            before = corner - 1 if corner > first else last - 1
            back_x, back_y = corners[before, 0] - x, corners[before, 1] - y
            on_x, on_y = corners[corner + 1, 0] - x, corners[corner + 1, 1] - y
            if back_x * on_y == back_y * on_x:
                continue
            # The longer side of a diagonal edge equals its shorter one: no edge changes direction.
            step_x = min(max(part * back_x, -part), part)
            step_y = min(max(part * back_y, -part), part)
            if fixed[before] or 2 * step_x != back_x or 2 * step_y != back_y:
                cut[n, 0] = x + step_x
                cut[n, 1] = y + step_y
                n += 1
            cut[n, 0] = x + min(max(part * on_x, -part), part)
            cut[n, 1] = y + min(max(part * on_y, -part), part)
            n += 1
        cut[n] = cut[offsets[ring]]
        kept[n] = kept[offsets[ring]]
        n += 1
        offsets[ring + 1] = n
    return cut[:n].copy(), kept[:n].copy(), offsets
