"""Vector files for tests."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas


def write_features(path: Path, shapes: Sequence[Any], crs: object = None, **options: Any) -> Path:
    """Write ``shapes`` as features without attributes, in the format that the suffix names."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        geopandas.GeoDataFrame(geometry=list(shapes), crs=crs).to_file(path, **options)
    return path
