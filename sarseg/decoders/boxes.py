"""Boxes that prompt a decoder, made from masks.

A box is ``x0, y0, x1, y1`` in pixel indices: first column, first row, last column, last row, the
last ones inside the box. Pixel 0 has its centre at 0, so a box of one pixel is ``x, y, x, y``;
fractions are allowed. This is what ``PromptEncoder.box_tokens`` takes: SAM adds the half pixel.
"""

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]

FOREGROUND = 1
"""Index of the class that lies in the boxes; 0 is the rest."""


def box_of(mask: NDArray[np.bool_]) -> Box | None:
    """The smallest box round the true pixels of ``mask`` (rows, columns); None without any."""
    rows = np.flatnonzero(mask.any(axis=1))
    cols = np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return float(cols[0]), float(rows[0]), float(cols[-1]), float(rows[-1])


def scaled(box: Box, scale: float, size: tuple[int, int]) -> Box:
    """``box`` made ``scale`` times as wide and as high about its centre.

    The part outside an image of ``size`` (rows, columns) is cut off.
    """
    x0, y0, x1, y1 = box
    rows, cols = size
    left, right = _scaled_range(x0, x1, scale, cols)
    top, bottom = _scaled_range(y0, y1, scale, rows)
    return left, top, right, bottom


def _scaled_range(first: float, last: float, scale: float, length: int) -> tuple[float, float]:
    centre = (first + last) / 2
    reach = (scale * (last - first + 1) - 1) / 2
    return max(centre - reach, 0.0), min(centre + reach, length - 1.0)
