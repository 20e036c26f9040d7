"""Lovász-softmax: Berman et al. 2018, "The Lovász-Softmax loss" (arXiv 1705.08790)."""

from typing import ClassVar

import torch
from kornia.losses import lovasz_softmax_loss
from torch import Tensor

from sarseg.classes import NODATA
from sarseg.training.losses.base import ImageLoss, present


class Lovasz(ImageLoss):
    """The Lovász extension of ``1 - IoU``, a mean over an image's classes, weighted by class.

    Classes that an image does not hold are left out, as in the authors' code.
    """

    name: ClassVar[str] = "lovasz"

    def of_images(self, logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
        """See ``ImageLoss.of_images``."""
        weights = class_weights * present(labels, len(class_weights))
        # kornia multiplies each class by its weight and divides by the number of all classes
        factors = weights * len(class_weights) / weights.sum(1, True).clamp(min=1e-6)
        losses = []
        for image, truth, factor in zip(logits, labels, factors, strict=True):
            labelled = truth != NODATA
            pixels = image[:, labelled]
            if pixels.numel() == 0:  # kornia divides by the number of pixels
                losses.append(pixels.sum())
                continue
            losses.append(
                lovasz_softmax_loss(pixels[None, ..., None], truth[labelled][None, :, None], factor)
            )
        return torch.stack(losses)
