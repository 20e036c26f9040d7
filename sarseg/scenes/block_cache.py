"""How many blocks of rasters GDAL keeps in memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import rasterio
from rasterio.env import get_gdal_config, set_gdal_config
from rasterio.io import DatasetReader

ROWS_OF_A_MAP = 64 * 2**20
"""Bytes: a row of blocks of 512 x 512 in a map of two bands that is 64,000 pixels wide."""

_LEAST = 8 * 2**20

_LIMIT = "GDAL_CACHEMAX"


def row_of_blocks(dataset: DatasetReader) -> int:
    """Bytes of the blocks side by side in all bands, and half as much again: what has to be kept
    where rows are read from the first to the last, a few at a time."""
    blocks = zip(dataset.block_shapes, dataset.dtypes, strict=True)
    size = sum(
        height * (dataset.width + width) * np.dtype(dtype).itemsize
        for (height, width), dtype in blocks
    )
    return max(int(size) * 3 // 2, _LEAST)


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
