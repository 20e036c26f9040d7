"""Mean and spread of bands, gathered piece by piece."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field


class BandScaling(BaseModel):
    """Mean and standard deviation of a band's despeckled training pixels, in dB where not said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float = Field(allow_inf_nan=False)
    std: float = Field(gt=0.0, allow_inf_nan=False)


class BandMoments:
    """Running mean and variance of several bands.

    Samples are joined as Chan, Golub & LeVeque 1979 do, without cancellation.
    """

    def __init__(self, bands: int) -> None:
        self.count = 0
        self._mean = np.zeros(bands)
        self._squares = np.zeros(bands)

    def add(self, values: NDArray[np.floating]) -> None:
        """Take in the pixels ``values`` (C, n); none at all is fine."""
        added = values.shape[1]
        if added == 0:
            return
        sample = values.astype(np.float64)
        mean = sample.mean(axis=1)
        difference = mean - self._mean
        total = self.count + added
        self._squares += ((sample - mean[:, None]) ** 2).sum(axis=1)
        self._squares += difference**2 * self.count * added / total
        self._mean += difference * added / total
        self.count = total

    def scaling(self) -> tuple[BandScaling, ...]:
        """Mean and standard deviation of each band; a band of one value gets the spread 1."""
        std = np.sqrt(self._squares / max(self.count, 1))
        return tuple(
            BandScaling(mean=float(mean), std=float(spread) if spread > 1e-3 else 1.0)
            for mean, spread in zip(self._mean, std, strict=True)
        )
