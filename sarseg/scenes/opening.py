"""Opening a raster file, or saying in a sentence why it cannot be used."""

import os
import re
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from sarseg.errors import InputError
from sarseg.scenes.georeference import quietly_georeferenced
from sarseg.scenes.location import file_name, is_remote, local_file, shown

_FORMATS = {
    "GTiff": "GeoTIFF",
    "ENVI": "ENVI",
    "HFA": "Erdas Imagine",
    "JP2OpenJPEG": "JPEG 2000",
    "NITF": "NITF",
    "netCDF": "netCDF",
    "PNG": "PNG",
    "JPEG": "JPEG",
}
"""GDAL's drivers that may open a file. Others read memory, run queries or fetch what a small text
file tells them to. VRT may refer to all of that: it is asked for by the suffix ``.vrt`` only."""

_REMOTE_SETTINGS = {
    # a listing of the folder, and sidecar files in it, cost many requests, or are forbidden
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_CONNECTTIMEOUT": "30",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
}

_STATUS = {
    "401": "the server asks for credentials",
    "403": "the server refuses access: the address may have to be signed anew, or credentials set",
    "404": "the server knows no such file",
}


def open_raster(path: str) -> DatasetReader:
    """Open ``path``: a file, or a GDAL name such as ``/vsicurl/https://...``.

    Raises InputError where there is no file, or no raster with bands in it.
    """
    drivers = [*_FORMATS, *(["VRT"] if path.lower().endswith(".vrt") else [])]
    try:
        with quietly_georeferenced(), rasterio.Env(), gdal_settings(path):
            # rasterio.open takes one driver; the class that it returns takes those that are allowed
            dataset = DatasetReader(path, driver=drivers)
    except RasterioError as error:
        raise InputError(_why_not(path, error)) from error
    if dataset.count == 0:
        with dataset:
            inner = ", ".join(dataset.subdatasets) or "none"
        raise InputError(
            f"{shown(path)} holds no bands of its own; rasters inside it: {inner}. Give one."
        )
    return dataset


def format_name(dataset: DatasetReader) -> str:
    """What people call the format of an open raster."""
    return _FORMATS.get(dataset.driver, str(dataset.driver))


def gdal_settings(name: str) -> AbstractContextManager[Any]:
    """GDAL's settings under which the raster ``name`` is opened and read, as a context.

    What the process's environment sets is obeyed.
    """
    if not is_remote(name):
        return nullcontext()
    settings = {key: value for key, value in _REMOTE_SETTINGS.items() if key not in os.environ}
    remote: AbstractContextManager[Any] = rasterio.Env(**settings)
    return remote


def measured_bands(dataset: DatasetReader) -> tuple[int, ...]:
    """Numbers (from 1) of the bands that hold measurements: all but alpha.

    Raises InputError for palette images, which are no SAR bands.
    """
    name = shown(dataset.name)
    numbers = tuple(
        number
        for number, meaning in zip(dataset.indexes, dataset.colorinterp, strict=True)
        if meaning != ColorInterp.alpha
    )
    for number in numbers:
        kind = dataset.dtypes[number - 1]
        # GDAL's complex integers are no type of numpy
        if not (kind.startswith("complex") or np.issubdtype(np.dtype(kind), np.number)):
            raise InputError(f"Band {number} of {name} holds {kind}, no numbers.")
        if dataset.colorinterp[number - 1] == ColorInterp.palette:
            raise InputError(
                f"Band {number} of {name} has a colour table, so it is a map or a picture "
                "and not a SAR band: give the scene that it was made from."
            )
    if not numbers:
        raise InputError(f"{name} holds an alpha band only: no bands are left to read.")
    return numbers


def reason(error: BaseException, name: str) -> str:
    """What GDAL says of the raster ``name``, without what must not be shown of an address."""
    told = str(error.__cause__ or error)
    for each in (name, name.removeprefix("/vsicurl/")):
        told = told.replace(each, shown(name))
    if last := name.rpartition("/")[2]:  # with the query
        told = told.replace(last, file_name(name))
    return told.rstrip(".")


def _why_not(path: str, error: RasterioError) -> str:
    if not path:
        return "An empty file name was given: give the path of a raster."
    name = shown(path)
    if is_remote(path):
        return _why_not_remote(path, error)
    local = local_file(path)
    if local is None:
        return f"{name} cannot be opened: {reason(error, path)}."
    if not local.exists():
        return f"{local} does not exist: check the path."
    if local.is_dir():
        return f"{name} is a folder, not a raster: give the raster files in it."
    if local.stat().st_size == 0:
        return f"{local} is empty (0 bytes): copy or download it again."
    if path.startswith("/vsi") and "does not exist" in str(error):
        return f"{name} does not exist: {local} holds no such file."
    formats = ", ".join(_FORMATS.values())
    return (
        f"{name} is not a raster that sarseg reads ({formats}, and VRT by its suffix), or it is "
        f"damaged ({reason(error, path)}): convert it to GeoTIFF, or copy it again."
    )


def _why_not_remote(path: str, error: RasterioError) -> str:
    told = reason(error, path)
    status = re.search(r"\b([45]\d\d)\b", told.replace(shown(path), ""))
    if status and status[1] in _STATUS:
        return f"{shown(path)} cannot be opened: {_STATUS[status[1]]} (HTTP {status[1]})."
    if "Range downloading not supported" in told:
        return f"{shown(path)} lies on a server that does not send parts of files: download it."
    if "not recognized" in told:
        formats = ", ".join(_FORMATS.values())
        return f"{shown(path)} is not a raster that sarseg reads ({formats}): {told}."
    return f"{shown(path)} cannot be opened: {told}. Check the address and the connection."
