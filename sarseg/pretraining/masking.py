"""Which parts of a window are hidden from the network.

Masked image modelling: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners" (arXiv
2111.06377). Blocks of patches are hidden together, so that their middle cannot be told from the
pixels next to it, with which filters and resampling share their speckle.
"""

import numpy as np
from numpy.typing import NDArray

SHARE = 0.5
"""Of the blocks, those that are hidden."""

BLOCK = 2
"""Patches of a block's side."""


def hidden_blocks(size: int, patch: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """True (size, size) in the hidden half of a window's blocks of 2 x 2 patches.

    ``size`` and ``patch`` are the pixels of a window's and of a patch's side; blocks at the lower
    and right edges are cut off where the patches are odd in number.
    """
    blocks = -(-size // (BLOCK * patch))
    hidden = np.zeros(blocks**2, np.bool_)
    hidden[generator.permutation(blocks**2)[: round(SHARE * blocks**2)]] = True
    side = BLOCK * patch
    grown = hidden.reshape(blocks, blocks).repeat(side, 0).repeat(side, 1)
    return grown[:size, :size]
