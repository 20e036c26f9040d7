"""Texture of the classes: what varies within one field, stand or lake, as a factor of mean 1."""

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.synthetic.backscatter import Floats
from sarseg.datasets.synthetic.landscape import Landscape
from sarseg.datasets.synthetic.legend import BARE_SOIL, BUILT_UP, CROPLAND, WATER, WOODLAND
from sarseg.datasets.synthetic.noise import smooth_field

Mask = NDArray[np.bool_]

CANOPY_LAYOVER = 5
"""Columns that a woodland's edge leans towards the sensor (canopy of 12 m, 38 degrees, 3 m)."""

CANOPY_SHADOW = 4
"""Columns of shadow behind a woodland."""

_SHADOW_FACTOR = 0.12


def lognormal(field: Floats, sigma: float) -> Floats:
    """Factor of mean 1 from a standard Gaussian field; ``sigma`` is of its natural logarithm."""
    factor: Floats = np.exp(np.float32(sigma) * field - np.float32(sigma**2 / 2.0))
    return factor


def texture(landscape: Landscape, rng: np.random.Generator) -> Floats:
    """Factor ``(H, W)`` on the mean backscatter; its expectation is 1 in every class."""
    labels = landscape.labels
    factor = np.ones(labels.shape, dtype=np.float32)
    crowns = smooth_field(labels.shape, 1.8, rng)
    moisture = smooth_field(labels.shape, 9.0, rng)
    _apply(factor, labels == WOODLAND, crowns, 0.85)
    _apply(factor, labels == BUILT_UP, crowns, 0.6)
    _apply(factor, labels == BARE_SOIL, moisture, 0.5)
    _apply(factor, labels == WATER, smooth_field(labels.shape, 60.0, rng), 0.2)
    _rows(factor, landscape, labels == CROPLAND, rng)
    return factor


def _apply(factor: Floats, mask: Mask, field: Floats, sigma: float) -> None:
    factor[mask] *= lognormal(field[mask], sigma)


def _rows(factor: Floats, landscape: Landscape, crops: Mask, rng: np.random.Generator) -> None:
    """Tramlines and drill rows: a periodic modulation across the direction of ploughing."""
    bodies = landscape.bodies[crops]
    count = len(landscape.body_class)
    wave_number = (2.0 * np.pi / rng.uniform(7.0, 14.0, count)).astype(np.float32)
    depth = rng.uniform(0.45, 0.85, count).astype(np.float32)
    factor[crops] *= 1.0 + depth[bodies] * np.cos(wave_number[bodies] * landscape.across[crops])


def canopy_relief(labels: NDArray[np.uint8]) -> tuple[Mask, Mask]:
    """Where woodland's edge leans over its foreground, and where it casts a shadow.

    The sensor is to the left of column 0 and range grows with the column.
    """
    wood = labels == WOODLAND
    leaning, shadow = np.zeros_like(wood), np.zeros_like(wood)
    for step in range(1, CANOPY_LAYOVER + 1):
        leaning[:, :-step] |= wood[:, step:]
    for step in range(1, CANOPY_SHADOW + 1):
        shadow[:, step:] |= wood[:, :-step]
    return leaning & ~wood, shadow & ~wood


def apply_canopy_relief(sigma0: Floats, labels: NDArray[np.uint8]) -> None:
    """Adds the canopy's echo to its foreground and darkens its shadow, in place."""
    leaning, shadow = canopy_relief(labels)
    sigma0[shadow] *= np.float32(_SHADOW_FACTOR)
    # The edge piles slant ranges up: it is brighter than the stand it belongs to.
    last = sigma0.shape[1] - 1
    stand = sigma0[:, np.minimum(np.arange(last + 1) + CANOPY_LAYOVER, last)]
    sigma0[leaning] += stand[leaning]
