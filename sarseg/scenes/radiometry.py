"""How the numbers of a SAR band become linear intensity and decibels."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sarseg.scenes.unit import Unit

Quantity = Literal["db", "amplitude"]
"""What a model takes: decibels, as sarseg trains; amplitude, as models made for 8-bit images."""

INTENSITY_FLOOR = 1e-10
"""Smallest intensity that has a logarithm here: -100 dB, far below any sensor's noise."""

_LARGEST = float(np.finfo(np.float32).max)
_NEPERS_PER_DB = np.log(10.0) / 10.0  # of power; exp() is faster than powers of ten


def to_intensity(values: NDArray[np.float32], unit: Unit) -> NDArray[np.float32]:
    """Linear intensity of ``values``, any shape, in ``[0, largest float32]``.

    Negative linear values, which noise subtraction leaves behind, hold no power and become 0.
    NaN stays NaN: the caller knows which pixels are valid.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if unit == "db":
            linear = np.exp(values.astype(np.float64) * _NEPERS_PER_DB)
        elif unit == "amplitude":
            linear = np.maximum(values, 0.0) ** 2
        else:
            linear = values
        clipped: NDArray[np.float32] = np.clip(linear, 0.0, _LARGEST).astype(np.float32, copy=False)
        return clipped


def to_db(intensity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decibels of a linear intensity, any shape; at least -100 dB (``INTENSITY_FLOOR``)."""
    floored = np.maximum(intensity, np.float32(INTENSITY_FLOOR))
    return (np.float32(10.0) * np.log10(floored)).astype(np.float32)


def to_quantity(intensity: NDArray[np.float32], quantity: Quantity) -> NDArray[np.float32]:
    """Linear ``intensity``, any shape, as ``quantity``."""
    return to_db(intensity) if quantity == "db" else np.sqrt(intensity)


def from_intensity(intensity: NDArray[np.float32], unit: Unit) -> NDArray[np.float32]:
    """Linear ``intensity``, any shape, in ``unit``; undoes ``to_intensity``."""
    return intensity if unit == "intensity" else to_quantity(intensity, unit)


def of_backscatter(
    convert: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    bands: NDArray[np.float32],
    auxiliary: Sequence[bool],
) -> NDArray[np.float32]:
    """``bands`` (C, h, w), each that is not ``auxiliary`` (C) as ``convert`` makes it (C, h, w)."""
    backscatter = ~np.array(auxiliary, bool)
    converted = bands.copy()
    if backscatter.any():
        converted[backscatter] = convert(bands[backscatter])
    return converted
