"""Simulated patches, drawn once and shown many times, each time a little different."""

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sarseg.datasets.augment import turned
from sarseg.datasets.synthetic.randomised import CHANNELS
from sarseg.model.bands import channels_from_bands, exact_inputs
from sarseg.pretraining.kept import Kept, kept_patch

PATCHES, SIZE, FIRST_SEED = 1500, 448, 100_000
"""What the embedded backbone was shown: so many patches, pixels of a side, seeds from this one."""

_CHUNK = 8
"""Patches that a process draws at a time."""
_SHARE_OF_BANDS = (0.2, 0.3, 0.5)
"""Of patches that show one, two and three bands."""
_BLOCK = 16
"""Pixels of a side of the smallest block that is hidden: SAM's patch."""
_ONE_BAND_HIDDEN = 0.15
_BLOCKS_HIDDEN = 0.5
_SHIFT = 0.3
"""Standard deviation of a band's calibration error, in standard deviations of the band."""


_MIXED = [
    np.pad(weights, ((0, 0), (0, CHANNELS - weights.shape[1])))
    for weights in (
        np.array(channels_from_bands(exact_inputs(["1", "2", "3"][:count])), np.float32)
        for count in (1, 2, 3)
    )
]
"""How the three channels are mixed from one, two and three bands ``(3, 3)``."""


class Truth(NamedTuple):
    """What there is to see of B patches, at a quarter of their resolution.

    ``level`` (B, 3, h, w), ``texture`` (B, h, w), ``boundary`` (B, h, w) in 0..1, ``parcels`` and
    ``classes`` (B, h, w) int64; see ``Patch``.
    """

    level: Tensor
    texture: Tensor
    boundary: Tensor
    parcels: Tensor
    classes: Tensor


class PatchBank:
    """Patches of ``size`` pixels, a multiple of 16, with the seeds from ``first_seed`` on.

    A patch of 448 pixels takes 1.4 MB.
    """

    def __init__(
        self, patches: int = PATCHES, size: int = SIZE, first_seed: int = FIRST_SEED
    ) -> None:
        seeds = range(first_seed, first_seed + patches)
        # the pool starts all of its workers at once, those without work too
        workers = min(-(-patches // _CHUNK), os.cpu_count() or 1)
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            drawn = pool.map(partial(kept_patch, size=size), seeds, chunksize=_CHUNK)
            self._kept = list(drawn)

    def __len__(self) -> int:
        return len(self._kept)

    def draw(self, count: int, generator: np.random.Generator) -> tuple[Tensor, Truth]:
        """Bands (count, 3, S, S) as a segmenter takes them, and what there is to see in them.

        Patches are turned, their bands change places and are shifted; some show one or two of them
        in all three channels, as scenes of fewer bands are shown; one channel may be missing, and
        blocks of up to half a patch are hidden in half of them.
        """
        shown = [
            self._shown(self._kept[int(generator.integers(len(self)))], generator)
            for _ in range(count)
        ]
        bands, quantities, numbers = (np.stack(part) for part in zip(*shown, strict=True))
        asked, numbered = torch.from_numpy(quantities), torch.from_numpy(numbers.astype(np.int64))
        truth = Truth(asked[:, :3], asked[:, 3], asked[:, 4], numbered[:, 0], numbered[:, 1])
        return torch.from_numpy(bands), truth

    def _shown(
        self, kept: Kept, generator: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int16]]:
        bands, quantities = kept.bands.astype(np.float32), kept.quantities.astype(np.float32)
        channels = len(bands)
        order = generator.permutation(channels)
        shift = generator.normal(0.0, _SHIFT, (channels, 1, 1)).astype(np.float32)
        mixed = _MIXED[generator.choice(len(_MIXED), p=_SHARE_OF_BANDS)]
        bands = np.einsum("cb,bhw->chw", mixed, bands[order] + shift)
        levels = quantities[:channels][order] + shift
        quantities[:channels] = np.einsum("cb,bhw->chw", mixed, levels)
        if generator.random() < _ONE_BAND_HIDDEN:
            bands[generator.integers(channels)] = 0
        if generator.random() < _BLOCKS_HIDDEN:
            bands[:, _blocks(bands.shape[-1], generator)] = 0
        number = int(generator.integers(8))
        return turned(bands, number), turned(quantities, number), turned(kept.numbers, number)


def _blocks(size: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """What is hidden (size, size): blocks of 16 to 48 pixels, a tenth to half of them."""
    side = _BLOCK * int(generator.integers(1, 4))
    count = -(-size // side)
    hidden = generator.random((count, count)) < generator.uniform(0.1, 0.5)
    return hidden.repeat(side, 0).repeat(side, 1)[:size, :size]
