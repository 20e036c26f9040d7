"""The ground that a raster covers, as GeoJSON wants it."""

from dataclasses import dataclass

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import ProjError
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from sarseg.errors import InputError
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_crs, misplacement, pixel_grid, to_map

_TURN = 360.0

_FARTHEST = (720.0, 95.0)
"""Degrees of longitude and latitude. Half a pixel of a coarse raster may lie beyond a pole; what
lies farther off has been given the wrong CRS."""

_STRAIGHT = 1e-6
"""Degrees, a tenth of a metre, that points along an edge may be off it and be left out."""

_DECIMALS = 7
"""Of degrees: a centimetre."""


@dataclass(frozen=True)
class Footprint:
    """Where a raster lies, in degrees of longitude and latitude on WGS 84 (RFC 7946).

    Rings run counterclockwise. What crosses the antimeridian is cut there into a MultiPolygon, and
    ``bbox`` (west, south, east, north) then has a west that is larger than its east.
    """

    geometry: Polygon | MultiPolygon
    bbox: tuple[float, float, float, float]


def footprint(georeference: Georeference, name: str) -> Footprint:
    """The footprint of a raster, whose ``name`` is for sentences.

    Points along its edges are placed, so that what is straight on the map may be bent on the globe.
    A raster round a pole covers it. Raises InputError where nothing leads from the pixels to
    longitude and latitude.
    """
    outline = _outline(georeference, name)
    west, south, east, north = outline.bounds
    turns = np.floor((west + 180) / _TURN)
    west, east = float(west - turns * _TURN), float(east - turns * _TURN)
    outline = shapely.transform(outline, lambda points: points - [turns * _TURN, 0])
    pieces = [_piece(outline, turn) for turn in range(int(np.ceil((east + 180) / _TURN)))]
    whole = shapely.transform(shapely.union_all(pieces), _rounded)
    parts = [orient(part) for part in shapely.get_parts(whole)]
    if east - west >= _TURN:
        west, east = -180.0, 180.0
    bbox = (west, max(south, -90.0), east if east <= 180 else east - _TURN, min(north, 90.0))
    return Footprint(
        parts[0] if len(parts) == 1 else MultiPolygon(parts),
        (round(bbox[0], _DECIMALS), bbox[1], round(bbox[2], _DECIMALS), bbox[3]),
    )


def _outline(georeference: Georeference, name: str) -> BaseGeometry:
    """The raster in degrees, whose longitudes go on beyond 180."""
    crs = map_crs(georeference)
    if crs is None or (georeference.transform is None and not georeference.gcps):
        raise InputError(
            f"{name} has no place on the ground: neither a coordinate reference system (CRS) nor "
            "ground control points in one. A STAC item needs it: leave out --stac, or georeference "
            "the scene first."
        )
    reason = misplacement(georeference)
    if reason is None:
        ring = _in_degrees(georeference, crs)
        if ring is not None and (outline := _round_the_globe(ring)).is_valid:
            return outline
        reason = f"its CRS, {crs.name}, does not lead from its edges to longitude and latitude"
    raise InputError(
        f"{name} has no place on the ground: {reason}. A STAC item needs it: leave out --stac, or "
        "correct the georeferencing of the scene."
    )


def _in_degrees(georeference: Georeference, crs: pyproj.CRS) -> NDArray[np.float64] | None:
    """Longitude and latitude (n, 2) of points along the edges, from a corner round to it; None
    where they have none."""
    grid = pixel_grid(georeference)
    edges = np.concatenate([grid[0], grid[1:, -1], grid[-1, -2::-1], grid[-2::-1, 0]])
    x, y = to_map(edges, georeference).T
    try:
        to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
        ring = np.column_stack(to_degrees.transform(x, y, errcheck=True))
    except ProjError:
        return None
    return ring if (np.abs(ring) <= _FARTHEST).all() else None


def _round_the_globe(ring: NDArray[np.float64]) -> BaseGeometry:
    """The polygon that a closed ``ring`` (n, 2) of degrees goes round, or the pole and all between
    it and the ring."""
    lon, lat = np.unwrap(ring[:, 0], period=_TURN), ring[:, 1]
    if abs(lon[-1] - lon[0]) > _TURN / 2:
        pole = np.copysign(90.0, lat.mean())
        lon, lat = np.append(lon, [lon[-1], lon[0]]), np.append(lat, [pole, pole])
    return Polygon(_rounded(np.column_stack([lon, lat]))).simplify(_STRAIGHT)


def _piece(outline: BaseGeometry, turn: int) -> BaseGeometry:
    """The part of ``outline`` that lies ``turn`` turns east of -180 to 180."""
    start = turn * _TURN
    part = shapely.intersection(outline, shapely.box(start - 180, -90, start + 180, 90))
    return shapely.transform(part, lambda points: points - [start, 0])


def _rounded(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(points, _DECIMALS)
