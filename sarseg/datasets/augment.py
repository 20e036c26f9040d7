"""Random changes of training chips that keep the labels right."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Annotated, Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from sarseg.datasets.sample import ChipData
from sarseg.datasets.zoom import zoomed
from sarseg.scenes.radiometry import of_backscatter

Turns = Literal["all", "mirror", "keep-look", "none"]

_TURNS: dict[Turns, tuple[int, ...]] = {
    "all": tuple(range(8)),
    "mirror": (0, 6),
    "keep-look": (0, 4),
    "none": (0,),
}
_LARGEST = np.finfo(np.float32).max
_BLOCK = 64

Number = TypeVar("Number", bound=np.generic)


class Augmentation(BaseModel):
    """How training chips are changed at random.

    Every kind of change draws numbers of its own: those of one do not depend on whether another is
    switched on. The same generator in the same state gives the same chip.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    turns: Turns = "all"
    """Flips and quarter turns: all eight, the two of a mirror, or those two that keep the look.

    ``mirror`` flips the columns, as computer vision does.
    ``keep-look`` flips along azimuth only. It takes range to run along the columns, as in slant and
    ground range images and, to a few degrees, in geocoded scenes of near-polar orbits.
    """
    zoom: float = Field(default=1.0, ge=1.0, allow_inf_nan=False)
    """Magnified by a factor between 1/zoom and zoom, its logarithm uniform; see ``zoomed``."""
    speckle_looks: tuple[Annotated[float, Field(gt=0.0, allow_inf_nan=False)], ...] = ()
    """Speckle of so many looks on top of the chip's own: with equal chance none, or one of them."""
    shift_db: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    """Standard deviation of an error of calibration, normal in decibels, of each band."""
    band_dropout: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of chips that keep one backscatter band alone."""

    @field_validator("speckle_looks", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """Also a number alone, or ``"1,4"``, as the command line gives them."""
        if isinstance(value, str):
            return value.split(",")
        return [value] if isinstance(value, int | float) else value

    def of_chip(
        self, chip: ChipData, auxiliary: Sequence[bool], generator: np.random.Generator
    ) -> ChipData:
        """``chip``, which no filter has seen yet, turned, zoomed, speckled and shifted.

        Speckle and shift leave the bands that are ``auxiliary`` (C) as they are.
        """
        draws = _Draws.of(generator)
        number = draws.turn.choice(_TURNS[self.turns])
        if number:
            chip = ChipData(
                turned(chip.intensity, number),
                turned(chip.valid, number),
                turned(chip.labels, number),
            )
        if self.zoom > 1:
            chip = zoomed(chip, self.zoom ** draws.zoom.uniform(-1, 1), *draws.zoom.random(2))
        intensity = chip.intensity
        looks = draws.speckle.choice([0.0, *self.speckle_looks])
        if looks:
            intensity = of_backscatter(
                lambda bands: speckled(bands, looks, draws.speckle), intensity, auxiliary
            )
        if self.shift_db:
            intensity = of_backscatter(
                lambda bands: shifted(bands, self.shift_db, draws.shift), intensity, auxiliary
            )
        return replace(chip, intensity=intensity)

    def of_bands(
        self,
        bands: NDArray[np.float32],
        auxiliary: Sequence[bool],
        generator: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Scaled ``bands`` (C, S, S), of some chips all backscatter but one band left out.

        ``generator`` may be that of ``of_chip``, in the state before or after it.
        """
        return drop_bands(bands, auxiliary, self.band_dropout, _Draws.of(generator).dropout)


NO_AUGMENTATION = Augmentation(turns="none")
"""Leaves every chip as it is."""


@dataclass(frozen=True)
class _Draws:
    """Generators of their own for all kinds of change."""

    turn: np.random.Generator
    zoom: np.random.Generator
    speckle: np.random.Generator
    shift: np.random.Generator
    dropout: np.random.Generator

    @classmethod
    def of(cls, generator: np.random.Generator) -> Self:
        # Not Generator.spawn: what that gives is no part of the state that can be restored.
        return cls(*map(np.random.default_rng, generator.integers(2**63, size=5)))


def turned(array: NDArray[Number], number: int) -> NDArray[Number]:
    """One of the eight flips and quarter turns of a square: ``array`` (..., S, S), contiguous.

    ``number % 4`` quarter turns, counter-clockwise; then, from 4 on, the rows in reverse order.
    """
    view = np.rot90(array, number % 4, (-2, -1))
    if number >= 4:
        view = np.flip(view, -2)
    result = np.empty_like(view, order="C")
    # Rows become columns block by block: a whole row at a time misses the cache at every pixel.
    height, width = view.shape[-2:]
    for row, col in product(range(0, height, _BLOCK), range(0, width, _BLOCK)):
        block = ..., slice(row, row + _BLOCK), slice(col, col + _BLOCK)
        result[block] = view[block]
    return result


def speckled(
    intensity: NDArray[np.float32], looks: float, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Linear ``intensity``, any shape, times speckle of ``looks``: gamma, mean 1, variance 1/looks.

    Intensity that had speckle of L looks has speckle of ``L looks / (L + looks + 1)`` looks after.

    Source: J. W. Goodman 1976, "Some fundamental properties of speckle", JOSA 66(11).
    """
    noise = generator.standard_gamma(looks, intensity.shape, np.float32)
    return _finite_product(intensity, noise / np.float32(looks))


def shifted(
    intensity: NDArray[np.float32], deviation_db: float, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Linear ``intensity`` (C, h, w), each band by decibels drawn from N(0, deviation_db**2)."""
    decibels = generator.normal(0.0, deviation_db, (len(intensity), 1, 1))
    return _finite_product(intensity, (10 ** (decibels / 10)).astype(np.float32))


def drop_bands(
    bands: NDArray[np.float32],
    auxiliary: Sequence[bool],
    probability: float,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """With ``probability``, all backscatter of ``bands`` (C, S, S) but one band becomes zero.

    A model trained so accepts scenes that lack bands (zero is the training median). Bands that are
    ``auxiliary`` (C) stay.
    """
    backscatter = np.flatnonzero(~np.array(auxiliary, bool))
    dropped = generator.random() < probability
    if not dropped or len(backscatter) < 2:
        return bands
    left = bands.copy()
    left[np.delete(backscatter, generator.integers(len(backscatter)))] = 0
    return left


def _finite_product(
    intensity: NDArray[np.float32], gain: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Their product, as large as float32 can be where it would be larger."""
    with np.errstate(over="ignore"):
        brighter: NDArray[np.float32] = np.minimum(intensity * gain, _LARGEST)
    return brighter
