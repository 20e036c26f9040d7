"""Reading the small rasters that datasets are made of, whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from sarseg.errors import DatasetError, InputError
from sarseg.scenes.opening import measured_bands, open_raster


@dataclass(frozen=True)
class Shape:
    """Bands (alpha left out), rows and columns of a raster."""

    bands: int
    height: int
    width: int

    @property
    def extent(self) -> str:
        """Rows and columns, for sentences."""
        return f"{self.height} x {self.width} pixels"


@contextmanager
def opened(path: Path) -> Iterator[DatasetReader]:
    """The open raster ``path``. Raises DatasetError where it cannot be opened, or read within."""
    try:
        with open_raster(str(path)) as dataset:
            yield dataset
    except InputError as error:
        raise DatasetError(str(error)) from error
    except RasterioError as error:
        raise DatasetError(f"{path} cannot be read: {error.__cause__ or error}.") from error


def read_shape(path: Path) -> Shape:
    """The shape that the head of an image file tells. Raises DatasetError."""
    with opened(path) as dataset:
        bands = sum(meaning != ColorInterp.alpha for meaning in dataset.colorinterp)
        return Shape(bands, dataset.height, dataset.width)


def read_raster(path: Path) -> NDArray[Any]:
    """All bands of an image file, (bands, rows, cols). Raises DatasetError where it cannot."""
    with opened(path) as dataset:
        values: NDArray[Any] = dataset.read()
    return values


def read_measurements(path: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """All bands but alpha, (bands, rows, cols), and validity (rows, cols).

    Invalid are pixels that are not finite, or that the file's nodata value or mask takes out, in
    any band. Raises DatasetError where the file cannot be read, or holds a map with colour table.
    """
    with opened(path) as dataset:
        numbers = list(measured_bands(dataset))
        if any("complex" in dataset.dtypes[number - 1] for number in numbers):
            raise DatasetError(f"{path} holds complex numbers; give their amplitude.")
        raw = dataset.read(numbers)
        flags = [dataset.mask_flag_enums[number - 1] for number in numbers]
        masked = any(MaskFlags.all_valid not in flag for flag in flags)
        valid = np.isfinite(raw).all(axis=0)
        if masked:
            valid &= (dataset.read_masks(numbers) != 0).all(axis=0)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and no data
        values = raw.astype(np.float32)
    return values, valid & np.isfinite(values).all(axis=0)


def read_colours(path: Path) -> NDArray[np.uint8]:
    """Red, green and blue (3, rows, cols) of an 8-bit picture, in bands or by a colour table.

    Raises DatasetError where it is something else.
    """
    with opened(path) as dataset:
        values: NDArray[Any] = dataset.read()
        table = dataset.colormap(1) if ColorInterp.palette in dataset.colorinterp else None
    if table is None:
        if values.dtype != np.uint8 or len(values) not in (3, 4):
            raise DatasetError(
                f"{path} has {len(values)} bands of {values.dtype} and no colour table; labels "
                "are 8-bit pictures, RGB or with a colour table."
            )
        return values[:3]
    colours = np.zeros((int(values.max()) + 1, 3), np.uint8)
    known = [index for index in table if index < len(colours)]
    colours[known] = [table[index][:3] for index in known]
    lacking = np.argwhere(~np.isin(values[0], known))
    if lacking.size:
        row, col = lacking[0]
        raise DatasetError(
            f"{path} holds {values[0, row, col]} at row {row}, column {col}, which has no colour "
            "in its colour table."
        )
    return np.moveaxis(colours[values[0]], -1, 0)


def single_band(bands: NDArray[Any]) -> NDArray[Any] | None:
    """The one band (1, rows, cols) of a picture that holds it once, or three times; else None."""
    one = len(bands) == 1 or (
        len(bands) == 3
        and all(np.array_equal(band, bands[0], equal_nan=True) for band in bands[1:])
    )
    return bands[:1] if one else None
