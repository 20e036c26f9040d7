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


class PixelSize:
    """Areas in square metres, and lengths in metres, of what lies in a raster.

    The area of a pixel is that of the quadrilateral of its corners in an equal-area projection,
    whose edges bend too little between two corners to matter: 1e-9 of the area where pixels are
    1 km wide, 7e-7 where they are 25 km.
    """

    def __init__(
        self,
        georeference: Georeference,
        flat: Callable[[Coordinates], Coordinates],
        geodetic: Callable[[Coordinates], Coordinates],
        ellipsoid: tuple[float, float],
    ) -> None:
        self._georeference, self._flat = georeference, flat
        self._geodetic, self._ellipsoid = geodetic, ellipsoid
        self._rows, self._cols = _knots(georeference.height), _knots(georeference.width)
        rows = _with_ends(self._rows)
        areas = self._measure(_grid(rows, self._cols)).reshape(len(rows), -1)
        self._area = (
            RectBivariateSpline(rows, self._cols, areas) if np.isfinite(areas).all() else None
        )
        metric = self._metres(_grid(self._rows, self._cols) + 0.5)
        self._metric = metric.reshape(len(self._rows), -1, 3)

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
        return cls(georeference, flat, geodetic, axes)

    @property
    def everywhere(self) -> bool:
        """False where pixels lie beyond what the CRS can show, and have no size."""
        return self._area is not None

    def areas(self, first: int, end: int) -> NDArray[np.float64]:
        """Areas of rows ``[first, end)`` (end - first, width + 1), summed up from the left: columns
        ``[a, b)`` of a row have the difference of entries ``b`` and ``a``. NaN from where pixels
        lie beyond what the CRS can show."""
        width = self._georeference.width
        if self._area is None:
            each = self._measure(_grid(np.arange(first, end), np.arange(width)))
            return _summed(each.reshape(end - first, width))
        cols = np.linspace(0, width - 1, min(width, _COLUMNS))
        return _accumulated(self._area(np.arange(first, end), cols), width)

    def lengths(self, starts: Coordinates, ends: Coordinates) -> NDArray[np.float64]:
        """Metres (n,) along straight lines between pixel coordinates (n, 2).

        Measured with the size that pixels have in the middle of each line; NaN beyond what the CRS
        can show.
        """
        return _lengths(starts, ends, self._rows + 0.5, self._cols + 0.5, self._metric)

    def at_centre(self) -> tuple[float, float]:
        """Width and height in metres of the pixel at the centre of the raster."""
        middle = np.array([[self._georeference.width / 2, self._georeference.height / 2]])
        ((across, _, down),) = self._metres(middle)
        return math.sqrt(across), math.sqrt(down)

    def _measure(self, corners: Coordinates) -> NDArray[np.float64]:
        """Areas (n,) of the pixels whose upper left ``corners`` (n, 2) are given."""
        around = corners[:, None] + [[0, 0], [1, 0], [1, 1], [0, 1]]
        placed = self._flat(to_map(around.reshape(-1, 2), self._georeference))
        x, y = placed.reshape(-1, 4, 2).transpose(2, 1, 0)
        with np.errstate(invalid="ignore"):  # half the cross product of the diagonals
            areas = np.abs((x[2] - x[0]) * (y[3] - y[1]) - (x[3] - x[1]) * (y[2] - y[0])) / 2
        return np.where(np.isfinite(areas), areas, np.nan)

    def _metres(self, points: Coordinates) -> NDArray[np.float64]:
        """What lengths in pixels (n, 3) are in square metres round ``points`` (n, 2): of a step to
        the right, the product of both steps, of a step down."""
        steps = np.array([[-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5], [0, 0]])
        placed = to_map((points[:, None] + steps).reshape(-1, 2), self._georeference)
        left, right, top, bottom, middle = self._geodetic(placed).reshape(-1, 5, 2).swapaxes(0, 1)
        with np.errstate(invalid="ignore"):
            across = _east_north(right - left, middle[:, 1], *self._ellipsoid)
            down = _east_north(bottom - top, middle[:, 1], *self._ellipsoid)
            found = np.stack(
                [(across**2).sum(axis=1), (across * down).sum(axis=1), (down**2).sum(axis=1)], 1
            )
        return np.where(np.isfinite(found), found, np.nan)


def _knots(length: int) -> NDArray[np.float64]:
    """Pixels that are measured; splines want four, so of fewer some lie beyond the raster."""
    return np.linspace(0, max(length - 1, 3), min(max(length, 4), _KNOTS))


def _with_ends(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """``rows`` and all of the first and last. Global grids that reach half a pixel beyond the poles
    have halves of pixels there, which a spline would mix up with those beside."""
    last = int(rows[-1])
    ends = np.arange(min(_ENDS, last + 1))
    return np.unique(np.concatenate([rows, ends, last - ends]))


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


def _east_north(
    steps: Coordinates, latitude: NDArray[np.float64], major: float, minor: float
) -> Coordinates:
    """Metres (n, 2) to the east and north of ``steps`` (n, 2) in degrees of longitude and latitude,
    by the radii of curvature (Snyder 1987, equations 4-18 to 4-20)."""
    flattening = 1 - (minor / major) ** 2
    sine, cosine = np.sin(np.radians(latitude)), np.cos(np.radians(latitude))
    normal = major / np.sqrt(1 - flattening * sine**2)
    meridional = major * (1 - flattening) / (1 - flattening * sine**2) ** 1.5
    turned = (steps[:, 0] + 180) % 360 - 180  # across the date line
    return np.column_stack(
        [np.radians(turned) * normal * cosine, np.radians(steps[:, 1]) * meridional]
    )


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
    metric: NDArray[np.float64],
) -> NDArray[np.float64]:
    lengths = np.empty(len(starts))
    down = (len(rows) - 1) / (rows[-1] - rows[0])
    across = (len(cols) - 1) / (cols[-1] - cols[0])
    for line in range(len(starts)):
        dx = ends[line, 0] - starts[line, 0]
        dy = ends[line, 1] - starts[line, 1]
        y = ((starts[line, 1] + ends[line, 1]) / 2 - rows[0]) * down
        x = ((starts[line, 0] + ends[line, 0]) / 2 - cols[0]) * across
        i = min(max(int(y), 0), len(rows) - 2)
        j = min(max(int(x), 0), len(cols) - 2)
        y, x = min(max(y - i, 0.0), 1.0), min(max(x - j, 0.0), 1.0)
        square = 0.0
        for k, factor in enumerate((dx * dx, 2 * dx * dy, dy * dy)):
            upper = metric[i, j, k] * (1 - x) + metric[i, j + 1, k] * x
            lower = metric[i + 1, j, k] * (1 - x) + metric[i + 1, j + 1, k] * x
            square += factor * (upper * (1 - y) + lower * y)
        lengths[line] = math.sqrt(max(square, 0.0)) if square == square else math.nan
    return lengths
