"""A simulated patch as it is kept. Nothing here imports torch: processes that draw start fast."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.synthetic.randomised import draw_patch
from sarseg.datasets.synthetic.randomised.parcels import boundaries

COARSE = 4
"""Pixels of a side of what is asked for, as SAM's decoder answers."""


class Kept(NamedTuple):
    """One patch as it is kept: in half precision, its truth at a quarter of the resolution."""

    bands: NDArray[np.float16]
    quantities: NDArray[np.float16]
    numbers: NDArray[np.int16]


def kept_patch(seed: int, size: int) -> Kept:
    """The patch of ``seed``, ``size`` pixels a side."""
    patch = draw_patch(seed, size)
    cells = size // COARSE

    def in_cells(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values.reshape(*values.shape[:-2], cells, COARSE, cells, COARSE)

    level = in_cells(patch.level).mean(axis=(-3, -1))
    texture = in_cells(patch.texture).mean(axis=(-3, -1))
    boundary = in_cells(boundaries(patch.parcels).astype(np.float32)).max(axis=(-3, -1))
    middle = slice(COARSE // 2, None, COARSE)
    numbers = np.stack([patch.parcels[middle, middle], patch.classes[middle, middle]])
    return Kept(
        patch.bands.astype(np.float16),
        np.concatenate([level, texture[None], boundary[None]]).astype(np.float16),
        numbers.astype(np.int16),
    )
