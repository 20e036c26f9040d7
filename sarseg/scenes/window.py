"""Windows of a raster: pure arithmetic on rows and columns."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_STRIP_PIXELS = 2**22
_SAMPLE_GRID = 8
_SAMPLE_SIDE = 128


@dataclass(frozen=True)
class Window:
    """A rectangle of ``height`` x ``width`` pixels with ``row``/``col`` of its upper left pixel.

    A window may overhang the raster that it refers to (negative ``row`` or ``col``, or an end
    beyond the last pixel); ``within`` cuts it to the raster.
    """

    row: int
    col: int
    height: int
    width: int

    @property
    def row_end(self) -> int:
        """First row below the window."""
        return self.row + self.height

    @property
    def col_end(self) -> int:
        """First column right of the window."""
        return self.col + self.width

    @property
    def empty(self) -> bool:
        """True where the window holds no pixel."""
        return self.height <= 0 or self.width <= 0

    def padded(self, margin: int) -> "Window":
        """The window grown by ``margin`` pixels on every side."""
        return Window(
            self.row - margin, self.col - margin, self.height + 2 * margin, self.width + 2 * margin
        )

    def within(self, height: int, width: int) -> "Window":
        """The part of the window that lies on a raster of ``height`` x ``width`` pixels."""
        row, col = max(self.row, 0), max(self.col, 0)
        return Window(
            row,
            col,
            max(min(self.row_end, height) - row, 0),
            max(min(self.col_end, width) - col, 0),
        )

    def slices_in(self, outer: "Window") -> tuple[slice, slice]:
        """Row and column slices that cut this window out of an array that holds ``outer``."""
        row, col = self.row - outer.row, self.col - outer.col
        return slice(row, row + self.height), slice(col, col + self.width)


def strips_of(height: int, width: int, block_height: int) -> Iterator[Window]:
    """Full-width windows of a few million pixels in row order, of whole blocks where these are not
    too tall."""
    rows = max(_STRIP_PIXELS // width, 1)
    if rows > block_height:
        rows -= rows % block_height
    for row in range(0, height, rows):
        yield Window(row, 0, min(rows, height - row), width)


def spread_windows(height: int, width: int) -> Iterator[Window]:
    """A few windows spread over a raster, which together tell what it is like; all of it where it
    is small."""

    def starts(length: int) -> list[int]:
        last = max(length - _SAMPLE_SIDE, 0)
        count = min(_SAMPLE_GRID, -(-length // _SAMPLE_SIDE))
        return sorted({round(start) for start in np.linspace(0, last, count)})

    for row in starts(height):
        for col in starts(width):
            yield Window(row, col, _SAMPLE_SIDE, _SAMPLE_SIDE).within(height, width)
