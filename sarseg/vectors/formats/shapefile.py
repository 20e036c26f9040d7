"""ESRI Shapefile: several files, short names, no nulls."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
from numpy.typing import NDArray

from sarseg.vectors.formats.features import Features, FeatureStream, record_batch
from sarseg.vectors.formats.ogr import write_layer
from sarseg.wording import counted

PARTS = (".shx", ".dbf", ".prj", ".cpg", ".sbn", ".sbx", ".qix")
"""What belongs to an .shp, sarseg's own files and indexes that other programs add."""

SHORT_NAMES = {
    "perimeter_m": "perim_m",
    "confidence_mean": "conf_mean",
    "confidence_min": "conf_min",
}
"""Names of at most ten characters for the fields that have longer ones."""

TEXT_BYTES = 254
"""Of a text in UTF-8 (dBase)."""

FILE_BYTES = 2**31 - 1
"""Of .shp and .dbf: more than 2 GB many programs do not read."""

_END_OF_TABLE = b"\x1a"
_TABLE_WIDTHS = {pa.int32(): 9, pa.int64(): 18, pa.float64(): 24}
_TEXT_WIDTH = 80  # which longer texts widen
_OPTIONS = {"DBF_DATE_LAST_UPDATE": "1970-01-01"}  # the same polygons make the same bytes


def write(
    stream: FeatureStream, path: Path, *, crs: pyproj.CRS | None, layer: str
) -> tuple[str, ...]:
    """Write ``stream`` to ``path`` and the parts beside it; the file names the layer."""
    made = path.with_suffix(".shp")  # GDAL makes no other case
    fitting = _Fitting()
    write_layer(
        stream,
        made,
        "ESRI Shapefile",
        crs=crs,
        layer=path.stem,
        layer_options=_OPTIONS,
        encode=fitting.encoded,
    )
    if not _is_whole(made):
        raise OSError("its end is missing; is there room on the disk?")
    made.rename(path)
    return tuple(fitting.notes(stream.empty.fields))


class _Fitting:
    """Makes features fit into a Shapefile, and remembers what did not."""

    def __init__(self) -> None:
        self._cut: set[str] = set()
        self._without_number: set[str] = set()
        self._shape_bytes = 100
        self._rows = 0
        self._text_width = _TEXT_WIDTH

    def encoded(self, features: Features) -> pa.RecordBatch:
        """``features`` with short names and texts. Raises OSError beyond 2 GB."""
        fields = {}
        for name, values in features.fields.items():
            if values.dtype == object:
                values = self._cut_texts(values)
            elif values.dtype.kind == "f" and np.isnan(values).any():
                self._without_number.add(name)
            fields[SHORT_NAMES.get(name, name)] = values
        batch = record_batch(replace(features, fields=fields))
        self._count(features, batch.schema)
        return batch

    def _cut_texts(self, texts: NDArray[Any]) -> NDArray[Any]:
        fitting = {text: text.encode()[:TEXT_BYTES].decode(errors="ignore") for text in set(texts)}
        self._cut |= {text for text, cut in fitting.items() if cut != text}
        self._text_width = max([self._text_width, *(len(cut.encode()) for cut in fitting.values())])
        return np.array([fitting[text] for text in texts], object)

    def _count(self, features: Features, schema: pa.Schema) -> None:
        """Sizes of the files so far (ESRI Shapefile Technical Description, July 1998)."""
        rings, corners = len(features.polygons.rings) - 1, len(features.polygons.corners)
        self._shape_bytes += 52 * len(features) + 4 * rings + 16 * corners
        self._rows += len(features)
        width = 1 + sum(_TABLE_WIDTHS.get(kind, self._text_width) for kind in schema.types[:-1])
        if max(self._shape_bytes, self._rows * width) > FILE_BYTES:
            raise OSError(
                "a Shapefile holds at most 2 GB, and these polygons need more; write .gpkg instead"
            )

    def notes(self, fields: Iterable[str]) -> Iterator[str]:
        """Sentences on what the file does not hold of ``fields`` as it came."""
        renamed = [f"{SHORT_NAMES[name]} ({name})" for name in fields if name in SHORT_NAMES]
        if renamed:
            yield (
                "A Shapefile's field names have at most 10 characters: it holds "
                f"{', '.join(renamed)}."
            )
        if self._cut:
            yield (
                f"A Shapefile's texts have at most {TEXT_BYTES} bytes: "
                f"{counted(len(self._cut), 'class name')} had to be cut."
            )
        if self._without_number:
            yield (
                f"Not known everywhere: {', '.join(sorted(self._without_number))}; many programs "
                "read 0 there from a Shapefile."
            )


def _is_whole(path: Path) -> bool:
    """False where one of the files is shorter than its header says, as on a full disk."""
    for part in (path, path.with_suffix(".shx")):
        header = part.read_bytes()[:100] if part.exists() else b""
        if len(header) < 100 or part.stat().st_size != 2 * int.from_bytes(header[24:28], "big"):
            return False
    table = path.with_suffix(".dbf")
    rows, start, length = struct.unpack("<4xIHH", table.read_bytes()[:12])
    return bool(start and table.stat().st_size == start + rows * length + len(_END_OF_TABLE))
