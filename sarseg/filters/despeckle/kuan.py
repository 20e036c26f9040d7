"""Kuan's filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sarseg.filters.despeckle.local_statistics import LocalStatisticsFilter
from sarseg.kernels import compiled

if TYPE_CHECKING:
    from torch import Tensor


class Kuan(LocalStatisticsFilter):
    """Kuan's filter: the linear estimate of least mean square error, without Lee's linearisation.

    The despeckled value is ``mean + W (value - mean)`` with
    ``W = (1 - Cu^2 / Ci^2) / (1 + Cu^2)``, at least 0, where ``Ci^2`` is the box's
    variance / mean^2 and ``Cu^2 = 1 / looks`` that of the speckle (intensity).

    Source: D. T. Kuan, A. A. Sawchuk, T. C. Strand, P. Chavel 1985, "Adaptive noise smoothing
    filter for images with signal-dependent noise", IEEE TPAMI 7(2):165-177.
    """

    name: Literal["kuan"] = "kuan"

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
        weight = (1.0 - speckle / variation.clamp(min=speckle)) / (1.0 + speckle)
        return mean + weight * (value - mean)


@compiled
def _estimate(
    value: NDArray[np.float32],
    mean: NDArray[np.float64],
    variation: NDArray[np.float64],
    speckle: float,
    result: NDArray[np.float32],
) -> None:
    for pixel in range(value.size):
        weight = (1.0 - speckle / max(variation[pixel], speckle)) / (1.0 + speckle)
        result[pixel] = mean[pixel] + weight * (value[pixel] - mean[pixel])
