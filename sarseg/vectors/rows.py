"""The rows of a class raster, from first to last: what all steps before the polygons take and give.

Every step takes blocks of rows as wide as the raster and gives such blocks, so that no raster has
to fit the memory.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from sarseg.errors import InputError

NO_CLASS = -1
"""What stands in ``Rows`` where a pixel has no class."""

Rows: TypeAlias = Iterator[NDArray[np.int32]]
"""Consecutive blocks (h, width) of class ids, each of any height, that make up a raster."""

Percentages: TypeAlias = Callable[[int, int], NDArray[np.uint8]]
"""Rows ``[first, end)`` (h, width) of a band of percentages; above 100 where there is none."""

CLASS_DTYPES = ("uint8", "int8", "uint16", "int16", "int32")
"""What the pixels of a class raster may be."""

_BLOCK = 128
"""Rows; a divisor of the blocks of 512 that sarseg's maps have."""


def read_rows(dataset: DatasetReader) -> Rows:
    """Class ids of band 1 of the open ``dataset``.

    Pixels without a class are those that GDAL's mask of the band leaves out: the nodata value
    where the file names one, a mask or an alpha band. In a file with none of these every value is a
    class, 0 included.

    Raises InputError, at once where the band holds no integers, and on the way where it cannot be
    read or holds a negative class.
    """
    dtype = dataset.dtypes[0]
    if dtype not in CLASS_DTYPES:
        raise InputError(
            f"{dataset.name} holds {dtype} numbers and is no class raster: the classes in band 1 "
            f"must be {', '.join(CLASS_DTYPES)}. Convert it with gdal_translate -ot, or name "
            "another file."
        )
    return _read_rows(dataset)


def confidence_band(dataset: DatasetReader) -> int | None:
    """The band of confidence in percent, as ``sarseg predict`` writes it: the number of the one of
    bytes that is called so, from 1; None where there is none."""
    for band, (name, dtype) in enumerate(zip(dataset.descriptions, dataset.dtypes, strict=True), 1):
        if name == "confidence" and dtype == "uint8":
            return band
    return None


def read_percentages(dataset: DatasetReader, band: int) -> Percentages:
    """Rows of a band of percentages. What it gives raises InputError where they cannot be read."""

    def read(first: int, end: int) -> NDArray[np.uint8]:
        return _read(dataset, band, Window(0, first, dataset.width, end - first))

    return read


def _read_rows(dataset: DatasetReader) -> Rows:
    for first in range(0, dataset.height, _BLOCK):
        window = Window(0, first, dataset.width, min(_BLOCK, dataset.height - first))
        known = _read(dataset, 1, window, mask=True) != 0
        classes = np.where(known, _read(dataset, 1, window).astype(np.int32), NO_CLASS)
        if (lowest := classes.min(where=known, initial=0)) < 0:
            raise InputError(
                f"{dataset.name} holds the class {lowest}, but classes are 0 or more. If it "
                "stands for pixels without a class, declare it with gdal_edit.py -a_nodata."
            )
        yield classes


def _read(
    dataset: DatasetReader, band: int, window: Window, *, mask: bool = False
) -> NDArray[np.uint8]:
    try:
        read = dataset.read_masks if mask else dataset.read
        found: NDArray[np.uint8] = read(band, window=window)
        return found
    except RasterioError as error:
        raise InputError(
            f"The pixels of {dataset.name} cannot be read ({error}); the file may be damaged."
        ) from error
