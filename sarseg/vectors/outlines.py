"""Outlines of pixel regions: polygons whose edges run along the rows and columns of a raster."""

from typing import Any, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

Outlines: TypeAlias = NDArray[Any]
"""(N,) object array of shapely polygons."""


def split_edges(outlines: Outlines, step: int) -> Outlines:
    """The same outlines with vertices wherever an edge passes a multiple of ``step`` pixels.

    ``outlines`` are polygons in pixel coordinates with edges along rows or columns. The new
    vertices lie on a grid that does not depend on the polygon, so neighbours that share an edge
    get the same ones, and remain neighbours when the vertices are moved along a curved surface.
    With ``step`` 1 every pixel corner on the outline is a vertex.
    """
    kind, corners, (rings, polygons) = shapely.to_ragged_array(outlines)
    last = len(corners) - 1
    axis = np.where(corners[:-1, 0] != corners[1:, 0], 0, 1)  # the coordinate that an edge changes
    edges = np.arange(last)
    start, end = corners[edges, axis], corners[edges + 1, axis]
    first_line = np.floor(np.minimum(start, end) / step)
    last_line = np.ceil(np.maximum(start, end) / step)
    added = np.maximum(last_line - first_line - 1, 0).astype(np.int64)
    added[rings[1:-1] - 1] = 0  # from the end of a ring to the start of the next is no edge

    position = np.arange(last + 1) + np.concatenate(([0], np.cumsum(added)))
    origin = np.repeat(np.arange(last + 1), np.append(added, 0) + 1)
    nth = np.arange(len(origin)) - position[origin]  # 0: the old vertex; 1, 2, …: the new ones
    split = corners[origin]
    new = nth > 0
    edge = origin[new]
    line = np.where(
        end[edge] > start[edge], first_line[edge] + nth[new], last_line[edge] - nth[new]
    )
    split[new, axis[edge]] = line * step
    offsets = np.append(position, len(split))[rings]
    return shapely.from_ragged_array(kind, split, (offsets, polygons))
