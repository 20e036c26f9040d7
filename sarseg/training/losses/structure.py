"""Structure loss of one class: pixels near its outline count up to six times.

Wei et al. 2020, "F3Net: Fusion, Feedback and Focus for Salient Object Detection" (arXiv
1911.11445), section 3.4; Conv-LoRA (arXiv 2401.17868) trains binary tasks by it.
"""

from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from sarseg.training.losses.base import MaskLoss

BOUNDARY = 5.0
"""What a pixel among pixels of the other class weighs more than one among its own."""

SIDE = 31
"""Pixels of a side of the square in which a pixel is compared with those round it."""

SMOOTH = 1.0
"""Pixels added to intersection and union."""


class Structure(MaskLoss):
    """Weighted BCE and weighted ``1 - IoU`` of the foreground's mask.

    A pixel weighs ``1 + 5 |m - t|``, t its truth and m the mean truth of the 31 x 31 round it, from
    which unlabelled pixels are left out. As in the released code, what lies beyond the image counts
    as background there.
    """

    name: ClassVar[str] = "structure"

    def of_masks(self, masks: Tensor, truth: Tensor, labelled: Tensor) -> Tensor:
        """See ``MaskLoss.of_masks``."""
        compared = SIDE**2 - _square_sums(1 - labelled)
        around = _square_sums(truth) / compared.clamp(min=1)
        weights = (1 + BOUNDARY * (around - truth).abs()) * labelled
        bce = functional.binary_cross_entropy_with_logits(masks, truth, weights, reduction="none")
        inside = masks.sigmoid() * weights
        intersection = (inside * truth).sum(dim=(1, 2))
        union = inside.sum(dim=(1, 2)) + (weights * truth).sum(dim=(1, 2)) - intersection
        iou = (intersection + SMOOTH) / (union + SMOOTH)
        return bce.sum(dim=(1, 2)) / weights.sum(dim=(1, 2)).clamp(min=1) + 1 - iou


def _square_sums(values: Tensor) -> Tensor:
    """Sums of ``values`` ``(B, S, S)`` over the square round each pixel, same shape."""
    reach = SIDE // 2
    columns = functional.avg_pool2d(values, (SIDE, 1), 1, (reach, 0), divisor_override=1)
    return functional.avg_pool2d(columns, (1, SIDE), 1, (0, reach), divisor_override=1)
