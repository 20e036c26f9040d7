"""Lee's filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sarseg.filters.despeckle.local_statistics import LocalStatisticsFilter
from sarseg.kernels import compiled

if TYPE_CHECKING:
    from torch import Tensor


class Lee(LocalStatisticsFilter):
    """Lee's local-statistics filter for multiplicative speckle.

    The despeckled value is ``mean + k (value - mean)`` with the mean and variance of a box of
    ``size`` x ``size`` pixels and ``k = Q / (mean^2 Cu^2 + Q)``, where
    ``Q = (variance + mean^2) / (1 + Cu^2) - mean^2``, at least 0, is the variance of the scene
    without speckle and ``Cu^2 = 1 / looks`` that of the speckle (intensity).

    Source: J.-S. Lee 1980, "Digital image enhancement and noise filtering by use of local
    statistics", IEEE TPAMI 2(2):165-168.
    """

    name: Literal["lee"] = "lee"
    size: int = Field(default=5, ge=1, le=101)
    looks: float | None = Field(default=4.0, gt=0.0, allow_inf_nan=False)

    def _estimate(
        self,
        value: NDArray[np.float32],
        mean: NDArray[np.float64],
        variation: NDArray[np.float64],
        looks: float,
        result: NDArray[np.float32],
    ) -> None:
        _estimate(value, mean, variation, 1.0 / looks, result)

    def _estimated(self, value: Tensor, mean: Tensor, variation: Tensor, looks: float) -> Tensor:
        speckle = 1.0 / looks
        texture = (variation - speckle).clamp(min=0.0) / (1.0 + speckle)
        return mean + texture / (speckle + texture) * (value - mean)


@compiled
def _estimate(
    value: NDArray[np.float32],
    mean: NDArray[np.float64],
    variation: NDArray[np.float64],
    speckle: float,
    result: NDArray[np.float32],
) -> None:
    for pixel in range(value.size):
        texture = max(variation[pixel] - speckle, 0.0) / (1.0 + speckle)
        gain = texture / (speckle + texture)
        result[pixel] = mean[pixel] + gain * (value[pixel] - mean[pixel])
