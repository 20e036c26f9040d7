"""From pixel coordinates to the map: one function for affine transforms, GCPs and neither."""

from collections.abc import Sequence

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.transform import GCPTransformer

from sarseg.scenes.georeference import Georeference
from sarseg.vectors.outlines import Outlines, split_edges

GCP_STEP = 16
"""Pixels between the vertices of a long edge that is placed by ground control points.

The polynomial bends straight edges. On a Sentinel-1 IW scene reduced to 1280 columns a chord of
16 pixels is 0.001 pixel off its curve, and less at full resolution.
"""


def to_map(corners: NDArray[np.float64], georeference: Georeference) -> NDArray[np.float64]:
    """Map coordinates (n, 2) of ``corners`` (n, 2): x, y of col, row.

    Columns and rows are counted in pixels from the upper left corner of the raster. Ground control
    points go through GDAL's polynomial transformer as GDAL itself uses it when no order is asked
    for: second order from six points on, first order for three to five. Without georeferencing
    the pixel coordinates are returned unchanged.
    """
    if georeference.transform is not None:
        a, b, c, d, e, f = tuple(georeference.transform)[:6]
        return np.asarray(corners @ np.array([[a, d], [b, e]]) + np.array([c, f]))
    if georeference.gcps:
        with GCPTransformer(list(georeference.gcps)) as transformer:
            x, y = transformer.xy(corners[:, 1], corners[:, 0], offset="ul")
        return np.column_stack([x, y])
    return corners


def place(outlines: Outlines, georeference: Georeference) -> Outlines:
    """Outlines in pixel coordinates as polygons on the map."""
    if georeference.transform is None and georeference.gcps:
        outlines = split_edges(outlines, GCP_STEP)
    return shapely.transform(outlines, lambda corners: to_map(corners, georeference))


def places_map(points: Sequence[GroundControlPoint]) -> bool:
    """True where control points fix a map: they are in line neither in the raster nor on it."""
    pixels = np.array([(point.col, point.row) for point in points])
    ground = np.array([(point.x, point.y) for point in points])
    return _spread_out(pixels) and _spread_out(ground)


def _spread_out(points: NDArray[np.float64]) -> bool:
    """True where ``points`` (n, 2) span a plane."""
    centred = points - points.mean(axis=0)
    return int(np.linalg.matrix_rank(centred / max(np.abs(centred).max(), 1e-300))) == 2


def map_crs(georeference: Georeference) -> pyproj.CRS | None:
    """CRS of the map coordinates: the raster's, else that of its ground control points."""
    crs = georeference.crs or georeference.gcp_crs
    return None if crs is None else pyproj.CRS.from_wkt(crs.to_wkt(version="WKT2_2019"))
