"""Outlines in pixel coordinates to polygons on the map."""

import shapely

from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import to_map
from sarseg.vectors.outlines import Outlines, split_edges

GCP_STEP = 16
"""Pixels between the vertices of a long edge that is placed by ground control points.

The polynomial bends straight edges. On a Sentinel-1 IW scene reduced to 1280 columns a chord of
16 pixels is 0.001 pixel off its curve, and less at full resolution.
"""


def place(outlines: Outlines, georeference: Georeference) -> Outlines:
    """Outlines in pixel coordinates as polygons on the map."""
    if georeference.transform is None and georeference.gcps:
        outlines = split_edges(outlines, GCP_STEP)
    return shapely.transform(outlines, lambda corners: to_map(corners, georeference))
