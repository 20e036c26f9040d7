"""Land-cover maps with confidence, as files."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.transform import from_origin

from tests.rasters import write_raster

UTM = {"crs": "EPSG:32631", "transform": from_origin(620_000, 4_830_000, 20, 20)}
NAMES = {1: "water", 2: "woodland", 5: "built-up"}
COLOURS = {1: (0, 0, 255), 2: (0, 128, 0), 5: (255, 0, 0)}


def _points(cols: NDArray[Any], rows: NDArray[Any]) -> list[GroundControlPoint]:
    return [
        GroundControlPoint(row=row, col=col, x=10 + 1e-4 * col, y=50 - 1e-4 * row)
        for col, row in zip(cols.tolist(), rows.tolist(), strict=True)
    ]


_TURN = np.linspace(0, 2 * np.pi, 6, endpoint=False)
UNPLACED = {
    "its 4 ground control points lie on one line or spot": {
        "gcps": _points(np.arange(0, 40, 10), np.arange(0, 40, 10)),
        "crs": "EPSG:4326",
    },
    "no polynomial leads through its 6 ground control points": {
        "gcps": _points(20 + 15 * np.cos(_TURN), 20 + 15 * np.sin(_TURN)),
        "crs": "EPSG:4326",
    },
}
"""Keywords of maps whose control points tell no place, by the reason."""
BEYOND = {
    "crs": "+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84",
    "transform": from_origin(-5_600_000, 5_600_000, 224_000, 224_000),
}
"""A full disk of the earth in 50 x 50 pixels: those in the corners see none of it."""


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
