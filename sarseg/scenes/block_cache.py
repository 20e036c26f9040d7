"""How many blocks of rasters GDAL keeps in memory."""

import os

import rasterio

ROWS_OF_A_MAP = 64 * 2**20
"""Bytes: a row of blocks of 512 x 512 in a map of two bands that is 64,000 pixels wide."""


def block_cache(num_bytes: int) -> rasterio.Env:
    """An environment in which GDAL keeps blocks of at most ``num_bytes``.

    By default it keeps them until a twentieth of the machine's memory is full of them. Who sets
    GDAL_CACHEMAX for the process is obeyed.
    """
    if "GDAL_CACHEMAX" in os.environ:
        return rasterio.Env()
    return rasterio.Env(GDAL_CACHEMAX=num_bytes)
