"""Opening a raster file, or saying in a sentence why it cannot be used."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from sarseg.errors import InputError
from sarseg.scenes.georeference import quietly_georeferenced


def open_raster(path: str) -> DatasetReader:
    """Open ``path``: a file, or a GDAL name such as ``/vsicurl/https://...``.

    Raises InputError where there is no file, or no raster with bands in it.
    """
    try:
        with quietly_georeferenced():
            dataset = rasterio.open(path)
    except RasterioError as error:
        raise InputError(_why_not(path, error)) from error
    if dataset.count == 0:
        with dataset:
            inner = ", ".join(dataset.subdatasets) or "none"
        raise InputError(f"{path} holds no bands of its own; rasters inside it: {inner}. Give one.")
    return dataset


def measured_bands(dataset: DatasetReader) -> tuple[int, ...]:
    """Numbers (from 1) of the bands that hold measurements: all but alpha.

    Raises InputError for complex values and for palette images, which are no SAR bands.
    """
    numbers = tuple(
        number
        for number, meaning in zip(dataset.indexes, dataset.colorinterp, strict=True)
        if meaning != ColorInterp.alpha
    )
    for number in numbers:
        kind = dataset.dtypes[number - 1]
        if kind.startswith("complex"):
            raise InputError(
                f"Band {number} of {dataset.name} holds complex values ({kind}), a single-look "
                "complex image: give its amplitude or intensity instead."
            )
        if not np.issubdtype(np.dtype(kind), np.number):
            raise InputError(f"Band {number} of {dataset.name} holds {kind}, no numbers.")
        if dataset.colorinterp[number - 1] == ColorInterp.palette:
            raise InputError(
                f"Band {number} of {dataset.name} has a colour table, so it is a map or a picture "
                "and not a SAR band: give the scene that it was made from."
            )
    if not numbers:
        raise InputError(f"{dataset.name} holds an alpha band only: no bands are left to read.")
    return numbers


def _why_not(path: str, error: RasterioError) -> str:
    if not path:
        return "An empty file name was given: give the path of a raster."
    local = Path(path)
    if path.startswith("/vsi") or "://" in path:
        return f"{path} cannot be opened: {error}"
    if not local.exists():
        return f"{path} does not exist."
    if local.is_dir():
        return f"{path} is a folder, not a raster: give the raster files in it."
    if local.stat().st_size == 0:
        return f"{path} is empty (0 bytes): copy or download it again."
    return f"{path} is not a raster that GDAL can read ({error})."
