"""GeoParquet 1.1: WKB in a Parquet file, with the bounds of every feature to search by."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
from pyarrow import parquet

from sarseg.vectors.formats.features import GEOMETRY, Features, FeatureStream, record_batch

ROW_GROUP = 65_536
"""Features that are compressed together; a reader skips groups by their bounds."""

_SIDES = ("xmin", "ymin", "xmax", "ymax")


def write(
    stream: FeatureStream, path: Path, *, crs: pyproj.CRS | None, layer: str
) -> tuple[str, ...]:
    """Write ``stream`` to ``path``; Parquet has no layers to name."""
    schema = _encoded(stream.empty).schema
    lower, upper = np.full(2, np.inf), np.full(2, -np.inf)
    with parquet.ParquetWriter(path, schema, compression="zstd") as file:
        group: list[pa.RecordBatch] = []
        for features in stream:
            bounds = features.bounds()
            lower = np.minimum(lower, bounds[:, :2].min(0))
            upper = np.maximum(upper, bounds[:, 2:].max(0))
            group.append(_encoded(features))
            if sum(map(len, group)) >= ROW_GROUP:
                file.write_table(pa.Table.from_batches(group))
                group = []
        if group:
            file.write_table(pa.Table.from_batches(group))
        description = _description(stream.geometry_type, crs, [*lower, *upper])
        file.add_key_value_metadata({"geo": json.dumps(description)})
    return ()


def _encoded(features: Features) -> pa.RecordBatch:
    bounds = features.bounds().T
    covering = pa.StructArray.from_arrays([pa.array(side) for side in bounds], _SIDES)
    return record_batch(features).append_column("bbox", covering)


def _description(
    geometry_type: str, crs: pyproj.CRS | None, bounds: Sequence[float]
) -> dict[str, Any]:
    """The metadata ``geo`` (https://geoparquet.org/releases/v1.1.0, "File metadata")."""
    geometry: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [geometry_type],
        "crs": crs and crs.to_json_dict(),  # null: unknown; left out it would mean WGS 84
        "covering": {"bbox": {side: ["bbox", side] for side in _SIDES}},
    }
    if np.isfinite(bounds).all():  # infinite: there is no feature
        geometry["bbox"] = list(bounds)
    return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: geometry}}
