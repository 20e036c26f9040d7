"""One raster on the pixels of another: pixel by pixel where the grids agree, else the nearest."""

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray
from pyproj.exceptions import ProjError
from rasterio.errors import RasterioError

from sarseg.errors import InputError
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.grid import Grid
from sarseg.scenes.ground import (
    map_bounds,
    map_crs,
    misplacement,
    pixel_grid,
    to_map,
    to_pixels,
    unrolled,
)
from sarseg.scenes.landcover import read_legend
from sarseg.scenes.opening import open_raster, reason
from sarseg.scenes.window import Window

_PIXELS_AT_ONCE = 2**20
"""Pixels of the grid that are placed together."""

_SOURCE_PIXELS_AT_ONCE = 2**22
"""Pixels of the raster that are read for them."""

_TIE = 1e-6
"""Part of a pixel. Centres on an edge between two pixels, which is usual where one grid is twice as
fine as the other, all go to the same side, whichever way they were rounded."""


_BEND = 0.01
"""Part of a grid's extent by which its edges may leave the frame of points along them."""

_LARGEST_WHOLE = 2**53
"""Up to this, floats tell whole numbers apart."""


class PlacedRaster:
    """One band of whole numbers, stored as integers or floats, on the pixels of a grid.

    Where an area of interest limits the grid, the raster may have the pixels of the whole or of
    that part. A raster with other pixels needs a CRS, as the grid does: each pixel of the grid
    then has the value of the raster's pixel that its centre lies in, so a window does not depend
    on how the grid is cut into windows.

    ``what`` it is stands in sentences. Raises InputError where the raster is unreadable, has not
    one band of numbers, cannot be placed, or lies elsewhere.
    """

    def __init__(self, path: Path, grid: Grid, what: str) -> None:
        self.path = path
        self._what = what
        self._dataset = open_raster(str(path))
        self._centres: _Centres | None = None
        try:
            self._check_numbers(what)
            self._cut = self._place(grid, what)
        except InputError:
            self.close()
            raise
        nodata = self._dataset.nodata
        self.nodata = int(nodata) if nodata is not None and float(nodata).is_integer() else None
        self.legend = read_legend(self._dataset)

    def _check_numbers(self, what: str) -> None:
        bands, dtype = self._dataset.count, self._dataset.dtypes[0]
        # Maps of sarseg itself may have more bands, but say what the first one is.
        if bands != 1 and self._dataset.descriptions[0] != "class":
            raise InputError(f"The {what} {self.path} has {bands} bands; one is expected.")
        if dtype.startswith("complex"):
            raise InputError(
                f"The {what} {self.path} holds {dtype} values; whole numbers are expected."
            )

    def _place(self, grid: Grid, what: str) -> Window:
        """The window of the raster, or of the whole grid, that is the grid."""
        own = Georeference.of(self._dataset)
        if own.difference(grid.georeference) is None:
            return Window(0, 0, own.height, own.width)
        if difference := own.difference(grid.whole):
            apart = f"The {what} {self.path} does not lie on the grid of the scene: {difference}"
            self._centres = _Centres(grid, own, apart)
            if self._centres.are_elsewhere(grid.cut):
                raise InputError(
                    f"The {what} {self.path} does not overlap {grid.name}; check which place it is "
                    "of, and its CRS."
                )
        return grid.cut

    def read(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The numbers (h, w) in ``window``, which lies within the grid, and where there are any.

        Raises InputError where the file cannot be read, or holds a number with a fraction.
        """
        values, covered = self._placed(window)
        if not np.issubdtype(values.dtype, np.floating):
            return values, covered
        covered &= ~np.isnan(values)
        if self._dataset.nodata is not None:
            covered &= values != values.dtype.type(self._dataset.nodata)
        wrong = covered & ~((np.abs(values) <= _LARGEST_WHOLE) & (values == np.round(values)))
        if wrong.any():
            row, col = np.argwhere(wrong)[0]
            raise InputError(
                f"The {self._what} {self.path} holds {values[row, col]:g} at row "
                f"{window.row + row}, column {window.col + col} of the scene; whole numbers are "
                "expected. If it means that there is none, say so by the nodata tag."
            )
        return np.where(covered, values, 0).astype(np.int64), covered

    def _placed(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The numbers as they are stored, and where the raster reaches."""
        moved = Window(
            window.row + self._cut.row, window.col + self._cut.col, window.height, window.width
        )
        shape = window.height, window.width
        if self._centres is None:
            return self._read(moved), np.ones(shape, np.bool_)
        values = np.zeros(shape, self._dataset.dtypes[0])
        covered = np.zeros(shape, np.bool_)
        self._fill(moved, self._centres, values, covered)
        return values, covered

    def _fill(
        self, window: Window, centres: "_Centres", values: NDArray[Any], covered: NDArray[np.bool_]
    ) -> None:
        """Fill in ``window`` of the whole grid, in pieces that need little of the raster."""
        if window.height * window.width > _PIXELS_AT_ONCE:
            self._fill_halves(window, centres, values, covered)
            return
        places = np.floor(centres.on_raster(window) + _TIE)
        size = [self._dataset.width, self._dataset.height]
        inside = ((places >= 0) & (places < size)).all(axis=-1)
        if not inside.any():
            return
        cols, rows = places[inside].astype(np.int64).T
        row, col = int(rows.min()), int(cols.min())
        source = Window(row, col, int(rows.max()) - row + 1, int(cols.max()) - col + 1)
        if source.height * source.width > _SOURCE_PIXELS_AT_ONCE and inside.size > 1:
            self._fill_halves(window, centres, values, covered)
            return
        values[inside] = self._read(source)[rows - row, cols - col]
        covered[inside] = True

    def _fill_halves(
        self, window: Window, centres: "_Centres", values: NDArray[Any], covered: NDArray[np.bool_]
    ) -> None:
        row, col, height, width = window.row, window.col, window.height, window.width
        if height >= width:
            middle = height // 2
            first = Window(row, col, middle, width)
            second = Window(row + middle, col, height - middle, width)
        else:
            middle = width // 2
            first = Window(row, col, height, middle)
            second = Window(row, col + middle, height, width - middle)
        for half in (first, second):
            part = half.slices_in(window)
            self._fill(half, centres, values[part], covered[part])

    def _read(self, window: Window) -> NDArray[Any]:
        rows, cols = window.slices_in(Window(0, 0, 0, 0))
        try:
            values: NDArray[Any] = self._dataset.read(1, window=(rows, cols))
        except RasterioError as error:
            why = reason(error, str(self.path))
            raise InputError(f"{self.path} cannot be read: {why}. It seems damaged.") from error
        return values

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()


class _Centres:
    """Where the centres of a grid's pixels lie in a raster of another grid.

    Raises InputError, which begins with ``apart``, where that cannot be known.
    """

    def __init__(self, grid: Grid, raster: Georeference, apart: str) -> None:
        self._grid, self._raster = grid.whole, raster
        source, target = map_crs(self._grid), map_crs(raster)
        if source is None or target is None:
            lacking = grid.name if source is None else "the raster"
            raise InputError(
                f"{apart}, and without a CRS of {lacking} it is not known where their pixels "
                "meet. Give a raster of the scene's own pixels, or both a CRS."
            )
        for name, each in ((grid.name, self._grid), ("the raster", raster)):
            if reason := misplacement(each):
                raise InputError(f"{apart}, and {name} has no place on the map: {reason}.")
        try:
            self._to_target = (
                None
                if source == target
                else pyproj.Transformer.from_crs(source, target, always_xy=True)
            )
        except ProjError as error:
            raise InputError(
                f"{apart}, and no way leads from {source.to_string()} to {target.to_string()}."
            ) from error
        self._target = target
        left, _, right, _ = map_bounds(raster)
        self._middle = (left + right) / 2

    def on_raster(self, window: Window) -> NDArray[np.float64]:
        """Columns and rows (h, w, 2) in the raster of the pixels of ``window`` of the whole grid;
        NaN where there is no such place."""
        cols = np.arange(window.col, window.col_end) + 0.5
        rows = np.arange(window.row, window.row_end) + 0.5
        centres = np.stack(np.meshgrid(cols, rows), axis=-1).reshape(-1, 2)
        return self._placed(centres).reshape(window.height, window.width, 2)

    def are_elsewhere(self, window: Window) -> bool:
        """True where ``window`` of the whole grid surely lies off the raster."""
        points = pixel_grid(self._grid.window(window)).reshape(-1, 2)
        points += np.array([window.col, window.row])
        found = self._placed(points)
        if not np.isfinite(found).all():
            return False
        least, greatest = found.min(axis=0), found.max(axis=0)
        # as the edges may bend between two points
        margin = 1 + _BEND * (greatest - least)
        size = (self._raster.width, self._raster.height)
        return bool(((greatest + margin < 0) | (least - margin > size)).any())

    def _placed(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns and rows (n, 2) in the raster of those of the whole grid; NaN where none."""
        placed = to_map(points, self._grid)
        if self._to_target is not None:
            placed = np.column_stack(self._to_target.transform(placed[:, 0], placed[:, 1]))
        known = np.isfinite(placed).all(axis=1)
        found = np.full(placed.shape, np.nan)
        if known.any():
            found[known] = to_pixels(
                unrolled(placed[known], self._target, self._middle), self._raster
            )
        return found
