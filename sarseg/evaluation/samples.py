"""Points whose class somebody looked up: what the map says there, and how large it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import GeometryType

from sarseg.classes import NODATA, LandCoverClass
from sarseg.errors import InputError
from sarseg.evaluation.tally import JudgedRows
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.grid import Grid
from sarseg.scenes.pixel_size import SQUARE_METRES_PER_HECTARE, PixelSize
from sarseg.scenes.shapes import read_attributed_shapes


@dataclass(frozen=True)
class ReferenceSamples:
    """N points on a grid: ``rows`` and ``cols`` of their pixels, ``classes`` their class indices.

    ``outside`` counts the points near the grid that lie on none of its pixels.
    """

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    classes: NDArray[np.int64]
    outside: int


def read_samples(
    path: Path, grid: Grid, classes: Sequence[LandCoverClass], attribute: str
) -> ReferenceSamples:
    """The points of the vector file ``path`` on ``grid``; ``attribute`` holds the name of one of
    ``classes``, or its id.

    Raises InputError where the file cannot be used, holds other shapes than points or other
    classes, or no point on the grid.
    """
    found = read_attributed_shapes(
        path, grid.georeference, grid.name, attribute, "--samples-attribute"
    )
    parts = [shapely.get_parts(shape) for shape in found.shapes]
    if any(len(p) != 1 or shapely.get_type_id(p[0]) != GeometryType.POINT for p in parts):
        raise InputError(
            f"{path} holds other shapes than single points; a reference sample is a point."
        )
    places = shapely.get_coordinates(found.shapes)
    cols, rows = np.floor(places).astype(np.int64).T.reshape(2, -1)
    height, width = grid.georeference.height, grid.georeference.width
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    if not inside.any():
        raise InputError(
            f"No point of {path} lies on {grid.name}; check which place, and which CRS, they are "
            "for."
        )
    indices = np.array(
        [
            _index_of(value, classes, path, attribute)
            for value, there in zip(found.values, inside, strict=True)
            if there
        ],
        np.int64,
    )
    return ReferenceSamples(rows[inside], cols[inside], indices, int((~inside).sum()))


class SampledMap:
    """What a map of K classes shows at samples, and how much of it each class covers.

    ``counts`` (K, K) are samples by class of the map and class of the reference; ``unmapped``
    counts those where the map has no class. ``mapped`` (K,) is what each class covers: in
    hectares on the ellipsoid, or in pixels where there is no CRS (``in_hectares`` is False).
    """

    def __init__(
        self, samples: ReferenceSamples, num_classes: int, georeference: Georeference
    ) -> None:
        self.counts = np.zeros((num_classes, num_classes), np.int64)
        self.unmapped = 0
        self.mapped = np.zeros(num_classes)
        self._samples = samples
        size = PixelSize.of(georeference)
        self._size = size if size is not None and size.everywhere else None
        self.in_hectares = self._size is not None

    def add_rows(self, rows: JudgedRows) -> None:
        """Look at the next rows."""
        height, num_classes = len(rows.mapped), len(self.mapped)
        areas = None
        if self._size is not None:
            sums = self._size.areas(rows.row, rows.row + height)
            areas = np.diff(sums, axis=1).ravel() / SQUARE_METRES_PER_HECTARE
        self.mapped += np.bincount(rows.mapped.ravel(), areas, NODATA + 1)[:num_classes]
        samples = self._samples
        here = (samples.rows >= rows.row) & (samples.rows < rows.row + height)
        shown = rows.mapped[samples.rows[here] - rows.row, samples.cols[here]].astype(np.int64)
        known = shown != NODATA
        np.add.at(self.counts, (shown[known], samples.classes[here][known]), 1)
        self.unmapped += int((~known).sum())


def _index_of(
    value: str | None, classes: Sequence[LandCoverClass], path: Path, attribute: str
) -> int:
    for index, entry in enumerate(classes):
        if value is not None and value.casefold() in (entry.name.casefold(), str(entry.id)):
            return index
    known = ", ".join(f"{entry.id} {entry.name}" for entry in classes)
    told = "null" if value is None else repr(value)
    raise InputError(
        f"A sample in {path} has {told} as its {attribute}, which is no class of the map; it has: "
        f"{known}. Give each sample one of them, or name another attribute by --samples-attribute."
    )
