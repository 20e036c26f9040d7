"""What a sensor makes of a reflectivity: incidence, speckle, noise, and what is done about it."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sarseg.datasets.synthetic.noise import smooth_field

Floats = NDArray[np.float32]


def trend_db(size: int, channels: int, rng: np.random.Generator) -> Floats:
    """Slow change over a patch ``(C, size, size)`` in dB: incidence in one direction, moisture."""
    rows, cols = np.mgrid[:size, :size].astype(np.float32) / np.float32(size)
    angle = rng.uniform(0.0, 2.0 * np.pi)
    slope = rng.normal(0.0, 1.2) * (np.cos(angle) * cols + np.sin(angle) * rows)
    moisture = rng.uniform(0.0, 0.6) * smooth_field((size, size), 0.1 * size, rng)
    share = rng.uniform(0.8, 1.2, (channels, 1, 1))
    return np.asarray(share * (slope + moisture), np.float32)


def observed(reflectivity_db: Floats, rng: np.random.Generator) -> tuple[Floats, float]:
    """An image in dB, ``(C, H, W)`` like ``reflectivity_db``, and the noise floor in dB.

    Between 1.5 and 40 looks, with speckle that neighbours may share; bright points in some; a noise
    floor that may drown the darkest; despeckled by a mean filter in half of all cases.
    """
    looks = float(np.exp(rng.uniform(np.log(1.5), np.log(40.0))))
    shared = rng.uniform(0.0, 0.9)
    speckle = rng.standard_gamma(looks, reflectivity_db.shape).astype(np.float32) / np.float32(
        looks
    )
    if shared > 0.35:
        speckle = _correlated(speckle, shared, looks)
    intensity = _linear(reflectivity_db) * speckle
    if rng.random() < 0.3:
        _add_points(intensity, rng)
    floor_db = float(np.quantile(reflectivity_db, 0.02) + rng.uniform(-12.0, 0.0))
    intensity += np.float32(10.0 ** (floor_db / 10.0))
    if rng.random() < 0.5:
        width = rng.uniform(0.6, 2.0)
        intensity = ndimage.gaussian_filter(intensity, (0.0, width, width))
    return (10.0 * np.log10(np.maximum(intensity, 1e-12))).astype(np.float32), floor_db


def with_floor(reflectivity_db: Floats, floor_db: float) -> Floats:
    """What a noiseless image shows in dB, where the noise floor adds to everything."""
    return np.asarray(
        10.0 * np.log10(_linear(reflectivity_db) + 10.0 ** (floor_db / 10.0)), np.float32
    )


def _linear(decibels: Floats) -> Floats:
    return np.asarray(np.float32(10.0) ** (decibels / np.float32(10.0)), np.float32)


def _correlated(speckle: Floats, width: float, looks: float) -> Floats:
    """Smoothed over ``width`` pixels, and brought back to the variance of so many looks."""
    smooth = ndimage.gaussian_filter(speckle, (0.0, width, width))
    gain = 1.0 / (np.sqrt(looks) * smooth.std(axis=(1, 2), keepdims=True))
    return np.asarray(np.maximum(1.0 + (smooth - 1.0) * gain, 0.02), np.float32)


def _add_points(intensity: Floats, rng: np.random.Generator) -> None:
    """Corner reflections, in place: 5 to 18 dB over what lies there."""
    count = int(rng.integers(5, 200))
    rows, cols = (rng.integers(0, side, count) for side in intensity.shape[1:])
    intensity[:, rows, cols] *= _linear(rng.uniform(5.0, 18.0, count).astype(np.float32))
