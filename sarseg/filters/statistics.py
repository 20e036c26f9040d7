"""Centre and spread of bands, gathered piece by piece."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

_LOW_BITS = 12
"""Mantissa bits that are dropped: what is left tells values apart to 2.4e-4 of their size."""

_SMALLEST_SPREAD = 1e-3


class BandScaling(BaseModel):
    """Centre and spread of a band's training pixels, as the model takes them.

    Median, and half the distance between the quantiles 15.9 % and 84.1 %: mean and standard
    deviation of what is normally distributed, unmoved by few pixels far off. In dB where not said;
    those of an ``auxiliary`` band (an angle, a height) are in its own unit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    centre: float = Field(allow_inf_nan=False)
    spread: float = Field(gt=0.0, allow_inf_nan=False)
    auxiliary: bool = False


class BandHistogram:
    """Counts of the values of several bands, from which quantiles are read.

    The bins are those float32 numbers that 11 mantissa bits hold, so that any range is told apart
    to 2.4e-4 of its values; the result does not depend on the order of the pixels.
    """

    def __init__(self, bands: int) -> None:
        self._counts = np.zeros((bands, 2 ** (32 - _LOW_BITS)), np.int64)

    @property
    def count(self) -> int:
        """Pixels taken in."""
        return int(self._counts[0].sum())

    def add(self, values: NDArray[np.float32]) -> None:
        """Take in the pixels ``values`` (C, n), all finite; none at all is fine."""
        for counts, band in zip(self._counts, values, strict=True):
            counts += np.bincount(_bins(band), minlength=len(counts))

    def quantiles(self, *shares: float) -> NDArray[np.float64]:
        """Values (C, len(shares)) below which these shares of each band's pixels lie."""
        below = np.cumsum(self._counts, axis=1)
        ranks = np.array(shares) * (self.count - 1)
        found = [np.searchsorted(band, ranks, side="right") for band in below]
        return _middles(np.array(found))

    def scaling(self, auxiliary: tuple[bool, ...] | None = None) -> tuple[BandScaling, ...]:
        """Centre and spread of each band; a band of one value gets the spread 1.

        Without a pixel the centre is 0.
        """
        kinds = auxiliary or (False,) * len(self._counts)
        quantiles = np.zeros((len(kinds), 3))
        if self.count:
            quantiles = self.quantiles(0.5, 0.158655, 0.841345)
        return tuple(
            BandScaling(
                centre=centre,
                spread=spread if (spread := (high - low) / 2) > _SMALLEST_SPREAD else 1.0,
                auxiliary=kind,
            )
            for (centre, low, high), kind in zip(quantiles.tolist(), kinds, strict=True)
        )


def _bins(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Number of each value's bin; bins are in the order of the values."""
    bits = np.ascontiguousarray(values, np.float32).view(np.int32).astype(np.int64)
    # the bits of negative floats ascend away from zero
    ordered = np.where(bits < 0, -(bits & 0x7FFFFFFF) - 1, bits)
    return (ordered + 2**31) >> _LOW_BITS


def _middles(bins: NDArray[np.int64]) -> NDArray[np.float64]:
    ordered = (bins << _LOW_BITS) + 2 ** (_LOW_BITS - 1) - 2**31
    bits = np.where(ordered < 0, (-(ordered + 1)) | -(2**31), ordered)
    return np.asarray(bits.astype(np.int32).view(np.float32), np.float64)
