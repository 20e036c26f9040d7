"""How many blocks of rasters GDAL keeps in memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import rasterio
from rasterio.enums import Interleaving
from rasterio.env import get_gdal_config, set_gdal_config
from rasterio.io import DatasetReader

ROWS_OF_A_MAP = 64 * 2**20
"""Bytes: a row of blocks of 512 x 512 in a raster of two bands of bytes, 64,000 pixels wide."""

_LEAST = 8 * 2**20

_HIGHEST = 512
"""Rows of blocks that lower ones may lie in: those of the files of a virtual raster, or strips that
are read some at a time."""

_LIMIT = "GDAL_CACHEMAX"


def row_of_blocks(dataset: DatasetReader) -> int:
    """Bytes of the blocks side by side of a band, of one beside it, and of their mask: what has to
    be kept where rows are read from the first to the last, a few at a time.

    Where the bands of a pixel lie together, GDAL keeps all of them.
    """
    height, width = dataset.block_shapes[0]
    pixels = max(height, _HIGHEST) * -(-dataset.width // width) * width
    together = dataset.interleaving == Interleaving.pixel
    bands = dataset.dtypes if together else dataset.dtypes[:2]
    needed = int(pixels) * (1 + sum(map(_bytes, bands)))
    return max(needed * 9 // 8, _LEAST)


def _bytes(dtype: str) -> int:
    """Of a number; those that numpy does not know by that name are complex."""
    return 8 if dtype.startswith("complex") else np.dtype(dtype).itemsize


@contextmanager
def block_cache(num_bytes: int) -> Iterator[None]:
    """A rasterio environment in which GDAL keeps blocks of at most ``num_bytes``.

    The limit is the whole process's, other threads' too, and the earlier one holds again at the
    end. By default GDAL keeps blocks until a twentieth of the machine's memory is full of them. Who
    sets GDAL_CACHEMAX for the process is obeyed.
    """
    if _LIMIT in os.environ:
        with rasterio.Env():
            yield
        return
    earlier = get_gdal_config(_LIMIT)  # bytes: GDAL's limit itself, set or not
    try:
        with rasterio.Env(**{_LIMIT: num_bytes}):
            yield
    finally:
        # inside another environment, rasterio leaves the limit as it is
        set_gdal_config(_LIMIT, earlier)
