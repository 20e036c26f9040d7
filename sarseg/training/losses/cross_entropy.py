"""Weighted cross-entropy, pixel by pixel: how CWSAM trains (arXiv 2401.02326, section IV)."""

from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from sarseg.classes import NODATA
from sarseg.training.losses.base import PixelLoss


class CrossEntropy(PixelLoss):
    """``-log p`` of the labelled class."""

    name: ClassVar[str] = "cross-entropy"

    def totals(self, logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
        """See ``Loss.totals``."""
        return functional.cross_entropy(
            logits, labels, weight=class_weights, ignore_index=NODATA, reduction="sum"
        ).reshape(1)
