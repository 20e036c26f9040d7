"""Polygons in pixel coordinates to polygons on the map."""

from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import to_map
from sarseg.vectors.outlines import split_edges
from sarseg.vectors.regions import Polygons

BENT_STEP = 16
"""Columns, or rows, between the vertices of a long edge that is not straight on the map.

The polynomial of ground control points bends straight edges, as another CRS does. On a Sentinel-1
IW scene reduced to 1280 columns a chord of 16 pixels is 0.001 pixel off its curve, and less at full
resolution.
"""


def place(outlines: Polygons, georeference: Georeference, *, bent: bool = False) -> Polygons:
    """Polygons in pixel coordinates as polygons on the map; a valid coverage remains one.

    An affine transform moves the vertices alone. Ground control points bend straight lines, by a
    polynomial of ``ground.gcp_order``, so long edges get more vertices first; so they do where the
    coordinates are to be turned into another CRS, whose straight lines are others (``bent``).
    """
    if bent or (georeference.transform is None and georeference.gcps):
        outlines = split_edges(outlines, BENT_STEP)
    corners = to_map(outlines.corners, georeference)
    return Polygons(corners, outlines.rings, outlines.polygons)
