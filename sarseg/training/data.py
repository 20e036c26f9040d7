"""Chips of a source as the segmenter takes them: prepared, padded, augmented."""

from collections.abc import Sequence
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from sarseg.datasets.augment import NO_AUGMENTATION, Augmentation
from sarseg.datasets.source import IGNORE, ChipData, ChipRef, ChipSource
from sarseg.errors import DatasetError, UsageError
from sarseg.filters.chain import NO_FILTERS, Filters
from sarseg.filters.despeckle import Lee
from sarseg.filters.looks import estimate_looks
from sarseg.filters.preparation import Preparation, levels
from sarseg.filters.statistics import BandHistogram, BandScaling
from sarseg.sam.architecture import SamArchitecture
from sarseg.scenes.auxiliary import is_auxiliary
from sarseg.scenes.radiometry import Quantity, of_backscatter
from sarseg.training.sampling import Draw

_CHIPS_FOR_LOOKS = 32


def padded_size(tile_size: int, sizes: SamArchitecture) -> int:
    """The smallest multiple of the patch size that holds ``tile_size`` pixels."""
    return -(-tile_size // sizes.patch_size) * sizes.patch_size


Example = tuple[Tensor, Tensor]
"""Bands ``(C, S, S)`` float32 and labels ``(S, S)`` int64 of one chip."""


class PreparedChips(Dataset[Example]):
    """One split of a source: ``(bands (C, S, S) float32, labels (S, S) int64)`` a chip.

    Chips are changed by ``augmentation``, filtered, scaled, and padded at the bottom and right to
    ``size`` pixels: bands with 0, labels with IGNORE. What is drawn at random follows from ``seed``
    and the draw alone; a chip asked for by its bare number is the one of epoch 0.
    """

    def __init__(
        self,
        source: ChipSource,
        refs: Sequence[ChipRef],
        preparation: Preparation,
        size: int,
        *,
        augmentation: Augmentation = NO_AUGMENTATION,
        seed: int = 0,
    ) -> None:
        self.source = source
        self.refs = refs
        self.preparation = preparation
        self.filters = filters_left(source, preparation)
        self.size = size
        self.augmentation = augmentation
        self.seed = seed
        self.auxiliary = [is_auxiliary(band) for band in source.bands]

    def __len__(self) -> int:
        return len(self.refs)

    def __getitem__(self, draw: Draw | int) -> Example:
        if isinstance(draw, int):
            draw = Draw(draw, epoch=0)
        of_chip, of_bands = draw.generator(self.seed).spawn(2)
        chip = self.source.read(self.refs[draw.number])
        chip = self.augmentation.of_chip(chip, self.auxiliary, of_chip)
        found = chip_levels(chip, self.source.bands, self.filters, self.preparation.quantity)
        scaled = self.preparation.scaled(found, chip.valid)
        bands = torch.from_numpy(self.augmentation.of_bands(scaled, self.auxiliary, of_bands))
        counted = self._exact(chip.valid) & (not draw.blank)
        labels = torch.from_numpy(np.where(counted, chip.labels, IGNORE)).long()
        missing = self.size - labels.shape[-1]
        bands = functional.pad(bands, (0, missing, 0, missing))
        return bands, functional.pad(labels, (0, missing, 0, missing), value=IGNORE)

    def _exact(self, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Valid pixels, less those whose filter window the chip's edge cuts off."""
        margin = self.filters.margin
        exact = np.zeros_like(valid)
        inner = slice(margin, valid.shape[0] - margin), slice(margin, valid.shape[1] - margin)
        exact[inner] = valid[inner]
        return exact


def training_statistics(
    source: ChipSource, refs: Sequence[ChipRef], filters: Filters
) -> tuple[tuple[BandScaling, ...], tuple[int, ...]]:
    """Scaling of each band and labelled pixels of each class, over the chips of ``refs``.

    Only labelled pixels count: the others may belong to another split. ``filters`` are those that
    the chips have yet to go through.
    """
    counts = np.zeros(len(source.classes), np.int64)
    auxiliary = tuple(is_auxiliary(band) for band in source.bands)
    histogram = BandHistogram(len(source.bands))
    for ref in refs:
        chip = source.read(ref)
        labelled = chip.valid & (chip.labels != IGNORE)
        counts += np.bincount(chip.labels[labelled], minlength=len(counts))
        histogram.add(chip_levels(chip, source.bands, filters, "db")[:, labelled])
    return histogram.scaling(auxiliary), tuple(counts.tolist())


def chip_levels(
    chip: ChipData, bands: Sequence[str], filters: Filters, quantity: Quantity
) -> NDArray[np.float32]:
    """What of a chip is scaled (C, S, S): filtered, as ``quantity``; auxiliary bands unchanged."""
    auxiliary = [is_auxiliary(band) for band in bands]
    filtered = of_backscatter(
        lambda intensity: filters(intensity, chip.valid), chip.intensity, auxiliary
    )
    return levels(filtered, auxiliary, quantity)


def choose_filters(wanted: Filters | None, source: ChipSource, refs: Sequence[ChipRef]) -> Filters:
    """The filters of the model's Preparation: those the chips have gone through, else ``wanted``.

    Looks that are to be estimated are, from some of ``refs``. Where None is wanted, it is the Lee
    filter.

    Raises UsageError where filters are wanted for chips that are filtered already, DatasetError
    where no looks can be estimated.
    """
    if source.filters != NO_FILTERS:
        if wanted is not None:
            raise UsageError(
                f"The chips of {source.name} were filtered when they were made, and the model will "
                "filter scenes in the same way: leave --despeckle, --low-pass and --high-pass out."
            )
        return source.filters
    filters = Filters(despeckle=Lee()) if wanted is None else wanted
    if not filters.needs_looks:
        return filters
    looks = _looks(source, refs)
    if looks is None:
        raise DatasetError(
            f"{source.name} has no homogeneous area to estimate the number of looks from: give it "
            "by --looks."
        )
    return filters.with_looks(looks)


def filters_left(source: ChipSource, filters: Filters) -> Filters:
    """What of ``filters`` the chips of ``source`` have yet to go through."""
    return filters if source.filters == NO_FILTERS else NO_FILTERS


def _looks(source: ChipSource, refs: Sequence[ChipRef]) -> float | None:
    """Looks of the labelled training pixels, from some chips spread over the set."""
    some = refs[:: max(len(refs) // _CHIPS_FOR_LOOKS, 1)]
    chips = [source.read(ref) for ref in some]
    backscatter = [place for place, band in enumerate(source.bands) if not is_auxiliary(band)]
    found = [
        estimate_looks(
            (chip.intensity[place], chip.valid & (chip.labels != IGNORE)) for chip in chips
        )
        for place in backscatter
    ]
    known = [looks for looks in found if looks is not None]
    return median(known) if known else None
