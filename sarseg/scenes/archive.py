"""Folders and zip files that hold the rasters of one scene; they are read where they lie."""

import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyogrio
from pyogrio.errors import DataSourceError

from sarseg.errors import InputError
from sarseg.scenes.location import file_name, in_zip, is_remote, is_zip, shown
from sarseg.scenes.naming import layers_in

_SAFE = re.compile(r"\.SAFE/|/manifest\.safe$", re.IGNORECASE)

RASTER_SUFFIXES = {".tif", ".tiff", ".img", ".jp2", ".vrt", ".ntf", ".nc"}
"""Of rasters with measurements; products bring pictures of them as PNG or JPEG."""

_LISTED = 12
"""Names that a sentence has room for."""


def is_archive(name: str) -> bool:
    """True where GDAL's ``name`` is that of a folder on this machine or of a zip file."""
    return is_zip(name) or (not name.startswith("/vsi") and bool(name) and Path(name).is_dir())


def rasters_in(name: str) -> list[str]:
    """GDAL's names of the rasters that make the scene in the folder or zip file ``name``.

    They are those whose names say which polarisation or auxiliary band they hold, or else the only
    raster, or the only file. Raises InputError where they cannot be told.
    """
    files = _files_in_zip(name) if is_zip(name) else _files_in_folder(name)
    if is_remote(name) and any(_SAFE.search(file) for file in files):
        raise InputError(
            f"{shown(name)} is a Sentinel-1 product far away; it can be calibrated from this "
            "machine's disk only: download it first."
        )
    if len(files) == 1:
        return files
    rasters = sorted(
        file for file in files if Path(file_name(file)).suffix.lower() in RASTER_SUFFIXES
    )
    layers = {raster: layers_in(file_name(raster)) for raster in rasters}
    named = [raster for raster in rasters if layers[raster]]
    times = Counter(layer for raster in named for layer in layers[raster])
    twice = [layer for layer, count in times.items() if count > 1]
    if named and not twice:
        return named
    if len(rasters) == 1:
        return rasters
    what = f"{shown(name)} is a {'zip file' if is_zip(name) else 'folder'}"
    if not rasters:
        raise InputError(f"{what} without a raster in it; it holds {_listed(files)}.")
    if twice:
        of_one = [raster for raster in named if twice[0] in layers[raster]]
        raise InputError(
            f"{what} with several rasters of {twice[0]}, {_listed(of_one)}: give the files of one "
            "scene."
        )
    raise InputError(
        f"{what} with rasters whose names say no polarisation, {_listed(rasters)}: give the files "
        "of the scene."
    )


def visible(folder: Path) -> list[Path]:
    """What lies in ``folder`` in the order of names, without what systems and writers hide there.

    Raises OSError where it cannot be read.
    """
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _files_in_folder(name: str) -> list[str]:
    try:
        return [str(path) for path in visible(Path(name)) if path.is_file()]
    except OSError as error:
        raise InputError(f"The folder {name} cannot be read: {error.strerror}.") from error


def _files_in_zip(name: str) -> list[str]:
    if is_remote(name):
        return _files_in_remote_zip(name)
    try:
        with zipfile.ZipFile(name) as archive:
            inside = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist.") from error
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(
            f"{name} is not a whole zip file ({error}): copy or download it again."
        ) from error
    return [in_zip(name, inner) for inner in inside]


def _files_in_remote_zip(name: str) -> list[str]:
    root = in_zip(name, "")
    try:
        return [file for file in pyogrio.vsi_listtree(root) if not file.endswith("/")]
    except NotADirectoryError:  # GDAL takes a zip file of one file for that file
        return [f"/vsizip/{{{name}}}"]
    except (FileNotFoundError, DataSourceError, OSError) as error:
        raise InputError(
            f"{shown(name)} cannot be opened as a zip file: check the address and the connection."
        ) from error


def _listed(files: Sequence[str]) -> str:
    names = sorted(file_name(file) for file in files) or ["nothing"]
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + rest
