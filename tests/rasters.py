"""Rasters and scenes for tests."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning


def write_raster(
    path: Path,
    values: NDArray[Any],
    *,
    descriptions: Sequence[str] = (),
    tags: dict[str, str] | None = None,
    **profile: Any,
) -> Path:
    """Write ``values`` (h, w) or (C, h, w) as a GeoTIFF."""
    layers = values[None] if values.ndim == 2 else values
    count, height, width = layers.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", "GTiff", width, height, count, dtype=layers.dtype, **profile
        ) as dataset:
            # Before the pixels, so that a truncated copy of the file can still be opened.
            dataset.update_tags(**(tags or {}))
            for number, description in enumerate(descriptions, start=1):
                dataset.set_band_description(number, description)
            dataset.write(layers)
    return path


def speckle(*shape: int, seed: int = 0, mean: float = 0.1) -> NDArray[np.float32]:
    """Intensity of single-look speckle: exponentially distributed."""
    return np.random.default_rng(seed).exponential(mean, shape).astype(np.float32)


def hidden_files(folder: Path) -> list[str]:
    """Names of temporary files that a writer has left behind."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]
