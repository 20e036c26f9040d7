"""Soft Dice loss of each class in an image.

Milletari et al. 2016, "V-Net" (arXiv 1606.04797), with plain sums in the denominator as in
Drozdzal et al. 2016 (arXiv 1608.04117), and the mean over the classes that the image holds.
"""

from typing import ClassVar

import torch
from kornia.losses import dice_loss
from torch import Tensor

from sarseg.classes import NODATA
from sarseg.training.losses.base import ImageLoss


class Dice(ImageLoss):
    """``1 - 2 sum(p t) / sum(p + t)``, a mean over an image's classes, weighted by class."""

    name: ClassVar[str] = "dice"

    def of_images(self, logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
        """See ``ImageLoss.of_images``."""
        losses = [
            dice_loss(image[None], truth[None], "macro", weight=class_weights, ignore_index=NODATA)
            for image, truth in zip(logits, labels, strict=True)
        ]
        return torch.stack(losses)
