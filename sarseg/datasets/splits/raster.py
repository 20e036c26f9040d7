"""Splits from a raster."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.sample import Split
from sarseg.datasets.splits.base import Splits, by_code, file_leaves_nothing
from sarseg.scenes.grid import Grid
from sarseg.scenes.placed_raster import PlacedRaster
from sarseg.scenes.window import Window


class SplitRaster(Splits):
    """Splits of a raster on any grid: 1 train, 2 validation, 3 test, else none.

    Raises InputError where the raster cannot be used; see ``PlacedRaster``.
    """

    def __init__(self, path: Path, grid: Grid) -> None:
        self._raster = PlacedRaster(path, grid, "split raster")
        self.description = f"pixels as the raster {path.name} divides them"
        self.leaves_nothing = file_leaves_nothing(path)

    def read(self, window: Window) -> dict[Split, NDArray[np.bool_]]:
        """See ``Splits``."""
        values, covered = self._raster.read(window)
        return by_code(np.where(covered, values, 0))

    def close(self) -> None:
        """Close the file."""
        self._raster.close()
