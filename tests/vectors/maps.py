"""Class rasters for the tests, as real files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

UTM = {"crs": "EPSG:32631", "transform": from_origin(620048.25, 4830114.5, 20, 20)}
DEGREES = {"crs": "EPSG:4326", "transform": from_origin(73.292, 30.4758, 1.02e-4, 8.83e-5)}
POLAR = {"crs": "EPSG:3413", "transform": from_origin(-801_000, -1_002_000, 1000, 1000)}


def write_map(
    path: Path,
    classes: NDArray[Any],
    *,
    nodata: int | None = 255,
    names: Mapping[int, str] | None = None,
    **profile: Any,
) -> Path:
    """Write ``classes`` (rows, cols) as band 1 of a GeoTIFF, with names as sarseg's maps have."""
    height, width = classes.shape
    profile |= {"height": height, "width": width, "count": 1, "dtype": classes.dtype}
    with rasterio.open(path, "w", driver="GTiff", nodata=nodata, **profile) as dataset:
        dataset.write(classes, 1)
        dataset.update_tags(1, **{f"CLASS_{key}": name for key, name in (names or {}).items()})
    return path


def blocky(height: int, width: int, *, seed: int = 0, classes: int = 4) -> NDArray[np.uint8]:
    """A map of blocks of 5 x 5 pixels with single pixels of other classes strewn over it."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, classes, (height // 5 + 1, width // 5 + 1), np.uint8)
    image = np.kron(blocks, np.ones((5, 5), np.uint8))[:height, :width]
    strewn = rng.integers(0, classes, (height, width), np.uint8)
    return np.where(rng.random((height, width)) < 0.1, strewn, image)
