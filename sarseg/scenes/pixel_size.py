"""How large pixels are on the ellipsoid of the map's CRS: areas and lengths."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pyproj
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from sarseg.kernels import compiled
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_crs, misplacement, to_map

Coordinates: TypeAlias = NDArray[np.float64]
"""(n, 2) array of x, y, or of col, row."""

SQUARE_METRES_PER_HECTARE = 10_000.0

_KNOTS = 65
"""Pixels of a row and of a column that are measured; between them splines of third order leave
1e-7 of the area where a raster spans half the earth."""

_ENDS = 16
"""Rows at the top and at the bottom that are measured one by one."""

_COLUMNS = 1025
"""Pixels of a row that the splines are evaluated at; between them a straight line leaves 2e-7."""

_STEPS = 129
"""Places along a row and along a column where steps to the next pixel are measured; between them
straight lines leave 4e-4 of a step where a raster in degrees spans the earth, 7e-4 in Mercator."""


class PixelSize:
    """Areas in square metres, and lengths in metres, of what lies in a raster.

    The area of a pixel is that of the quadrilateral of its corners in an equal-area projection,
    whose edges bend too little between two corners to matter: 1e-9 of the area where pixels are
    1 km wide, 7e-7 where they are 25 km.

    Lengths come from the geocentric x, y, z of places on the ellipsoid, which know neither poles
    nor a date line. Chords stand for arcs: they are 1e-5 shorter where pixels are 1 degree wide.
    """

    def __init__(
        self,
        georeference: Georeference,
        flat: Callable[[Coordinates], Coordinates],
        geocentric: Callable[[Coordinates], NDArray[np.float64]],
    ) -> None:
        self._georeference, self._flat, self._geocentric = georeference, flat, geocentric
        rows, cols = _with_ends(_knots(georeference.height)), _knots(georeference.width)
        areas = self._measure(_grid(rows, cols)).reshape(len(rows), -1)
        self._area = RectBivariateSpline(rows, cols, areas) if np.isfinite(areas).all() else None
        self._rows = _lines(*_between_poles(georeference), georeference.height)
        self._cols = _lines(0, georeference.width, georeference.width)
        steps = self._steps(_grid(self._rows, self._cols))
        self._step = steps.reshape(len(self._rows), len(self._cols), 6)
        self._straight = np.maximum(
            [georeference.width / (_STEPS - 1), georeference.height / (_STEPS - 1)], 1
        )

    @classmethod
    def of(cls, georeference: Georeference) -> "PixelSize | None":
        """The pixels of a raster; None where there is no CRS that leads to an ellipsoid."""
        crs = map_crs(georeference)
        if crs is None or crs.geodetic_crs is None or crs.ellipsoid is None or crs.is_geocentric:
            return None
        if misplacement(georeference) is not None:
            return None
        geodetic = _to_lonlat(crs, crs.geodetic_crs)
        axes = crs.ellipsoid.semi_major_metre, crs.ellipsoid.semi_minor_metre
        centre = np.array([[georeference.width / 2, georeference.height / 2]])
        flat = _equal_area(crs, geodetic, axes, to_map(centre, georeference))
        return cls(georeference, flat, lambda places: _geocentric(geodetic(places), *axes))

    @property
    def everywhere(self) -> bool:
        """False where pixels lie beyond what the CRS can show, and have no size."""
        return self._area is not None

    def areas(self, first: int, end: int) -> NDArray[np.float64]:
        """Areas of rows ``[first, end)`` (end - first, width + 1), summed up from the left: columns
        ``[a, b)`` of a row have the difference of entries ``b`` and ``a``. Pixels without a size
        count 0; there are none where the pixels have one ``everywhere``."""
        width = self._georeference.width
        if self._area is None:
            each = self._measure(_grid(np.arange(first, end), np.arange(width)))
            return _summed(np.nan_to_num(each).reshape(end - first, width))
        cols = np.linspace(0, width - 1, min(width, _COLUMNS))
        return _accumulated(self._area(np.arange(first, end), cols), width)

    def lengths(self, starts: Coordinates, ends: Coordinates) -> NDArray[np.float64]:
        """Metres (n,) on the ellipsoid along lines that are straight in pixel coordinates (n, 2).

        That is the way over the ground that the line shows, not the shortest: along a parallel in a
        raster of degrees. To 1e-3 or better; NaN where the line ends beyond what the CRS can show.
        """
        if not np.isfinite(self._step).all():
            return self._chords(starts, ends)
        return _lengths(starts, ends, self._rows, self._cols, self._step, self._straight)

    def at_centre(self) -> tuple[float, float]:
        """Width and height in metres of the pixel at the centre of the raster."""
        middle = np.array([[self._georeference.width / 2, self._georeference.height / 2]])
        ((across, down),) = np.linalg.norm(self._steps(middle), axis=2)
        return float(across), float(down)

    def _measure(self, corners: Coordinates) -> NDArray[np.float64]:
        """Areas (n,) of the pixels whose upper left ``corners`` (n, 2) are given."""
        around = corners[:, None] + [[0, 0], [1, 0], [1, 1], [0, 1]]
        placed = self._flat(to_map(around.reshape(-1, 2), self._georeference))
        x, y = placed.reshape(-1, 4, 2).transpose(2, 1, 0)
        with np.errstate(invalid="ignore"):  # half the cross product of the diagonals
            areas = np.abs((x[2] - x[0]) * (y[3] - y[1]) - (x[3] - x[1]) * (y[2] - y[0])) / 2
        return np.where(np.isfinite(areas), areas, np.nan)

    def _steps(self, points: Coordinates) -> NDArray[np.float64]:
        """Geocentric metres (n, 2, 3) by which a step of one pixel to the right, and one down, lead
        on round ``points`` (n, 2)."""
        half = np.array([[-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]])
        around = np.clip(
            points[:, None] + half,
            [self._cols[0], self._rows[0]],
            [self._cols[-1], self._rows[-1]],
        )
        left, right, top, bottom = (
            self._places(around.reshape(-1, 2)).reshape(-1, 4, 3).swapaxes(0, 1)
        )
        across = (around[:, 1] - around[:, 0])[:, :1]
        down = (around[:, 3] - around[:, 2])[:, 1:]
        with np.errstate(invalid="ignore"):  # all of the raster lies beyond a pole
            return np.stack([(right - left) / across, (bottom - top) / down], axis=1)

    def _chords(self, starts: Coordinates, ends: Coordinates) -> NDArray[np.float64]:
        """Metres (n,) along lines that are halved until they are short."""
        between = self._places(ends) - self._places(starts)
        lengths: NDArray[np.float64] = np.linalg.norm(between, axis=1)
        long = (np.abs(ends - starts) > self._straight).any(axis=1) & np.isfinite(lengths)
        if long.any():
            starts, ends = starts[long], ends[long]
            middles = (starts + ends) / 2
            lengths[long] = self._chords(starts, middles) + self._chords(middles, ends)
        return lengths

    def _places(self, points: Coordinates) -> NDArray[np.float64]:
        """Geocentric metres (n, 3) of pixel coordinates; NaN beyond what the CRS can show."""
        return self._geocentric(to_map(points, self._georeference))


def _knots(length: int) -> NDArray[np.float64]:
    """Pixels that are measured; splines want four, so of fewer some lie beyond the raster."""
    return np.linspace(0, max(length - 1, 3), min(max(length, 4), _KNOTS))


def _with_ends(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """``rows`` and all of the first and last. Global grids that reach half a pixel beyond the poles
    have halves of pixels there, which a spline would mix up with those beside."""
    last = int(rows[-1])
    ends = np.arange(min(_ENDS, last + 1))
    return np.unique(np.concatenate([rows, ends, last - ends]))


def _between_poles(georeference: Georeference) -> tuple[float, float]:
    """First and last row of a raster, in pixels from its top, that do not lie beyond a pole."""
    crs, transform = map_crs(georeference), georeference.transform
    ends = 0.0, float(georeference.height)
    if crs is None or not crs.is_geographic or crs.is_derived or transform is None or transform.d:
        return ends
    pole = math.pi / 2 / crs.axis_info[0].unit_conversion_factor
    first, last = np.clip(np.sort((np.array([pole, -pole]) - transform.f) / transform.e), *ends)
    return float(first), float(last)


def _lines(first: float, last: float, pixels: int) -> NDArray[np.float64]:
    """Edges and middles of pixels where there are few, else evenly spread."""
    return np.linspace(first, last, min(2 * pixels + 1, _STEPS))


def _grid(rows: NDArray[Any], cols: NDArray[Any]) -> Coordinates:
    """Pixel coordinates (rows * cols, 2), row by row."""
    return np.stack(np.meshgrid(cols, rows), axis=-1).reshape(-1, 2).astype(np.float64)


def _to_lonlat(crs: pyproj.CRS, geodetic: pyproj.CRS) -> Callable[[Coordinates], Coordinates]:
    """Longitude and latitude in degrees."""
    transformer = pyproj.Transformer.from_crs(crs, geodetic, always_xy=True)
    degrees = math.degrees(geodetic.axis_info[0].unit_conversion_factor)

    def lonlat(coordinates: Coordinates) -> Coordinates:
        longitude, latitude = transformer.transform(coordinates[:, 0], coordinates[:, 1])
        # Global grids often reach half a pixel beyond the poles.
        return np.column_stack([longitude * degrees, np.clip(latitude * degrees, -90, 90)])

    return lonlat


def _equal_area(
    crs: pyproj.CRS,
    geodetic: Callable[[Coordinates], Coordinates],
    ellipsoid: tuple[float, float],
    centre: Coordinates,
) -> Callable[[Coordinates], Coordinates]:
    """Projection of coordinates in ``crs`` to square metres that are true on its ellipsoid.

    Geographic coordinates go to the cylindrical equal-area projection, where meridians and
    parallels are straight, so that pixels of any size are exact; all others to Lambert's azimuthal
    one round ``centre`` (1, 2), which knows neither poles nor a date line. (Snyder 1987, "Map
    projections: a working manual", chapters 10 and 24.)
    """
    axes = dict(zip("ab", ellipsoid, strict=True))
    if crs.is_geographic and not crs.is_derived:
        projection = pyproj.Proj({"proj": "cea", "over": True, **axes})  # over: no jump at 180
    else:
        ((longitude, latitude),) = geodetic(centre)
        projection = pyproj.Proj({"proj": "laea", "lat_0": latitude, "lon_0": longitude, **axes})
    return lambda coordinates: np.column_stack(projection(*geodetic(coordinates).T))


def _geocentric(lonlat: Coordinates, major: float, minor: float) -> NDArray[np.float64]:
    """Metres (n, 3) from the centre of the ellipsoid of ``lonlat`` (n, 2) in degrees; NaN for
    infinity. (EPSG guidance note 7-2, section "Geographic/Geocentric conversions".)"""
    with np.errstate(invalid="ignore"):
        sine, cosine = np.sin(np.radians(lonlat)), np.cos(np.radians(lonlat))
    squared = (minor / major) ** 2
    normal = major / np.sqrt(1 - (1 - squared) * sine[:, 1] ** 2)
    out = normal * cosine[:, 1]
    return np.column_stack([out * cosine[:, 0], out * sine[:, 0], squared * normal * sine[:, 1]])


def _summed(areas: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros((areas.shape[0], areas.shape[1] + 1))
    np.cumsum(areas, axis=1, out=sums[:, 1:])
    return sums


@compiled
def _accumulated(knots: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Sums from the left (h, width + 1) of what ``knots`` (h, n), evenly spread over the pixels of
    a row, give when joined by straight lines."""
    height, count = knots.shape
    sums = np.zeros((height, width + 1))
    step = (count - 1) / max(width - 1, 1)
    for row in range(height):
        total = 0.0
        for col in range(width):
            place = col * step
            knot = min(int(place), max(count - 2, 0))
            part = place - knot
            value = knots[row, knot]
            if part > 0.0:
                value += part * (knots[row, knot + 1] - value)
            total += value
            sums[row, col + 1] = total
    return sums


@compiled
def _lengths(
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    rows: NDArray[np.float64],
    cols: NDArray[np.float64],
    steps: NDArray[np.float64],
    straight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Lines are cut into pieces no longer than ``straight``, each measured with the ``steps``
    (rows, cols, 6) of its middle. Nothing is added beyond the first and last of ``rows``."""
    lengths = np.zeros(len(starts))
    across = (len(cols) - 1) / (cols[-1] - cols[0])
    down = (len(rows) - 1) / (rows[-1] - rows[0])
    for line in range(len(starts)):
        dx = ends[line, 0] - starts[line, 0]
        top = min(max(starts[line, 1], rows[0]), rows[-1])
        dy = min(max(ends[line, 1], rows[0]), rows[-1]) - top
        pieces = max(math.ceil(max(abs(dx) / straight[0], abs(dy) / straight[1])), 1)
        for piece in range(pieces):
            part = (piece + 0.5) / pieces
            x = (starts[line, 0] + part * dx - cols[0]) * across
            y = (top + part * dy - rows[0]) * down
            i = min(max(int(y), 0), len(rows) - 2)
            j = min(max(int(x), 0), len(cols) - 2)
            y, x = min(max(y - i, 0.0), 1.0), min(max(x - j, 0.0), 1.0)
            upper_left, upper_right = (1 - y) * (1 - x), (1 - y) * x
            lower_left, lower_right = y * (1 - x), y * x
            square = 0.0
            for k in range(3):
                metres = (
                    upper_left * (dx * steps[i, j, k] + dy * steps[i, j, k + 3])
                    + upper_right * (dx * steps[i, j + 1, k] + dy * steps[i, j + 1, k + 3])
                    + lower_left * (dx * steps[i + 1, j, k] + dy * steps[i + 1, j, k + 3])
                    + lower_right * (dx * steps[i + 1, j + 1, k] + dy * steps[i + 1, j + 1, k + 3])
                )
                square += metres * metres
            lengths[line] += math.sqrt(square) / pieces
    return lengths
