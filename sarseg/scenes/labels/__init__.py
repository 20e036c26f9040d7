"""Land-cover classes of a scene's pixels, from a raster or from polygons."""

from collections.abc import Sequence
from pathlib import Path

from sarseg.errors import UsageError
from sarseg.scenes.grid import Grid
from sarseg.scenes.labels.base import Labels
from sarseg.scenes.labels.polygons import LabelPolygons
from sarseg.scenes.labels.raster import LabelRaster
from sarseg.scenes.labels.table import read_class_names, read_class_table
from sarseg.scenes.shapes import holds_shapes

__all__ = ["LabelPolygons", "LabelRaster", "Labels", "open_labels", "read_class_names"]


def open_labels(
    path: Path,
    scene: Grid,
    *,
    ignore: Sequence[int | str] = (),
    classes: Path | None = None,
    attribute: str | None = None,
) -> Labels:
    """Open the labels in ``path``, a raster or a vector file, on the pixels of ``scene``.

    ``ignore`` are values that mean unlabelled; ``classes`` is a table (``read_class_table``);
    ``attribute`` says what a polygon is. See ``LabelRaster`` and ``LabelPolygons``.

    Raises InputError where a file cannot be used, UsageError where an option does not suit it.
    """
    table = None if classes is None else read_class_table(classes)
    if holds_shapes(path):
        return LabelPolygons(path, scene, ignore=ignore, table=table, attribute=attribute)
    if attribute is not None:
        raise UsageError(
            f"--label-attribute is for polygons, and {path} is no vector file: leave it out."
        )
    return LabelRaster(path, scene, ignore=ignore, table=table)
