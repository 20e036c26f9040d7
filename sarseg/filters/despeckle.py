"""Speckle filters on linear intensity."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator
from scipy import ndimage


class Lee(BaseModel):
    """Lee's local-statistics filter for multiplicative speckle.

    The despeckled value is ``mean + k (value - mean)`` with the mean and variance of a box of
    ``size`` x ``size`` pixels and ``k = Q / (mean^2 Cu^2 + Q)``, where
    ``Q = (variance + mean^2) / (1 + Cu^2) - mean^2`` is the variance of the scene without speckle
    and ``Cu^2 = 1 / looks`` that of the speckle (intensity). Statistics come from the valid pixels
    of the box alone.

    Source: J.-S. Lee 1980, "Digital image enhancement and noise filtering by use of local
    statistics", IEEE TPAMI 2(2):165-168.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["lee"] = "lee"
    size: int = Field(default=5, ge=1, le=101)
    looks: float = Field(default=4.0, gt=0.0, allow_inf_nan=False)

    @field_validator("size")
    @classmethod
    def _odd(cls, size: int) -> int:
        if size % 2 == 0:
            raise ValueError("size must be odd, so that the box has a middle pixel")
        return size

    @property
    def margin(self) -> int:
        """Pixels needed on every side of a window."""
        return self.size // 2

    def __call__(
        self, intensity: NDArray[np.float32], valid: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Despeckled ``intensity`` (C, h, w); invalid pixels (``valid`` (h, w)) pass through."""
        known = np.where(valid, intensity, 0.0).astype(np.float64)
        count = np.maximum(self._box_sum(valid.astype(np.float64)), 1.0)
        mean = self._box_sum(known) / count
        mean_squared = mean**2
        variance = np.maximum(self._box_sum(known**2) / count - mean_squared, 0.0)
        speckle = 1.0 / self.looks
        signal = np.maximum((variance - mean_squared * speckle) / (1.0 + speckle), 0.0)
        total = mean_squared * speckle + signal
        gain = np.divide(signal, total, out=np.zeros_like(total), where=total > 0.0)
        return np.where(valid, mean + gain * (known - mean), intensity).astype(np.float32)

    def _box_sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        # Not a running sum: its rounding depends on where it started, so that a window would
        # differ from the same window of the whole wherever bright targets have passed through.
        ones = np.ones(self.size)
        rows = ndimage.correlate1d(values, ones, axis=-2, mode="constant")
        return np.asarray(ndimage.correlate1d(rows, ones, axis=-1, mode="constant"))
