"""More vertices on the edges of polygons in pixel coordinates."""

import numpy as np

from sarseg.vectors.regions import Polygons


def split_edges(outlines: Polygons, step: int) -> Polygons:
    """The same polygons with vertices wherever an edge passes a multiple of ``step`` pixels.

    ``outlines`` are in pixel coordinates. Edges that lead across more than down get
    their new vertices at columns, others at rows. These do not depend on the polygon and are
    reckoned from the end with the lower coordinate, so neighbours that share an edge get the same
    ones bit by bit, whichever way they run, and remain neighbours when the vertices are moved along
    a curved surface. With ``step`` 1 every pixel corner on an outline along rows and columns is a
    vertex.
    """
    corners, rings = outlines.corners, outlines.rings
    last = len(corners) - 1
    edges = np.arange(last)
    run = np.abs(np.diff(corners, axis=0))
    axis = np.where(run[:, 0] >= run[:, 1], 0, 1)  # the coordinate that an edge changes more
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
    rising = end[edge] > start[edge]
    along = axis[edge]
    line = step * np.where(rising, first_line[edge] + nth[new], last_line[edge] - nth[new])
    low, high = corners[edge + ~rising], corners[edge + rising]
    rows = np.arange(len(edge))
    reach, drift = (high - low)[rows, along], (high - low)[rows, 1 - along]
    split[new, along] = line
    split[new, 1 - along] = low[rows, 1 - along] + (line - low[rows, along]) * (drift / reach)
    offsets = np.append(position, len(split))[rings]
    return Polygons(split, offsets, outlines.polygons)
