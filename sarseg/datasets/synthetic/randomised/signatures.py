"""What grows on parcels: backscatter and texture by class, and how parcels of one class differ."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.synthetic.noise import smooth_field

Floats = NDArray[np.float32]

_TEXTURE_SCALES = (1.2, 3.0, 8.0)
"""Pixels (standard deviation of the kernel) over which crowns, heaps or moisture are alike."""


@dataclass(frozen=True)
class Cover:
    """What covers P parcels, with C channels, in dB.

    ``classes`` (P,) int; ``level`` (P, C), the mean of each parcel; ``roughness`` (P,), the
    standard deviation of its texture; ``scale`` (P,), the number of its texture's scale;
    ``furrow`` (P,), the amplitude of rows of ``spacing`` (P,) pixels at the angle ``direction``
    (P,).
    """

    classes: NDArray[np.int64]
    level: NDArray[np.float64]
    roughness: NDArray[np.float64]
    scale: NDArray[np.int64]
    furrow: NDArray[np.float64]
    spacing: NDArray[np.float64]
    direction: NDArray[np.float64]

    @property
    def texture_db(self) -> NDArray[np.float64]:
        """Standard deviation (P,) within each parcel, of texture and rows together."""
        return np.sqrt(self.roughness**2 + 0.5 * self.furrow**2)


def draw_cover(parcels: int, channels: int, rng: np.random.Generator) -> Cover:
    """Three to 16 classes on so many ``parcels``.

    The channels of a class go up and down together, as those of a sensor do, but not alone; the
    same class differs from parcel to parcel, mostly in all channels alike (moisture, growth).
    """
    count = int(rng.integers(3, 17))
    classes = rng.integers(0, count, parcels)
    spread = rng.uniform(1.5, 5.0)
    shared = rng.normal(0.0, spread, (count, 1)) * rng.uniform(0.5, 1.3, channels)
    signature = shared + rng.normal(0.0, 0.6 * spread, (count, channels))
    apart = rng.uniform(0.1, 1.0)
    level = (
        signature[classes]
        + rng.normal(0.0, 0.7 * apart, (parcels, 1))
        + rng.normal(0.0, 0.5 * apart, (parcels, channels))
    )
    rough = np.where(rng.random(count) < 0.5, 0.0, rng.uniform(0.3, 3.0, count))
    scale = rng.integers(0, len(_TEXTURE_SCALES), count)
    furrow = np.where(rng.random(parcels) < 0.3, rng.uniform(0.5, 3.0, parcels), 0.0)
    return Cover(
        classes,
        level,
        rough[classes],
        scale[classes],
        furrow,
        rng.uniform(5.0, 16.0, parcels),
        rng.uniform(0.0, np.pi, parcels),
    )


def texture_db(cover: Cover, parcels: NDArray[np.int32], rng: np.random.Generator) -> Floats:
    """What texture adds to the level of each pixel, ``(H, W)`` dB of mean 0."""
    shape = (parcels.shape[0], parcels.shape[1])
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    grain = np.zeros(shape, np.float32)
    for number, scale in enumerate(_TEXTURE_SCALES):
        here = (cover.scale == number)[parcels]
        grain[here] = smooth_field(shape, scale, rng)[here]
    direction = cover.direction.astype(np.float32)
    across = np.cos(direction)[parcels] * cols + np.sin(direction)[parcels] * rows
    wave = np.cos(across * (2.0 * np.pi / cover.spacing).astype(np.float32)[parcels])
    roughness, furrow = cover.roughness.astype(np.float32), cover.furrow.astype(np.float32)
    total: Floats = roughness[parcels] * grain + furrow[parcels] * wave
    return total
