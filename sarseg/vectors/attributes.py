"""What is known of a polygon besides its shape: the name of its class and its area."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from sarseg.classes import LandCoverClass
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_crs, to_map
from sarseg.vectors.outlines import Outlines, split_edges

SQUARE_METRES_PER_HECTARE = 10_000.0

BATCH_CORNERS = 2_000_000
"""Pixel corners on the outlines whose areas are computed at once (about 0.3 GB)."""

Coordinates: TypeAlias = NDArray[np.float64]
"""(n, 2) array of x, y."""


def class_names(class_ids: Iterable[int], legend: Sequence[LandCoverClass]) -> dict[int, str]:
    """Names by id: the legend's where it has one, else ``class N``.

    Ids may exceed what sarseg's own maps hold, since maps of other origin are vectorised too.
    """
    known = {entry.id: entry.name for entry in legend}
    return {class_id: known.get(class_id, f"class {class_id}") for class_id in class_ids}


def areas_ha(outlines: Outlines, georeference: Georeference) -> NDArray[np.float64]:
    """Areas (N,) in hectares on the CRS's own ellipsoid; NaN where the CRS has no ellipsoid.

    ``outlines`` are (N,) polygons in pixel coordinates. Each gets a vertex at every pixel corner
    that it passes, and is measured in an equal-area projection of the ellipsoid. Its area is thus
    the sum of the areas of its pixels, whose edges bend too little between two corners to matter:
    1e-9 of the area where pixels are 1 km wide, 7e-7 where they are 25 km.
    """
    areas = np.full(len(outlines), np.nan)
    crs = map_crs(georeference)
    centre = np.array([[georeference.width / 2, georeference.height / 2]])
    project = None if crs is None else _equal_area(crs, to_map(centre, georeference))
    if project is None:
        return areas
    batch = np.cumsum(shapely.length(outlines)) // BATCH_CORNERS
    for rows in np.split(np.arange(len(outlines)), np.flatnonzero(np.diff(batch)) + 1):
        flat = shapely.transform(
            split_edges(outlines[rows], 1), lambda corners: project(to_map(corners, georeference))
        )
        areas[rows] = shapely.area(flat) / SQUARE_METRES_PER_HECTARE
    areas[~np.isfinite(areas)] = np.nan  # pixels beyond the edge of what the projection can show
    return areas


def _equal_area(
    crs: pyproj.CRS, centre: Coordinates
) -> Callable[[Coordinates], Coordinates] | None:
    """Projection of coordinates in ``crs`` to square metres that are true on its ellipsoid.

    Geographic coordinates go to the cylindrical equal-area projection, where meridians and
    parallels are straight, so that pixels of any size are exact; all others to Lambert's azimuthal
    one round ``centre`` (1, 2), which knows neither poles nor a date line. (Snyder 1987, "Map
    projections: a working manual", chapters 10 and 24.)
    """
    geodetic, ellipsoid = crs.geodetic_crs, crs.ellipsoid
    if geodetic is None or ellipsoid is None or crs.is_geocentric:
        return None
    to_geodetic = pyproj.Transformer.from_crs(crs, geodetic, always_xy=True)
    degrees = math.degrees(geodetic.axis_info[0].unit_conversion_factor)
    axes = {"a": ellipsoid.semi_major_metre, "b": ellipsoid.semi_minor_metre}

    def lonlat(coordinates: Coordinates) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        longitude, latitude = to_geodetic.transform(coordinates[:, 0], coordinates[:, 1])
        # Global grids often reach half a pixel beyond the poles.
        return longitude * degrees, np.clip(latitude * degrees, -90, 90)

    if crs.is_geographic and not crs.is_derived:
        projection = pyproj.Proj({"proj": "cea", "over": True, **axes})  # over: no jump at 180
    else:
        (longitude,), (latitude,) = lonlat(centre)
        projection = pyproj.Proj({"proj": "laea", "lat_0": latitude, "lon_0": longitude, **axes})
    return lambda coordinates: np.column_stack(projection(*lonlat(coordinates)))
