"""Splits from the polygons of a vector file."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.sample import Split
from sarseg.datasets.splits.base import SPLIT_CODES, Splits, by_code, file_leaves_nothing
from sarseg.errors import InputError
from sarseg.scenes.grid import Grid
from sarseg.scenes.rasterising import RasterisedShapes
from sarseg.scenes.shapes import read_attributed_shapes
from sarseg.scenes.window import Window

DEFAULT_ATTRIBUTE = "split"

_NONE = 0
_CODES = {str(_NONE): _NONE}
_CODES |= {word: code for code, split in SPLIT_CODES.items() for word in (str(code), split)}


class SplitPolygons(Splits):
    """Splits of the polygons that the centres of pixels lie in; of several the last counts.

    ``attribute`` is 1 or train, 2 or validation, 3 or test; 0 or null, as outside, is no split.

    Raises InputError where the file cannot be used or lies elsewhere, or the attribute says
    something else.
    """

    def __init__(self, path: Path, grid: Grid, attribute: str | None) -> None:
        attribute = attribute or DEFAULT_ATTRIBUTE
        found = read_attributed_shapes(
            path, grid.georeference, grid.name, attribute, "--split-attribute"
        )
        if not found.values:
            raise InputError(
                f"The split polygons {path} do not overlap {grid.name}; check which place, and "
                "which CRS, they are for."
            )
        words = [str(_NONE) if value is None else value.lower() for value in found.values]
        if unknown := sorted(set(words) - _CODES.keys()):
            raise InputError(
                f"{attribute!r} of a polygon in {path} is {unknown[0]!r}; it must be 1 or train, 2 "
                "or validation, 3 or test, and 0 or null for neither. Name another attribute with "
                "--split-attribute."
            )
        codes = np.array([_CODES[word] for word in words], np.uint8)
        self._image = RasterisedShapes(found.shapes, codes, _NONE)
        self.description = f"pixels as the polygons of {path.name} divide them, by {attribute!r}"
        self.leaves_nothing = file_leaves_nothing(path)

    def read(self, window: Window) -> dict[Split, NDArray[np.bool_]]:
        """See ``Splits``."""
        return by_code(self._image.read(window))
