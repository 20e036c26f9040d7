"""Polygons on the way to a file: batches of shapes and fields, as Arrow has them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sarseg.vectors.formats.wkb import well_known_binary
from sarseg.vectors.regions import Polygons

GEOMETRY = "geometry"

BATCH_FEATURES = 8192
"""Features that are turned into bytes at once, however many come in a batch."""


@dataclass(frozen=True)
class Features:
    """Polygons on the map with what is known of them; N rows.

    ``polygons`` are in the map's CRS. Where ``parts`` (N + 1,) says where those of each row begin,
    rows are multipolygons; else each is one polygon. ``fields`` map names to (N,) arrays: numbers,
    where NaN stands for null, or objects that are strings.
    """

    polygons: Polygons
    fields: Mapping[str, NDArray[Any]]
    parts: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.polygons) if self.parts is None else len(self.parts) - 1

    def __getitem__(self, rows: slice) -> "Features":
        fields = {name: values[rows] for name, values in self.fields.items()}
        if self.parts is None:
            return Features(self.polygons[rows], fields)
        first, end, _ = rows.indices(len(self))
        parts = self.parts[first : max(first, end) + 1]
        return Features(self.polygons[parts[0] : parts[-1]], fields, parts - parts[0])

    def multi(self) -> "Features":
        """The same as multipolygons."""
        parts = np.arange(len(self) + 1) if self.parts is None else self.parts
        return Features(self.polygons, self.fields, parts)

    def bounds(self) -> NDArray[np.float64]:
        """Least x and y, largest x and y (N, 4)."""
        first = self.polygons.polygons[:-1]
        if self.parts is not None:
            first = first[self.parts[:-1]]
        corners, starts = self.polygons.corners, self.polygons.rings[first]
        if not len(self):
            return np.empty((0, 4))
        return np.hstack(
            [np.minimum.reduceat(corners, starts), np.maximum.reduceat(corners, starts)]
        )


class FeatureStream:
    """Batches of features to go through once, none above ``BATCH_FEATURES``.

    ``batches`` are one or more, of which all have the fields of the first; with ``multi`` every
    geometry becomes a multipolygon. ``empty`` has the fields and no feature; ``written`` counts the
    features that have been taken, ``failure`` is what ``batches`` raised.
    """

    def __init__(self, batches: Iterable[Features], multi: bool) -> None:
        iterator = iter(batches)
        first = next(iterator)
        self._batches = chain([first], iterator)
        self._multi = multi
        self.geometry_type = "MultiPolygon" if multi else "Polygon"
        self.empty = first[:0]
        self.written = 0
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[Features]:
        for batch in self._taken():
            for start in range(0, len(batch), BATCH_FEATURES):
                part = batch[start : start + BATCH_FEATURES]
                self.written += len(part)
                yield part.multi() if self._multi else part

    def _taken(self) -> Iterator[Features]:
        try:
            yield from self._batches
        except BaseException as failure:
            self.failure = failure
            raise


def record_batch(features: Features) -> pa.RecordBatch:
    """The fields and, as ISO WKB in the last column, the geometries; NaN is null."""
    arrays = {name: pa.array(values, from_pandas=True) for name, values in features.fields.items()}
    for name, values in features.fields.items():
        if values.dtype == object:
            arrays[name] = pa.array(values, pa.string(), from_pandas=True)
    arrays[GEOMETRY] = well_known_binary(features.polygons, features.parts)
    return pa.record_batch(arrays)
