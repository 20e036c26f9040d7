"""Which coordinates the pixels of a map have, in a form that a page can look them up in."""

import math
from dataclasses import dataclass

import numpy as np
import pyproj
from numpy.typing import NDArray

from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_crs, misplacement, to_map

_BENT = 33
"""Rows, and columns, of points between which straight lines are drawn where lines may bend."""

_DIGIT = 0.1
"""Part of a pixel that coordinates tell apart at least."""


@dataclass(frozen=True)
class Coordinates:
    """Two coordinates, ``names`` of them, at n x n points spread evenly over the raster from corner
    to corner, row by row; between them they are found by bilinear interpolation."""

    names: tuple[str, str]
    unit: str
    decimals: int
    points: int
    x: tuple[float, ...]
    y: tuple[float, ...]


def coordinates(georeference: Georeference) -> tuple[Coordinates, ...]:
    """Those of the map, and longitude and latitude where these are others; columns and rows,
    counted from 0, where the raster has no place, or none that can be found (``misplacement``)."""
    height, width = georeference.height, georeference.width
    placed = georeference.transform is not None or bool(georeference.gcps)
    placed = placed and misplacement(georeference) is None
    points = 2 if georeference.transform is not None or not placed else _BENT
    corners = _points(georeference, points)
    if not placed:
        # from their upper left corners to their centres, where pixels have their whole numbers
        return (_rounded(("column", "row"), "", corners - 0.5, 10.0),)
    crs = map_crs(georeference)
    own = to_map(corners, georeference)
    pixel = _pixel(own, points, height, width)
    if crs is not None and crs.is_geographic and not crs.is_derived:
        return (_rounded(("longitude", "latitude"), "°", own, pixel),)
    found = _rounded(("x", "y"), "°" if crs is not None and crs.is_geographic else "", own, pixel)
    if crs is None or crs.geodetic_crs is None or crs.is_geocentric:
        return (found,)
    # degrees about another pole are derived from longitude and latitude, and geodetic themselves
    geodetic = crs.geodetic_crs.source_crs or crs.geodetic_crs
    transformer = pyproj.Transformer.from_crs(crs, geodetic, always_xy=True)
    lonlat = np.column_stack(
        transformer.transform(*to_map(_points(georeference, _BENT), georeference).T)
    )
    if not np.isfinite(lonlat).all() or np.ptp(lonlat[:, 0]) > 180:  # a pole, or the date line
        return (found,)
    pixel = _pixel(lonlat, _BENT, height, width)
    return found, _rounded(("longitude", "latitude"), "°", lonlat, pixel)


def _points(georeference: Georeference, count: int) -> NDArray[np.float64]:
    cols = np.linspace(0, georeference.width, count)
    rows = np.linspace(0, georeference.height, count)
    return np.stack(np.meshgrid(cols, rows), axis=-1).reshape(-1, 2)


def _pixel(placed: NDArray[np.float64], points: int, height: int, width: int) -> float:
    """How far apart pixels are in the smaller direction, roughly."""
    corner, right = placed[0], placed[points - 1]
    down = placed[-points]
    return float(min(np.hypot(*(right - corner)) / width, np.hypot(*(down - corner)) / height))


def _rounded(
    names: tuple[str, str], unit: str, values: NDArray[np.float64], pixel: float
) -> Coordinates:
    digits = -math.floor(math.log10(pixel * _DIGIT)) if pixel > 0 else 0
    points = math.isqrt(len(values))
    x, y = values.T.tolist()
    return Coordinates(names, unit, min(max(digits, 0), 9), points, tuple(x), tuple(y))
