"""Land-cover maps with confidence, as files."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

from tests.rasters import write_raster

UTM = {"crs": "EPSG:32631", "transform": from_origin(620_000, 4_830_000, 20, 20)}
NAMES = {1: "water", 2: "woodland", 5: "built-up"}
COLOURS = {1: (0, 0, 255), 2: (0, 128, 0), 5: (255, 0, 0)}


def random_map(height: int, width: int, *, seed: int = 0) -> tuple[NDArray[np.uint8], ...]:
    """Classes, some of them nodata, and their confidence (height, width each)."""
    rng = np.random.default_rng(seed)
    classes = rng.choice(
        np.array([1, 2, 5, 255], np.uint8), (height, width), p=[0.5, 0.3, 0.1, 0.1]
    )
    confidence = rng.integers(0, 101, (height, width)).astype(np.uint8)
    return classes, np.where(classes == 255, np.uint8(255), confidence)


def write_landcover(
    path: Path,
    classes: NDArray[Any],
    confidence: NDArray[np.uint8] | None = None,
    *,
    names: dict[int, str] = NAMES,
    nodata: int | None = 255,
    **more: Any,
) -> Path:
    """A map as sarseg writes it: names as tags of the band, colours as its table."""
    bands = classes[None] if confidence is None else np.stack([classes, confidence])
    descriptions = ["class", "confidence"][: len(bands)]
    write_raster(path, bands, descriptions=descriptions, nodata=nodata, **more)
    with rasterio.open(path, "r+") as opened:
        opened.update_tags(1, **{f"CLASS_{key}": name for key, name in names.items()})
        opened.write_colormap(1, COLOURS)
    return path
