"""Quick-looks of scenes: backscatter in decibels, reduced and grey."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sarseg.scenes.auxiliary import is_auxiliary
from sarseg.scenes.radiometry import to_db, to_intensity
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window, strips_of

_STRETCH = (2.0, 98.0)  # percentiles that become black and white


def shown_band(scene: Scene) -> int:
    """The first band of backscatter."""
    return next(index for index, name in enumerate(scene.bands) if not is_auxiliary(name))


def mean_intensity(scene: Scene, window: Window, step: int) -> NDArray[np.float64]:
    """Means (h, w) of the intensity of ``shown_band`` over squares of ``step`` pixels of
    ``window``, smaller ones at its right and lower edge; NaN where no pixel is valid.

    Reads strip by strip. Raises InputError where a file cannot be read.
    """
    band = shown_band(scene)
    shape = -(-window.height // step), -(-window.width // step)
    sums, counts = np.zeros(shape), np.zeros(shape)
    starts = np.arange(0, window.width, step)
    for strip in strips_of(window.height, window.width, step):
        values, valid = scene.read(
            Window(window.row + strip.row, window.col + strip.col, strip.height, strip.width),
            [band],
        )
        valid &= np.isfinite(values[0])
        intensity = np.where(valid, to_intensity(values[0], scene.unit), 0)
        squares = np.arange(strip.row, strip.row_end) // step
        for totals, each in ((sums, intensity), (counts, valid)):
            across = np.add.reduceat(each, starts, axis=1, dtype=np.float64)
            np.add.at(totals, squares, across)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / counts)


def grey(intensity: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Decibels of ``intensity`` (h, w) from black to white, 0..255, between their percentiles 2 and
    98; and where they mean something, that is where there is power."""
    known = np.isfinite(intensity) & (intensity > 0)
    decibels = to_db(np.where(known, intensity, 0).astype(np.float32))
    low, high = np.percentile(decibels[known], _STRETCH) if known.any() else (0.0, 1.0)
    shades = 255 * np.clip((decibels - low) / max(high - low, 1e-6), 0, 1)
    return np.where(known, shades, 0).astype(np.uint8), known
