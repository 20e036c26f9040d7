"""Simplifying borders between polygons, alike for both neighbours."""

import numpy as np
import shapely

from sarseg.vectors.regions import Geometries


def simplified(geometries: Geometries, tolerance: float) -> Geometries:
    """All polygons of a map, with the least vertices of the borders between them left out.

    ``geometries`` (N,) are a valid coverage in pixel coordinates, ``tolerance`` is in pixels. A
    vertex goes when the triangle that it makes with its neighbours along the border is no larger
    than the tolerance squared, the smallest first (Visvalingam and Whyatt 1993, "Line
    generalisation by repeated elimination of points", as GEOS does for coverages). Since areas are
    what counts, pixels need not be square: a tolerance in metres is divided by the square root of a
    pixel's area.

    No vertex moves, so shared ones stay equal bit by bit. Points where three or more polygons meet,
    the border of the raster and that beside pixels without a class stay, and so does the total
    area. Every polygon stays one: a triangle at least. Their order decides nothing.
    """
    # of triangles of one size GEOS takes that of the first polygon: their order has to be settled
    starts = shapely.get_coordinates(shapely.get_point(shapely.get_exterior_ring(geometries), 0))
    order = np.lexsort(starts.T)
    fewer = np.empty_like(geometries)
    fewer[order] = shapely.coverage_simplify(geometries[order], tolerance, simplify_boundary=False)
    # GEOS turns some rings round. Rows count downwards, so on the map shells end counter-clockwise.
    return shapely.orient_polygons(fewer, exterior_cw=True)
