"""A patch of country as a sensor shows it, and the truth to be seen through its speckle."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.synthetic.randomised.parcels import draw_parcels
from sarseg.datasets.synthetic.randomised.sensor import observed, trend_db, with_floor
from sarseg.datasets.synthetic.randomised.signatures import draw_cover, texture_db

Floats = NDArray[np.float32]

CHANNELS = 3
"""Bands of a patch: as many as SAM has channels."""

_CLIPPED = 5.0


@dataclass(frozen=True)
class Patch:
    """``bands`` ``(3, S, S)`` as a segmenter takes them: standardised dB, within -5 to 5.

    ``level`` ``(3, S, S)``: what each parcel would show without speckle and texture, on the same
    scale; ``texture`` ``(S, S)``: the standard deviation of its texture, on the mean scale;
    ``parcels`` ``(S, S)``: parcel numbers; ``classes`` ``(S, S)``: classes, which mean something
    within a patch alone.
    """

    bands: Floats
    level: Floats
    texture: Floats
    parcels: NDArray[np.int32]
    classes: NDArray[np.uint8]


def draw_patch(seed: int, size: int) -> Patch:
    """A patch of ``size`` x ``size`` pixels; the same seed gives the same patch."""
    rng = np.random.default_rng(seed)
    parcels = draw_parcels(size, rng)
    cover = draw_cover(int(parcels.max()) + 1, CHANNELS, rng)
    level = np.moveaxis(cover.level.astype(np.float32)[parcels], -1, 0)
    level = level + trend_db(size, CHANNELS, rng)
    image, floor_db = observed(level + texture_db(cover, parcels, rng), rng)
    centre, scale = _scaling(image, rng)
    return Patch(
        bands=np.clip((image - centre) / scale, -_CLIPPED, _CLIPPED),
        level=(with_floor(level, floor_db) - centre) / scale,
        texture=(cover.texture_db.astype(np.float32)[parcels] / scale.mean()).astype(np.float32),
        parcels=parcels,
        classes=cover.classes.astype(np.uint8)[parcels],
    )


def _scaling(image: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Centre and spread of each band ``(3, 1, 1)``; not quite its own, as a training set has it."""
    low, centre, high = np.quantile(image, [0.16, 0.5, 0.84], axis=(1, 2), keepdims=True)
    scale = np.maximum(0.5 * (high - low), 1e-3) * np.exp(rng.normal(0.0, 0.25, low.shape))
    centre = centre + rng.normal(0.0, 0.4, low.shape) * scale
    return centre.astype(np.float32), scale.astype(np.float32)
