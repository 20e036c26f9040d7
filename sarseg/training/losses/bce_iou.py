"""Binary cross-entropy and IoU loss of one class: how SAM-Adapter trains.

Chen et al. 2023, "SAM-Adapter" (arXiv 2304.09148).
"""

from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from sarseg.training.losses.base import MaskLoss

SMOOTH = 1e-3
"""Pixels added to intersection and union."""


class BceIou(MaskLoss):
    """``BCE + (1 - IoU)`` of the foreground's mask."""

    name: ClassVar[str] = "bce-iou"

    def of_masks(self, masks: Tensor, truth: Tensor, labelled: Tensor) -> Tensor:
        """See ``MaskLoss.of_masks``."""
        bce = functional.binary_cross_entropy_with_logits(masks, truth, labelled, reduction="none")
        inside = masks.sigmoid() * labelled
        intersection = (inside * truth).sum(dim=(1, 2))
        union = inside.sum(dim=(1, 2)) + truth.sum(dim=(1, 2)) - intersection
        iou = (intersection + SMOOTH) / (union + SMOOTH)
        return bce.sum(dim=(1, 2)) / labelled.sum(dim=(1, 2)).clamp(min=1) + 1 - iou
