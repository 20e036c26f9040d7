"""The enhanced Frost filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sarseg.filters.despeckle.enhanced_lee import class_bounds
from sarseg.filters.despeckle.frost import DistanceWeightedFilter

if TYPE_CHECKING:
    from torch import Tensor


class EnhancedFrost(DistanceWeightedFilter):
    """Frost's filter for three kinds of boxes, told apart by their coefficient of variation ``Ci``.

    Homogeneous ones (``Ci <= Cu = 1 / sqrt(looks)``) give their mean, those with a point target or
    an edge (``Ci >= Cmax = sqrt(1 + 2 / looks)``) leave the pixel as it is, and between these the
    despeckled value is the mean of the box with the weights
    ``exp(-damping (Ci - Cu) / (Cmax - Ci) |t|)``.

    Source: A. Lopes, R. Touzi, E. Nezry 1990, "Adaptive speckle filters and scene heterogeneity",
    IEEE TGRS 28(6):992-1000.
    """

    name: Literal["enhanced-frost"] = "enhanced-frost"
    damping: float = Field(default=1.0, gt=0.0, allow_inf_nan=False)

    def _decay(self, variation: NDArray[np.float64], looks: float) -> NDArray[np.float64]:
        low, high = class_bounds(looks)
        local = np.clip(np.sqrt(variation), low, high)
        with np.errstate(divide="ignore"):
            return self.damping * (local - low) / (high - local)

    def _tensor_decay(self, variation: Tensor, looks: float) -> Tensor:
        low, high = class_bounds(looks)
        local = variation.sqrt().clamp(low, high)
        return self.damping * (local - low) / (high - local)
