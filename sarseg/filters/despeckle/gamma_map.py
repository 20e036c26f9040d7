"""The Gamma MAP filter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sarseg.filters.despeckle.local_statistics import LocalStatisticsFilter
from sarseg.kernels import compiled

if TYPE_CHECKING:
    from torch import Tensor


class GammaMap(LocalStatisticsFilter):
    """The most probable reflectivity where scene and speckle are both Gamma distributed.

    With the box's ``Ci^2`` = variance / mean^2 and ``Cu^2 = 1 / looks``: the mean where
    ``Ci <= Cu``, the value itself where ``Ci >= Cmax = sqrt(2) Cu``, and between these
    ``(b mean + sqrt(mean^2 b^2 + 4 alpha looks mean value)) / (2 alpha)`` with
    ``alpha = (1 + Cu^2) / (Ci^2 - Cu^2)`` and ``b = alpha - looks - 1``.

    Source: A. Lopes, E. Nezry, R. Touzi, H. Laur 1990, "Maximum a posteriori speckle filtering and
    first order texture models in SAR images", IGARSS, 2409-2412.
    """

    name: Literal["gamma-map"] = "gamma-map"

    def _estimate(
        self,
        value: NDArray[np.float32],
        mean: NDArray[np.float64],
        variation: NDArray[np.float64],
        looks: float,
        result: NDArray[np.float32],
    ) -> None:
        _estimate(value, mean, variation, looks, result)

    def _estimated(self, value: Tensor, mean: Tensor, variation: Tensor, looks: float) -> Tensor:
        import torch

        speckle = 1.0 / looks
        alpha = (1.0 + speckle) / (variation - speckle)
        shift = (alpha - looks - 1.0) * mean
        root = (shift**2 + 4.0 * alpha * looks * mean * value).sqrt()
        estimate = (shift + root) / (2.0 * alpha)
        estimate = torch.where(variation <= speckle, mean, estimate)
        return torch.where(variation >= 2.0 * speckle, value, estimate)


@compiled
def _estimate(
    value: NDArray[np.float32],
    mean: NDArray[np.float64],
    variation: NDArray[np.float64],
    looks: float,
    result: NDArray[np.float32],
) -> None:
    speckle = 1.0 / looks
    for pixel in range(value.size):
        if variation[pixel] <= speckle:
            result[pixel] = mean[pixel]
        elif variation[pixel] >= 2.0 * speckle:
            result[pixel] = value[pixel]
        else:
            alpha = (1.0 + speckle) / (variation[pixel] - speckle)
            shift = (alpha - looks - 1.0) * mean[pixel]
            root = math.sqrt(shift * shift + 4.0 * alpha * looks * mean[pixel] * value[pixel])
            result[pixel] = (shift + root) / (2.0 * alpha)
