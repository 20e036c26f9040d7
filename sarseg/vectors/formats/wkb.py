"""Polygons as well-known binary (ISO 19125-1, 8.2), straight from arrays to Arrow's buffers."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sarseg.kernels import compiled
from sarseg.vectors.regions import Polygons

_POLYGON, _MULTIPOLYGON = 3, 6
_HEADER, _COUNT, _CORNER = 9, 4, 16
"""Bytes before the parts of a geometry (byte order, type, number of parts), of the number of a
ring's corners, and of a corner."""


def well_known_binary(
    polygons: Polygons, parts: NDArray[np.int64] | None = None
) -> pa.LargeBinaryArray:
    """A polygon a row; where ``parts`` (N + 1,) says where those of N rows begin, multipolygons."""
    rings, corners = np.diff(polygons.polygons), np.diff(polygons.rings[polygons.polygons])
    sizes = _HEADER + _COUNT * rings + _CORNER * corners
    starts = np.concatenate([[0], np.cumsum(sizes)])
    if parts is not None:
        starts = starts[parts] + _HEADER * np.arange(len(parts))
    content = np.empty(starts[-1], np.uint8)
    _write(
        polygons.corners.astype("<f8", copy=False).view(np.uint8),
        polygons.rings,
        polygons.polygons,
        np.arange(len(polygons) + 1) if parts is None else parts,
        parts is not None,
        content,
    )
    buffers = [None, pa.py_buffer(starts), pa.py_buffer(content)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(starts) - 1, buffers)


@compiled
def _write(
    corners: NDArray[np.uint8],
    rings: NDArray[np.int64],
    polygons: NDArray[np.int64],
    parts: NDArray[np.int64],
    multi: bool,
    content: NDArray[np.uint8],
) -> None:
    place = 0
    for row in range(len(parts) - 1):
        if multi:
            _write_header(content, place, _MULTIPOLYGON, parts[row + 1] - parts[row])
            place += _HEADER
        for polygon in range(parts[row], parts[row + 1]):
            first, end = polygons[polygon], polygons[polygon + 1]
            _write_header(content, place, _POLYGON, end - first)
            place += _HEADER
            for ring in range(first, end):
                _write_number(content, place, rings[ring + 1] - rings[ring])
                place += _COUNT
                for corner in range(rings[ring], rings[ring + 1]):
                    for byte in range(_CORNER):
                        content[place + byte] = corners[corner, byte]
                    place += _CORNER


@compiled
def _write_header(content: NDArray[np.uint8], place: int, kind: int, parts: int) -> None:
    content[place] = 1  # little-endian
    _write_number(content, place + 1, kind)
    _write_number(content, place + 5, parts)


@compiled
def _write_number(content: NDArray[np.uint8], place: int, number: int) -> None:
    for byte in range(4):
        content[place + byte] = (number >> (8 * byte)) & 255
