"""Polygons on the way to a file: batches of shapes and fields, as Arrow has them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

GEOMETRY = "geometry"

BATCH_FEATURES = 8192
"""Features that are turned into bytes at once, however many come in a batch."""


@dataclass(frozen=True)
class Features:
    """Polygons on the map with what is known of them; N rows.

    ``geometries`` (N,) are shapely polygons or multipolygons in the map's CRS, ``fields`` map names
    to (N,) arrays: numbers, where NaN stands for null, or objects that are strings.
    """

    geometries: NDArray[Any]
    fields: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.geometries)

    def __getitem__(self, rows: slice) -> "Features":
        fields = {name: values[rows] for name, values in self.fields.items()}
        return Features(self.geometries[rows], fields)


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
                yield (
                    Features(_multipolygons(part.geometries), part.fields) if self._multi else part
                )

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
    wkb = shapely.to_wkb(features.geometries, flavor="iso")
    arrays[GEOMETRY] = pa.array(wkb, pa.large_binary())  # large: a batch may exceed 2 GB
    return pa.record_batch(arrays)


def _multipolygons(geometries: NDArray[Any]) -> NDArray[Any]:
    parts, rows = shapely.get_parts(geometries, return_index=True)
    return np.asarray(shapely.multipolygons(parts, indices=rows))
