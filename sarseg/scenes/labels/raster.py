"""Labels from a raster."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import MAX_CLASS_ID, NODATA
from sarseg.errors import InputError, UsageError
from sarseg.scenes.grid import Grid
from sarseg.scenes.labels.base import Labels
from sarseg.scenes.labels.table import ClassTable
from sarseg.scenes.placed_raster import PlacedRaster
from sarseg.scenes.window import Window


class LabelRaster(Labels):
    """Class ids of a raster on any grid; see ``PlacedRaster``.

    Unlabelled are pixels beyond the raster, of its nodata tag, of 255, and of the values in
    ``ignore``. Other values are class ids, or what ``table`` makes of them. ``named`` are the
    classes of ``table``, else those that the raster's own legend names.

    Raises InputError where the raster cannot be used, UsageError where a value in ``ignore`` is
    none of a raster.
    """

    def __init__(
        self,
        path: Path,
        grid: Grid,
        *,
        ignore: Sequence[int | str] = (),
        table: ClassTable | None = None,
    ) -> None:
        if words := [value for value in ignore if isinstance(value, str)]:
            raise UsageError(
                f"--ignore takes label values, and those of the raster {path} are whole numbers: "
                f"{words[0]!r} is none."
            )
        self.path = path
        self._table = table if table is not None and table.sources else None
        self._raster = PlacedRaster(path, grid, "label raster")
        nodata = () if self._raster.nodata is None else (self._raster.nodata,)
        self._unlabelled = [NODATA, *nodata, *ignore]
        known = self._raster.legend if table is None else table.classes
        if self._table is None:
            known = tuple(entry for entry in known if entry.id not in self._unlabelled)
        self.named = known

    def read(self, window: Window) -> NDArray[np.uint8]:
        """See ``Labels``."""
        values, covered = self._raster.read(window)
        labelled = covered & ~np.isin(values, self._unlabelled)
        ids = np.full(values.shape, NODATA, np.uint8)
        occurring, of_pixel = np.unique(values[labelled], return_inverse=True)
        classes = [self._class_of(value) for value in occurring.tolist()]
        if None in classes:
            unknown = occurring[classes.index(None)]
            row, col = np.argwhere(labelled & (values == unknown))[0]
            place = f"row {window.row + row}, column {window.col + col}"
            raise InputError(self._refusal(str(unknown), place))
        ids[labelled] = np.array(classes, np.uint8)[of_pixel]
        return ids

    def _class_of(self, value: Any) -> int | None:
        if self._table is not None:
            return self._table.sources.get(str(value))
        return value if 0 <= value <= MAX_CLASS_ID else None

    def _refusal(self, value: str, place: str) -> str:
        found = f"The label raster {self.path} holds {value} at {place}"
        if self._table is not None:
            return f"{found} of the scene, {self._table.missing(value)}"
        return (
            f"{found}; class ids are 0 to {MAX_CLASS_ID}. Give --ignore {value} if it means "
            "unlabelled, or a table of --classes that says which class it is."
        )

    def close(self) -> None:
        """Close the file."""
        self._raster.close()
