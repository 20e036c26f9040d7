"""What of a scene's files cannot be read, and reading the rest of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from sarseg.errors import InputError
from sarseg.scenes.location import is_remote, shown
from sarseg.scenes.opening import open_raster, reason
from sarseg.scenes.window import Window

_PROBES = 8
"""Blocks along each side of a file that are tried before it is said that none can be read."""


class Missing:
    """What could not be read of the files of a scene, as far as it has been read.

    ``times`` counts the reads of bands' windows that met something of it, known or not.
    """

    def __init__(self) -> None:
        self.times = 0
        self._found: dict[str, dict[Window, str]] = {}

    def add(self, name: str, window: Window, why: str) -> None:
        """Note that ``window`` of the file that GDAL calls ``name`` cannot be read."""
        self._found.setdefault(shown(name), {}).setdefault(window, why)

    @property
    def parts(self) -> tuple[str, ...]:
        """A sentence's worth about each part: file, place, and what GDAL says of the first of it,
        in the words of the error where nothing may be missing.

        Files are in the order in which they failed; neighbouring parts of a file are one.
        """
        return tuple(
            f"{name} cannot be read at rows {part.row} to {part.row_end - 1}, "
            f"columns {part.col} to {part.col_end - 1}: the file seems to be incomplete or "
            f"damaged ({why})"
            for name, found in list(self._found.items())  # another thread may be reading
            for part, why in _joined(found)
        )


class PartialReader:
    """Reads a band of a file by its blocks, where a window cannot be read in one go.

    ``decode`` gives values and validity (h, w) of a window of the dataset or raises RasterioError.
    A block that has failed is noted in ``missing`` and not tried again, so that all windows see the
    same.
    """

    def __init__(
        self,
        dataset: DatasetReader,
        number: int,
        decode: Callable[[DatasetReader, Window], tuple[NDArray[np.float32], NDArray[np.bool_]]],
        missing: Missing,
    ) -> None:
        self._dataset = dataset
        self._decode = decode
        self._missing = missing
        self._block_height, self._block_width = dataset.block_shapes[number - 1]
        # Blocks of other formats are decoded as a whole. Those of a VRT are not: whether a part of
        # one can be read would depend on the window, and the map on the way through the scene.
        self._whole_blocks = dataset.driver == "VRT"
        self._any_read = False
        self._failed = np.zeros(
            (-(-dataset.height // self._block_height), -(-dataset.width // self._block_width)),
            np.bool_,
        )

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Values (h, w) and validity (h, w), NaN and False where the file cannot be read.

        Raises RasterioError where the file seems to be unreadable all over.
        """
        if not self._whole_blocks:
            return self._read(window)
        outer = self._blocks(*self._indices(window))
        values, valid = self._read(outer)
        part = window.slices_in(outer)
        return values[part], valid[part]

    def unreadable(self, window: Window) -> NDArray[np.bool_]:
        """True (h, w) for the pixels of ``window``, which has been read, that could not be."""
        rows = np.arange(window.row, window.row_end) // self._block_height
        cols = np.arange(window.col, window.col_end) // self._block_width
        return np.asarray(self._failed[np.ix_(rows, cols)])

    def _read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        if not self._failed[self._indices(window)].any():
            try:
                pixels = self._decode(self._dataset, window)
            except RasterioError as error:
                self._refuse_unreadable(error)
            else:
                self._any_read = True
                return pixels
        values = np.full((window.height, window.width), np.nan, np.float32)
        valid = np.zeros(values.shape, np.bool_)
        rows, cols = self._indices(window)
        with self._without_reading_ahead() as dataset:
            for row, col in product(_backwards(rows), _backwards(cols)):
                if self._failed[row, col]:
                    continue
                block = self._block(row, col)
                piece = _overlap(block, window)
                part = piece.slices_in(window)
                try:
                    values[part], valid[part] = self._decode(dataset, piece)
                except RasterioError as error:
                    self._failed[row, col] = True
                    self._missing.add(dataset.name, block, reason(error, dataset.name))
        return values, valid

    @contextmanager
    def _without_reading_ahead(self) -> Iterator[DatasetReader]:
        """The file, of which blocks are then to be read from the last to the first.

        GDAL fetches more and more of what comes next from a server that is read in order, and a
        block would fail with those behind it. What it does so by is forgotten with the open file.
        """
        with ExitStack() as closing:
            dataset = self._dataset
            if is_remote(dataset.name):
                with suppress(InputError):  # then no block can be read, which is seen there
                    dataset = closing.enter_context(open_raster(dataset.name))
            yield dataset

    def _refuse_unreadable(self, error: RasterioError) -> None:
        """Raise ``error`` where nothing has been read, nor can be in blocks all over the file."""
        if self._any_read:
            return
        rows, cols = (_spread(length) for length in self._failed.shape)
        self._any_read = any(self._can_read(self._block(row, col)) for row in rows for col in cols)
        if not self._any_read:
            raise error

    def _can_read(self, block: Window) -> bool:
        try:
            self._decode(self._dataset, block)
        except RasterioError:
            return False
        return True

    def _indices(self, window: Window) -> tuple[slice, slice]:
        """Rows and columns of the blocks that ``window`` touches."""
        height, width = self._block_height, self._block_width
        return (
            slice(window.row // height, (window.row_end - 1) // height + 1),
            slice(window.col // width, (window.col_end - 1) // width + 1),
        )

    def _block(self, row: int, col: int) -> Window:
        return self._blocks(slice(row, row + 1), slice(col, col + 1))

    def _blocks(self, rows: slice, cols: slice) -> Window:
        """The window that blocks cover."""
        height, width = self._block_height, self._block_width
        window = Window(
            rows.start * height,
            cols.start * width,
            (rows.stop - rows.start) * height,
            (cols.stop - cols.start) * width,
        )
        return window.within(self._dataset.height, self._dataset.width)


def _overlap(one: Window, other: Window) -> Window:
    row, col = max(one.row, other.row), max(one.col, other.col)
    row_end, col_end = min(one.row_end, other.row_end), min(one.col_end, other.col_end)
    return Window(row, col, row_end - row, col_end - col)


def _backwards(indices: slice) -> range:
    return range(indices.stop - 1, indices.start - 1, -1)


def _spread(length: int) -> list[int]:
    """A few of ``length`` indices from the first to the last, or all."""
    return sorted({round(at) for at in np.linspace(0, length - 1, min(length, _PROBES))})


def _joined(found: Mapping[Window, str]) -> list[tuple[Window, str]]:
    """Windows, of which those beside and below each other are one, from top to bottom."""
    wide: dict[tuple[int, ...], tuple[Window, str]] = {}  # by the place of what continues them
    for window in sorted(found, key=lambda each: (each.row, each.col)):
        place = window.row, window.height, window.col
        left, why = wide.pop(place, (None, found[window]))
        whole = replace(left, width=left.width + window.width) if left else window
        wide[whole.row, whole.height, whole.col_end] = whole, why
    tall: dict[tuple[int, ...], tuple[Window, str]] = {}
    for window, its_why in wide.values():
        place = window.col, window.width, window.row
        above, why = tall.pop(place, (None, its_why))
        whole = replace(above, height=above.height + window.height) if above else window
        tall[whole.col, whole.width, whole.row_end] = whole, why
    return sorted(tall.values(), key=lambda part: (part[0].row, part[0].col))
