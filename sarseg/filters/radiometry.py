"""How the numbers of a SAR band become linear intensity and decibels."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sarseg.scenes.unit import Unit

Quantity = Literal["db", "amplitude"]
"""What a model takes: decibels, as sarseg trains; amplitude, as models made for 8-bit images."""

INTENSITY_FLOOR = 1e-10
"""Smallest intensity that has a logarithm here: -100 dB, far below any sensor's noise."""

_LARGEST = float(np.finfo(np.float32).max)


def to_intensity(values: NDArray[np.float32], unit: Unit) -> NDArray[np.float32]:
    """Linear intensity of ``values``, any shape, in ``[0, largest float32]``.

    Negative linear values, which noise subtraction leaves behind, hold no power and become 0.
    NaN stays NaN: the caller knows which pixels are valid.
    """
    wide = values.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        if unit == "db":
            wide = 10.0 ** (wide / 10.0)
        elif unit == "amplitude":
            wide = np.maximum(wide, 0.0) ** 2
        return np.clip(wide, 0.0, _LARGEST).astype(np.float32)


def to_db(intensity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decibels of a linear intensity, any shape; at least -100 dB (``INTENSITY_FLOOR``)."""
    floored = np.maximum(intensity, np.float32(INTENSITY_FLOOR))
    return (np.float32(10.0) * np.log10(floored)).astype(np.float32)


def to_quantity(intensity: NDArray[np.float32], quantity: Quantity) -> NDArray[np.float32]:
    """Linear ``intensity``, any shape, as ``quantity``."""
    return to_db(intensity) if quantity == "db" else np.sqrt(intensity)
