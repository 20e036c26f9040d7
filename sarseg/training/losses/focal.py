"""Focal loss: Lin et al. 2017, "Focal Loss for Dense Object Detection" (arXiv 1708.02002)."""

from typing import ClassVar

from kornia.losses import focal_loss
from pydantic import Field
from torch import Tensor

from sarseg.classes import NODATA
from sarseg.training.losses.base import PixelLoss


class Focal(PixelLoss):
    """``-(1 - p)^gamma log p`` of the labelled class: cross-entropy that spares the easy pixels.

    The paper's alpha is the class weight. With gamma 0 it is the weighted cross-entropy.
    """

    name: ClassVar[str] = "focal"

    gamma: float = Field(default=2.0, ge=0, allow_inf_nan=False)

    def totals(self, logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
        """See ``Loss.totals``."""
        return focal_loss(
            logits,
            labels,
            alpha=None,
            gamma=self.gamma,
            reduction="sum",
            weight=class_weights,
            ignore_index=NODATA,
        ).reshape(1)
