"""GeoJSON as RFC 7946 has it: longitude and latitude on WGS 84, and one feature a line.

GDAL turns the coordinates, winds shells counter-clockwise and cuts at the antimeridian, for a
batch of features at a time; whole files and lines have the same features so.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyproj
from pyproj.exceptions import ProjError

from sarseg.errors import UsageError
from sarseg.vectors.formats.features import FeatureStream
from sarseg.vectors.formats.ogr import to_bytes

WGS84 = pyproj.CRS("OGC:CRS84")


def check_crs(output: Path, crs: pyproj.CRS | None) -> None:
    """Raise UsageError where coordinates in ``crs`` have no place on WGS 84."""
    if crs is None:
        found = "the map has no CRS"
    elif not _leads_to_wgs84(crs):
        found = f"the map's CRS {crs.name!r} does not lead there"
    else:
        return
    raise UsageError(
        f"GeoJSON holds longitude and latitude on WGS 84, and {found}, so {output} cannot be "
        "written; write a GeoPackage (.gpkg) instead."
    )


def write_collection(
    stream: FeatureStream, path: Path, *, crs: pyproj.CRS | None, layer: str
) -> tuple[str, ...]:
    """Write ``stream`` to ``path`` as one FeatureCollection with the name ``layer``."""
    with path.open("wb") as file:
        file.write(b'{\n"type": "FeatureCollection",\n"name": %b,\n"features": [' % _text(layer))
        between = b"\n"
        for line in _lines(stream, crs):
            file.write(between + line)
            between = b",\n"
        file.write(b"\n]\n}\n")
    return ()


def write_lines(
    stream: FeatureStream, path: Path, *, crs: pyproj.CRS | None, layer: str
) -> tuple[str, ...]:
    """Write ``stream`` to ``path``, each feature on a line of its own."""
    with path.open("wb") as file:
        _write_lines(stream, file, crs)
    return ()


def print_lines(stream: FeatureStream, *, crs: pyproj.CRS | None) -> None:
    """Write ``stream`` to stdout, each feature on a line of its own. Raises OSError."""
    try:
        _write_lines(stream, sys.stdout.buffer, crs)
        sys.stdout.buffer.flush()
    except OSError as error:
        if error is not stream.failure:
            # Python would try the rest again as it ends, and fail with its own exit code.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _write_lines(stream: FeatureStream, file: BinaryIO, crs: pyproj.CRS | None) -> None:
    for line in _lines(stream, crs):
        file.write(line + b"\n")


def _lines(stream: FeatureStream, crs: pyproj.CRS | None) -> Iterator[bytes]:
    """The features as JSON objects: GDAL writes each on a line of a FeatureCollection."""
    for features in stream:
        collection = to_bytes(
            features,
            "GeoJSON",
            stream.geometry_type,
            crs=crs,
            layer="features",
            layer_options={"RFC7946": "YES"},
        )
        for line in collection.split(b"\n"):
            if line.startswith(b'{ "type": "Feature"'):
                yield line.rstrip(b",")


def _text(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()


def _leads_to_wgs84(crs: pyproj.CRS) -> bool:
    try:
        pyproj.Transformer.from_crs(crs, WGS84)
    except ProjError:
        return False
    return True
