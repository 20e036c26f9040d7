"""Polygons of a vector file on the pixels of a scene."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine
from shapely import GeometryType

from sarseg.scenes.window import Window

_BLOCK = 256
"""Rows and columns that are rasterised together."""


class RasterisedShapes:
    """The polygons in ``shapes`` (N,), in pixels, as an image of ``codes`` (N,) uint8.

    A pixel belongs to the polygons that its centre lies in; of several the last counts, and where
    there is none the code is ``outside``. Points and lines are left out.
    """

    def __init__(self, shapes: NDArray[Any], codes: NDArray[np.uint8], outside: int) -> None:
        parts, of_shape = shapely.get_parts(shapes, return_index=True)
        parts, of_part = shapely.get_parts(parts, return_index=True)
        kinds = shapely.get_type_id(parts)
        flat = np.isin(kinds, [GeometryType.POLYGON, GeometryType.MULTIPOLYGON])
        self._polygons = parts[flat]
        self._codes = codes[of_shape[of_part[flat]]]
        self._outside = outside
        self._tree = shapely.STRtree(self._polygons)

    def __len__(self) -> int:
        """How many polygons there are."""
        return len(self._polygons)

    def read(self, window: Window) -> NDArray[np.uint8]:
        """The codes (h, w) in ``window``."""
        # in blocks that lie still: GDAL decides by the window where an edge meets a pixel's centre
        rows = range(window.row // _BLOCK * _BLOCK, window.row_end, _BLOCK)
        cols = range(window.col // _BLOCK * _BLOCK, window.col_end, _BLOCK)
        outer = Window(rows[0], cols[0], len(rows) * _BLOCK, len(cols) * _BLOCK)
        blocks = [[self._block(Window(row, col, _BLOCK, _BLOCK)) for col in cols] for row in rows]
        return np.block(blocks)[window.slices_in(outer)]

    def _block(self, block: Window) -> NDArray[np.uint8]:
        codes = np.full((block.height, block.width), self._outside, np.uint8)
        frame = shapely.box(block.col, block.row, block.col_end, block.row_end)
        near = np.sort(self._tree.query(frame))
        if len(near):
            rasterize(
                zip(self._polygons[near], self._codes[near], strict=True),
                out=codes,
                transform=Affine.translation(block.col, block.row),
            )
        return codes
