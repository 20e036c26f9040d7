"""Between pixel coordinates and the map: by affine transforms, by ground control points, neither.

Columns and rows are counted in pixels from the upper left corner of the raster.
"""

import math
from collections.abc import Sequence

import numpy as np
import pyproj
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # what GDAL's transformers raise has no public name
from rasterio.control import GroundControlPoint
from rasterio.transform import GCPTransformer

from sarseg.scenes.georeference import Georeference

_LINES = 65
"""Rows, and columns, of the points that tell how a raster lies on the map. Between two of them an
edge of 250 km departs from a straight line by 0.3 m."""

_LARGEST_MISS = 0.02
"""Part of a raster's longer side by which control points may miss their polynomial. Those of a
Sentinel-1 scene, with the relief that they follow, miss it by some 0.0005."""


def to_map(corners: NDArray[np.float64], georeference: Georeference) -> NDArray[np.float64]:
    """Map coordinates (n, 2) of ``corners`` (n, 2): x, y of col, row.

    Ground control points go through GDAL's polynomial transformer as GDAL itself uses it when no
    order is asked for: second order from six points on, first order for three to five. Without
    georeferencing the pixel coordinates are returned unchanged.
    """
    if georeference.transform is not None:
        return _applied(*_affine(georeference), corners)
    if georeference.gcps:
        with GCPTransformer(list(georeference.gcps)) as transformer:
            return _forwards(transformer, corners)
    return corners


def to_pixels(coordinates: NDArray[np.float64], georeference: Georeference) -> NDArray[np.float64]:
    """Pixel coordinates (n, 2) of map ``coordinates`` (n, 2): col, row of x, y; undoes ``to_map``.

    GDAL fits the polynomials of control points there and back apart. On a Sentinel-1 IW scene
    reduced to 1280 columns they disagree by 0.016 pixel; one step of correction leaves 1e-6 on the
    scene, and 4e-5 half a scene beyond it. Expects a georeference that ``has_inverse``.
    """
    if georeference.transform is not None:
        linear, offset = _affine(georeference)
        return _applied(np.asarray(np.linalg.inv(linear)), np.zeros(2), coordinates - offset)
    if georeference.gcps:
        with GCPTransformer(list(georeference.gcps)) as transformer:
            corners = _backwards(transformer, coordinates)
            missed = corners - _backwards(transformer, _forwards(transformer, corners))
            return corners + missed
    return coordinates


def gcp_order(georeference: Georeference) -> int | None:
    """Order of the polynomial that ``to_map`` leads ground control points through: GDAL's choice.

    None where the raster is not placed by control points.
    """
    if georeference.transform is not None or not georeference.gcps:
        return None
    return 2 if len(georeference.gcps) >= 6 else 1


def has_inverse(georeference: Georeference) -> bool:
    """False where the transform, or the control points, put all pixels on one line."""
    if georeference.transform is not None:
        return not georeference.transform.is_degenerate
    return not georeference.gcps or places_map(georeference.gcps)


def places_map(points: Sequence[GroundControlPoint]) -> bool:
    """True where control points fix a map: they are in line neither in the raster nor on it."""
    pixels = np.array([(point.col, point.row) for point in points])
    ground = np.array([(point.x, point.y) for point in points])
    return _spread_out(pixels) and _spread_out(ground)


def misplacement(georeference: Georeference) -> str | None:
    """Why places on the map cannot be found in the raster, as a clause; None where they can.

    Either all pixels lie on one line, or no polynomial leads through the ground control points
    there and back without missing them widely.
    """
    if not has_inverse(georeference):
        if georeference.transform is None:
            return f"its {len(georeference.gcps)} ground control points lie on one line or spot"
        return "its transform puts all pixels on one line"
    residual = gcp_residual(georeference)
    if residual is None:
        return None
    side = max(georeference.height, georeference.width)
    points = f"its {len(georeference.gcps)} ground control points"
    if math.isinf(residual):
        return f"no polynomial leads through {points}"
    if residual > _LARGEST_MISS * side:
        return (
            f"{points} do not fit together: a polynomial of second order misses them by "
            f"{residual:.3g} pixels (root mean square) of {side}"
        )
    corners = pixel_grid(georeference).reshape(-1, 2)
    if np.abs(to_pixels(to_map(corners, georeference), georeference) - corners).max() > (
        _LARGEST_MISS * side
    ):
        return f"{points} fold it over itself"
    return None


def gcp_residual(georeference: Georeference) -> float | None:
    """By how many pixels the polynomials miss the ground control points, as a root mean square.

    None where the raster is not placed by control points, infinity where GDAL finds no polynomial.
    """
    if georeference.transform is not None or not georeference.gcps:
        return None
    pixels = np.array([(point.col, point.row) for point in georeference.gcps])
    ground = np.array([(point.x, point.y) for point in georeference.gcps])
    try:
        with rasterio.Env():  # which keeps GDAL from printing the error
            missed = to_pixels(ground, georeference) - pixels
    except CPLE_BaseError:
        return math.inf
    return float(np.sqrt((missed**2).sum(axis=1).mean()))


def pixel_size(georeference: Georeference) -> float | None:
    """Metres on the ground: geometric mean of the sides of the pixel at the raster's centre.

    Along geodesics of the CRS's ellipsoid, but by the units of the map where the CRS is projected.
    None where the raster has no georeferencing, or none that leads to metres.
    """
    crs = map_crs(georeference)
    if crs is None or crs.ellipsoid is None or crs.geodetic_crs is None or crs.is_geocentric:
        return None
    if misplacement(georeference) is not None:
        return None
    centre = np.array([georeference.width / 2, georeference.height / 2])
    ends = centre + np.array([[-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]])
    left, right, top, bottom = to_map(ends, georeference)
    if crs.is_projected:
        sides = np.hypot(*np.transpose([right - left, bottom - top]))
        return float(np.sqrt(sides.prod()) * crs.axis_info[0].unit_conversion_factor)
    to_geodetic = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    in_radians = crs.geodetic_crs.axis_info[0].unit_conversion_factor
    lon, lat = to_geodetic.transform(*np.transpose([left, top, right, bottom]))
    lon, lat = np.multiply(lon, in_radians), np.multiply(lat, in_radians)
    geod = pyproj.Geod(a=crs.ellipsoid.semi_major_metre, b=crs.ellipsoid.semi_minor_metre)
    _, _, sides = geod.inv(lon[:2], lat[:2], lon[2:], lat[2:], radians=True)
    return float(np.sqrt(np.prod(sides)))


def unrolled(coordinates: NDArray[np.float64], crs: pyproj.CRS, near: float) -> NDArray[np.float64]:
    """``coordinates`` (..., 2) in ``crs`` with longitudes less than half a turn off ``near``.

    So a scene across the date line is in one piece. Coordinates that are no longitudes stay.
    """
    turn = full_circle(crs)
    if not turn:
        return coordinates
    turns = np.round((coordinates[..., :1] - near) / turn)
    return np.concatenate([coordinates[..., :1] - turn * turns, coordinates[..., 1:]], axis=-1)


def full_circle(crs: pyproj.CRS) -> float:
    """360 degrees in the units of a geographic CRS; 0 for others, whose x comes only once."""
    return math.tau / crs.axis_info[0].unit_conversion_factor if crs.is_geographic else 0.0


def map_crs(georeference: Georeference) -> pyproj.CRS | None:
    """CRS of the map coordinates: the raster's, else that of its ground control points."""
    crs = georeference.crs or georeference.gcp_crs
    return None if crs is None else pyproj.CRS.from_wkt(crs.to_wkt(version="WKT2_2019"))


def map_bounds(georeference: Georeference) -> tuple[float, float, float, float]:
    """How far the raster reaches on the map: the smallest x and y, the largest x and y."""
    placed = to_map(pixel_grid(georeference).reshape(-1, 2), georeference)
    (left, bottom), (right, top) = placed.min(axis=0), placed.max(axis=0)
    return float(left), float(bottom), float(right), float(top)


def pixel_grid(georeference: Georeference) -> NDArray[np.float64]:
    """Pixel coordinates (n, n, 2) of rows and columns of points all over the raster."""
    along = np.linspace(0, 1, _LINES)
    grid = np.stack(np.meshgrid(along, along), axis=-1)
    return np.asarray(grid * [georeference.width, georeference.height])


def _applied(
    linear: NDArray[np.float64], offset: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``points @ linear + offset``, rounded alike however many points there are."""
    x, y = points.T
    applied = np.empty_like(points, np.float64)
    for axis in range(2):
        applied[:, axis] = x * linear[0, axis] + y * linear[1, axis] + offset[axis]
    return applied


def _affine(georeference: Georeference) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The transform as a matrix (2, 2) that coordinates are multiplied by, and an offset (2,)."""
    a, b, c, d, e, f = tuple(georeference.transform or ())[:6]
    return np.array([[a, d], [b, e]]), np.array([c, f])


def _forwards(transformer: GCPTransformer, corners: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(transformer.xy(corners[:, 1], corners[:, 0], offset="ul"))


def _backwards(
    transformer: GCPTransformer, coordinates: NDArray[np.float64]
) -> NDArray[np.float64]:
    # rowcol means whole pixels unless told otherwise
    rows, cols = transformer.rowcol(coordinates[:, 0], coordinates[:, 1], op=lambda value: value)
    return np.column_stack([cols, rows])


def _spread_out(points: NDArray[np.float64]) -> bool:
    """True where ``points`` (n, 2) span a plane."""
    centred = points - points.mean(axis=0)
    return int(np.linalg.matrix_rank(centred / max(np.abs(centred).max(), 1e-300))) == 2
