"""Chips of a source as the segmenter takes them: prepared, padded, augmented."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from sarseg.datasets.augment import random_turn
from sarseg.datasets.source import IGNORE, ChipRef, ChipSource
from sarseg.filters.despeckle import Lee
from sarseg.filters.preparation import Preparation, levels
from sarseg.filters.statistics import BandMoments, BandScaling
from sarseg.sam.architecture import SamArchitecture


def padded_size(tile_size: int, sizes: SamArchitecture) -> int:
    """The smallest multiple of the patch size that holds ``tile_size`` pixels."""
    return -(-tile_size // sizes.patch_size) * sizes.patch_size


Example = tuple[Tensor, Tensor]
"""Bands ``(C, S, S)`` float32 and labels ``(S, S)`` int64 of one chip."""


class PreparedChips(Dataset[Example]):
    """One split of a source: ``(bands (C, S, S) float32, labels (S, S) int64)`` a chip.

    Chips are padded at the bottom and right to ``size`` pixels: bands with 0, labels with IGNORE.
    """

    def __init__(
        self,
        source: ChipSource,
        refs: Sequence[ChipRef],
        preparation: Preparation,
        size: int,
        *,
        augment_seed: int | None = None,
    ) -> None:
        self.source = source
        self.refs = refs
        self.preparation = preparation
        self.size = size
        self.generator: torch.Generator | None = None
        if augment_seed is not None:
            self.generator = torch.Generator().manual_seed(augment_seed)

    def __len__(self) -> int:
        return len(self.refs)

    def __getitem__(self, index: int) -> Example:
        chip = self.source.read(self.refs[index])
        bands = torch.from_numpy(self.preparation.apply(chip.intensity, chip.valid))
        labels = torch.from_numpy(np.where(self._exact(chip.valid), chip.labels, IGNORE)).long()
        missing = self.size - labels.shape[-1]
        bands = functional.pad(bands, (0, missing, 0, missing))
        labels = functional.pad(labels, (0, missing, 0, missing), value=IGNORE)
        if self.generator is not None:
            bands, labels = random_turn(bands, labels, self.generator)
        return bands, labels

    def _exact(self, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Valid pixels, less those whose filter window the chip's edge cuts off."""
        margin = self.preparation.margin
        exact = np.zeros_like(valid)
        inner = slice(margin, valid.shape[0] - margin), slice(margin, valid.shape[1] - margin)
        exact[inner] = valid[inner]
        return exact


def training_statistics(
    source: ChipSource, refs: Sequence[ChipRef], despeckle: Lee | None
) -> tuple[tuple[BandScaling, ...], tuple[int, ...]]:
    """Scaling of each band and labelled pixels of each class, over the chips of ``refs``.

    Only labelled pixels count: the others may belong to another split.
    """
    counts = np.zeros(len(source.classes), np.int64)
    moments = BandMoments(len(source.bands))
    for ref in refs:
        chip = source.read(ref)
        labelled = chip.valid & (chip.labels != IGNORE)
        counts += np.bincount(chip.labels[labelled], minlength=len(counts))
        moments.add(levels(chip.intensity, chip.valid, despeckle)[:, labelled])
    return moments.scaling(), tuple(counts.tolist())
