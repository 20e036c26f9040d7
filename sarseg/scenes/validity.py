"""Where a raster without a nodata value holds no data: the zeros round a scene."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarseg.scenes.window import Window


@dataclass(frozen=True)
class DataOutline:
    """First and last pixel with data of each row and of each column of a raster.

    Zeros connected to the raster's edge along their row or their column are no data; zeros with
    data on all four sides are dark pixels. Memory grows with height + width only.
    """

    first_col: NDArray[np.int64]
    last_col: NDArray[np.int64]
    first_row: NDArray[np.int64]
    last_row: NDArray[np.int64]

    @classmethod
    def of_strips(
        cls, height: int, width: int, strips: Iterable[tuple[Window, NDArray[np.float32]]]
    ) -> "DataOutline":
        """The outline from strips of full width, (h, width) each, that cover the raster."""
        first_col = np.full(height, width)
        last_col = np.full(height, -1)
        first_row = np.full(width, height)
        last_row = np.full(width, -1)
        for window, values in strips:
            data = np.isfinite(values) & (values != 0)
            rows, _ = window.slices_in(Window(0, 0, height, width))
            filled = data.any(axis=1)
            first_col[rows] = np.where(filled, data.argmax(axis=1), width)
            last_col[rows] = np.where(filled, width - 1 - data[:, ::-1].argmax(axis=1), -1)
            filled = data.any(axis=0)
            top = window.row + data.argmax(axis=0)
            bottom = window.row_end - 1 - data[::-1].argmax(axis=0)
            first_row = np.where(filled, np.minimum(first_row, top), first_row)
            last_row = np.where(filled, np.maximum(last_row, bottom), last_row)
        return cls(first_col, last_col, first_row, last_row)

    def inside(self, window: Window) -> NDArray[np.bool_]:
        """True (h, w) for the window's pixels that do not belong to the zeros round the data."""
        rows = np.arange(window.row, window.row_end)[:, None]
        cols = np.arange(window.col, window.col_end)[None, :]
        of_rows, of_cols = slice(window.row, window.row_end), slice(window.col, window.col_end)
        result: NDArray[np.bool_] = (
            (cols >= self.first_col[of_rows, None])
            & (cols <= self.last_col[of_rows, None])
            & (rows >= self.first_row[None, of_cols])
            & (rows <= self.last_row[None, of_cols])
        )
        return result
