"""What plain images hold: the names of their bands, and what their numbers are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sarseg.datasets.raster import opened, read_measurements, single_band
from sarseg.errors import DatasetError
from sarseg.scenes.naming import meanings
from sarseg.scenes.opening import measured_bands
from sarseg.scenes.unit import Unit
from sarseg.scenes.unit_guess import look_like_decibels

LONE_BAND = "SAR"
"""What the only band is called where the images do not name it."""

_SAMPLED = 64
"""So many images, spread over all, are read to see what the numbers are like."""


@dataclass(frozen=True)
class ImageKind:
    """Names of the bands, and the unit of all backscatter among them."""

    bands: tuple[str, ...]
    unit: Unit


@dataclass(frozen=True)
class _Told:
    """What an image tells of itself: names of bands (empty where it does not), the indices of
    those that are backscatter, their unit, and whether the numbers are whole."""

    names: tuple[str, ...]
    backscatter: tuple[int, ...]
    unit: Unit | None
    whole: bool

    def __str__(self) -> str:
        names = ", ".join(name or "without a name" for name in self.names)
        numbers = "whole numbers" if self.whole else "floating point numbers"
        return f"{numbers} in {self.unit or 'a unit that it does not tell'}, bands: {names}"


def image_kind(images: Sequence[Path]) -> ImageKind:
    """What all ``images`` (at least one) hold.

    Bands are called as descriptions, tags or file names call them, else ``B1``, ``B2``...; three
    that are equal are one. The unit is the one that tags, or names of images in floating point,
    tell; else decibels where more than a tenth of the values of all images together is negative,
    else amplitude for whole numbers and intensity for others.

    Raises DatasetError where an image cannot be read, or holds another kind than the first.
    """
    first, told = images[0], _told(images[0])
    for path in images[1:]:
        if (other := _told(path)) != told:
            raise DatasetError(
                f"{first} holds {told}. But {path} holds {other}. All images of a folder need the "
                "same."
            )
    return ImageKind(_bands(told.names, images), told.unit or _guess(told, images))


def _told(path: Path) -> _Told:
    with opened(path) as dataset:
        numbers = measured_bands(dataset)
        found = meanings(dataset, numbers)
        types = {np.dtype(dataset.dtypes[number - 1]) for number in numbers}
        whole = all(np.issubdtype(dtype, np.integer) for dtype in types)
        units = {
            meaning.unit
            for meaning in found
            # decibels as a picture of 8 bits are decibels no more, whatever its name says
            if meaning.unit is not None and (meaning.unit_source == "tag" or not whole)
        }
        if len(units) > 1:
            raise DatasetError(f"{path} tells of several units, {', '.join(sorted(units))}.")
        return _Told(
            names=tuple(
                meaning.name or (dataset.descriptions[number - 1] or "").strip()
                for number, meaning in zip(numbers, found, strict=True)
            ),
            backscatter=tuple(i for i, each in enumerate(found) if each.role == "backscatter"),
            unit=next(iter(units), None),
            whole=whole,
        )


def _bands(names: Sequence[str], images: Sequence[Path]) -> tuple[str, ...]:
    if len(names) == 1 or (
        not any(names)
        and all(single_band(read_measurements(path)[0]) is not None for path in _spread(images))
    ):
        return (names[0] or LONE_BAND,)
    bands = tuple(name or f"B{number}" for number, name in enumerate(names, start=1))
    for name, count in Counter(bands).items():
        if count > 1:
            raise DatasetError(
                f"{images[0]} has {count} bands {name}; give each a description of its own."
            )
    return bands


def _guess(told: _Told, images: Sequence[Path]) -> Unit:
    positive = negative = 0
    for path in _spread(images):
        values, valid = read_measurements(path)
        backscatter = values[list(told.backscatter)][:, valid]
        positive += int((backscatter > 0).sum())
        negative += int((backscatter < 0).sum())
    if look_like_decibels(positive, negative):
        return "db"
    return "amplitude" if told.whole else "intensity"


def _spread(images: Sequence[Path]) -> Sequence[Path]:
    return images[:: -(-len(images) // _SAMPLED)]
