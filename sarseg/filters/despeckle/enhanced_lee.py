"""The enhanced Lee filter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sarseg.filters.despeckle.local_statistics import LocalStatisticsFilter
from sarseg.kernels import compiled

if TYPE_CHECKING:
    from torch import Tensor


class EnhancedLee(LocalStatisticsFilter):
    """Lee's filter for three kinds of boxes, told apart by their coefficient of variation ``Ci``.

    Homogeneous ones (``Ci <= Cu = 1 / sqrt(looks)``) give their mean, those with a point target or
    an edge (``Ci >= Cmax = sqrt(1 + 2 / looks)``) leave the pixel as it is, and between these the
    despeckled value is ``mean W + value (1 - W)`` with
    ``W = exp(-damping (Ci - Cu) / (Cmax - Ci))``.

    Source: A. Lopes, R. Touzi, E. Nezry 1990, "Adaptive speckle filters and scene heterogeneity",
    IEEE TGRS 28(6):992-1000.
    """

    name: Literal["enhanced-lee"] = "enhanced-lee"
    damping: float = Field(default=1.0, gt=0.0, allow_inf_nan=False)

    def _estimate(
        self,
        value: NDArray[np.float32],
        mean: NDArray[np.float64],
        variation: NDArray[np.float64],
        looks: float,
        result: NDArray[np.float32],
    ) -> None:
        low, high = class_bounds(looks)
        _estimate(value, mean, variation, low, high, self.damping, result)

    def _estimated(self, value: Tensor, mean: Tensor, variation: Tensor, looks: float) -> Tensor:
        low, high = class_bounds(looks)
        local = variation.sqrt().clamp(low, high)
        weight = (-self.damping * (local - low) / (high - local)).exp()
        return mean * weight + value * (1.0 - weight)


def class_bounds(looks: float) -> tuple[float, float]:
    """Coefficients of variation: ``Cu`` of speckle alone, ``Cmax`` from which on pixels are kept.

    Lopes, Touzi & Nezry 1990, for intensity of ``looks``.
    """
    return math.sqrt(1.0 / looks), math.sqrt(1.0 + 2.0 / looks)


@compiled
def _estimate(
    value: NDArray[np.float32],
    mean: NDArray[np.float64],
    variation: NDArray[np.float64],
    low: float,
    high: float,
    damping: float,
    result: NDArray[np.float32],
) -> None:
    for pixel in range(value.size):
        local = math.sqrt(variation[pixel])
        if local <= low:
            result[pixel] = mean[pixel]
        elif local >= high:
            result[pixel] = value[pixel]
        else:
            weight = math.exp(-damping * (local - low) / (high - local))
            result[pixel] = mean[pixel] * weight + value[pixel] * (1.0 - weight)
