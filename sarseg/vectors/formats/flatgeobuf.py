"""FlatGeobuf: one layer with a packed spatial index, to be read in parts over HTTP."""

from pathlib import Path

import pyogrio
import pyproj

from sarseg.vectors.formats.features import FeatureStream
from sarseg.vectors.formats.ogr import write_layer


def write(
    stream: FeatureStream, path: Path, *, crs: pyproj.CRS | None, layer: str
) -> tuple[str, ...]:
    """Write ``stream`` to ``path``; the features are in the order of their index."""
    write_layer(stream, path, "FlatGeobuf", crs=crs, layer=layer)
    if not _is_whole(path, stream.written):
        raise OSError("its end is missing; is there room on the disk?")
    return ()


def _is_whole(path: Path, features: int) -> bool:
    """False where the last feature is missing, as on a full disk; GDAL does not report that."""
    try:
        last = pyogrio.read_arrow(path, skip_features=max(features - 1, 0))[1]
    except RuntimeError:
        return False
    return bool(last.num_rows == min(features, 1))
