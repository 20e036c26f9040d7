"""A contact sheet: some chips of each split, each beside its labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import rasterio
from numpy.typing import NDArray

from sarseg.classes import LandCoverClass
from sarseg.datasets.manifest import ChipRecord, Manifest
from sarseg.datasets.output_folder import QUICKLOOK_NAME
from sarseg.datasets.raster import read_raster
from sarseg.datasets.sample import Split
from sarseg.scenes.auxiliary import is_auxiliary
from sarseg.scenes.georeference import quietly_georeferenced
from sarseg.scenes.radiometry import to_db, to_intensity
from sarseg.scenes.unit import Unit

_MOST_CHIPS = 24
_PAIRS_IN_A_ROW = 6
_SIDE = 128
_GAP = 4
_STRETCH = (2.0, 98.0)
"""Percentiles of the decibels that are drawn black and white."""

_PAPER = 255
_UNLABELLED = 225
_RULE = 0


def write_quicklook(folder: Path, manifest: Manifest) -> None:
    """Write ``quicklook.png`` into the folder of chips that ``manifest`` describes.

    From top to bottom: a swatch for each class, in the order of the manifest; then train,
    validation, test and unlabelled chips, each part begun by a black line, at most 24 spread over
    the scene, in its order. A chip is drawn at most 128 pixels wide, and its labels to its right:
    light grey where there are none. Images are decibels, stretched alike for the whole sheet: one
    band grey; of two the first red, the second green and their ratio blue; of more the first three.

    Raises DatasetError where a chip cannot be read back.
    """
    shown = {split: _spread(manifest.chips, split) for split in get_args(Split)}
    records = [record for of_split in shown.values() for record in of_split]
    bands = [number for number, name in enumerate(manifest.bands) if not is_auxiliary(name)]
    images = _stretched(
        [_composite(folder / record.image, bands, manifest.unit) for record in records]
    )
    colours = _palette(manifest.classes)
    pairs = iter(
        [
            _pair(image, record, folder, colours)
            for image, record in zip(images, records, strict=True)
        ]
    )
    width = images[0].shape[1]
    line = _PAIRS_IN_A_ROW * (2 * width + 2 * _GAP)
    parts = [_swatches(manifest.classes, line)] if manifest.classes else []
    for of_split in shown.values():
        if of_split:
            rule = np.full((_GAP // 2, line, 3), _RULE, np.uint8)
            parts += [rule, _rows([next(pairs) for _ in of_split], line)]
    _write(folder / QUICKLOOK_NAME, np.concatenate(parts))


def _spread(chips: Sequence[ChipRecord], split: Split) -> list[ChipRecord]:
    of_split = [chip for chip in chips if chip.split == split]
    chosen = np.linspace(0, len(of_split) - 1, min(_MOST_CHIPS, len(of_split)))
    return [of_split[round(number)] for number in chosen]


def _composite(path: Path, bands: Sequence[int], unit: Unit) -> NDArray[np.float32]:
    """A small image (1 or 3, h, w) in decibels of the backscatter ``bands``, NaN where invalid."""
    decibels = to_db(_reduced(to_intensity(read_raster(path)[bands], unit)))
    if len(decibels) == 2:
        return np.stack([*decibels, decibels[0] - decibels[1]])
    return decibels[:3] if len(decibels) > 2 else decibels


def _reduced(intensity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means (C, h, w) over squares of valid pixels, so that the sides are at most ``_SIDE``."""
    step = -(-intensity.shape[-1] // _SIDE)
    side = -(-intensity.shape[-1] // step)
    beyond = side * step - intensity.shape[-1]
    padded = np.pad(intensity, ((0, 0), (0, beyond), (0, beyond)), constant_values=np.nan)
    squares = padded.reshape(-1, side, step, side, step)
    valid = np.isfinite(squares)
    count = valid.sum(axis=(2, 4))
    total = np.where(valid, squares, 0).sum(axis=(2, 4), dtype=np.float64)
    mean = np.full(total.shape, np.nan, np.float32)
    np.divide(total, count, out=mean, where=count > 0, casting="same_kind")
    return mean


def _stretched(images: Sequence[NDArray[np.float32]]) -> list[NDArray[np.uint8]]:
    """The images (h, w, 3) in 0..255, each channel between its percentiles over all of them."""
    together = np.stack(images)
    low, high = np.nanpercentile(together, _STRETCH, axis=(0, 2, 3), keepdims=True)
    share = (together - low) / np.maximum(high - low, 1e-6)
    grey = np.where(np.isfinite(share), np.clip(share, 0, 1) * 255, _PAPER)
    pictures = np.moveaxis(grey.astype(np.uint8), 1, -1)
    return list(np.broadcast_to(pictures, (*pictures.shape[:3], 3)))


def _palette(classes: Sequence[LandCoverClass]) -> NDArray[np.uint8]:
    """Colours (256, 3) of class ids."""
    colours = np.full((256, 3), _UNLABELLED, np.uint8)
    for entry in classes:
        colours[entry.id] = entry.colour
    return colours


def _pair(
    image: NDArray[np.uint8], record: ChipRecord, folder: Path, colours: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """An image with its labels to its right, and room round both."""
    labels = np.full_like(image, _UNLABELLED)
    if record.label is not None:
        ids = read_raster(folder / record.label)[0]
        step = -(-len(ids) // _SIDE)
        labels = colours[ids[::step, ::step]]
    both = np.concatenate([image, labels], axis=1)
    return np.pad(both, ((_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=_PAPER)


def _rows(pairs: Sequence[NDArray[np.uint8]], width: int) -> NDArray[np.uint8]:
    rows = []
    for first in range(0, len(pairs), _PAIRS_IN_A_ROW):
        row = np.concatenate(pairs[first : first + _PAIRS_IN_A_ROW], axis=1)
        rest = ((0, 0), (0, width - row.shape[1]), (0, 0))
        rows.append(np.pad(row, rest, constant_values=_PAPER))
    return np.concatenate(rows)


def _swatches(classes: Sequence[LandCoverClass], width: int) -> NDArray[np.uint8]:
    """A strip of colours, one a class, over the whole width."""
    of_column = np.arange(width) * len(classes) // width
    strip = np.array([entry.colour for entry in classes], np.uint8)[of_column]
    return np.tile(strip, (4 * _GAP, 1, 1))


def _write(path: Path, picture: NDArray[np.uint8]) -> None:
    height, width, count = picture.shape
    with (
        quietly_georeferenced(),
        rasterio.open(path, "w", "PNG", width, height, count, dtype=picture.dtype) as dataset,
    ):
        dataset.write(np.moveaxis(picture, -1, 0))
