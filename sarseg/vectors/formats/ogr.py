"""Features through GDAL's vector drivers."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyogrio
import pyproj

from sarseg.vectors.formats.features import (
    GEOMETRY,
    Features,
    FeatureStream,
    record_batch,
)

NO_OPTIONS: Mapping[str, str] = {}


def write_layer(
    stream: FeatureStream,
    path: Path,
    driver: str,
    *,
    crs: pyproj.CRS | None,
    layer: str,
    dataset_options: Mapping[str, str] = NO_OPTIONS,
    layer_options: Mapping[str, str] = NO_OPTIONS,
    encode: Callable[[Features], pa.RecordBatch] = record_batch,
) -> None:
    """Write ``stream`` as ``layer`` of ``path``, batch by batch; other layers in ``path`` stay.

    ``encode`` makes the records that are written. What making them raises is raised here again.
    Raises RuntimeError where GDAL fails.
    """
    failures: list[BaseException] = []

    def batches() -> Iterator[pa.RecordBatch]:
        # GDAL asks for the batches from within C, where an exception could not pass.
        try:
            yield from map(encode, stream)
        except BaseException as failure:
            failures.append(failure)

    reader = pa.RecordBatchReader.from_batches(encode(stream.empty).schema, batches())
    try:
        _write(
            reader, path, driver, stream.geometry_type, crs, layer, dataset_options, layer_options
        )
    finally:
        if failures:
            raise failures[0]


def to_bytes(
    features: Features,
    driver: str,
    geometry_type: str,
    *,
    crs: pyproj.CRS | None,
    layer: str,
    layer_options: Mapping[str, str] = NO_OPTIONS,
) -> bytes:
    """The file that ``driver`` makes of ``features``. Raises RuntimeError."""
    file = BytesIO()
    batch = record_batch(features)
    reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
    _write(reader, file, driver, geometry_type, crs, layer, NO_OPTIONS, layer_options)
    return file.getvalue()


def _write(
    reader: pa.RecordBatchReader,
    target: Path | BytesIO,
    driver: str,
    geometry_type: str,
    crs: pyproj.CRS | None,
    layer: str,
    dataset_options: Mapping[str, str],
    layer_options: Mapping[str, str],
) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        pyogrio.write_arrow(
            reader,
            target,
            layer=layer,
            driver=driver,
            geometry_name=GEOMETRY,
            geometry_type=geometry_type,
            crs=crs and crs.to_wkt(),
            encoding="UTF-8",
            dataset_options=dict(dataset_options),
            layer_options=dict(layer_options),
        )
