"""Binary cross-entropy and IoU loss of one class inside its box: how SAM-Adapter trains."""

import torch
from torch import Tensor
from torch.nn import functional

from sarseg.assessment.confusion import Scores
from sarseg.classes import NODATA
from sarseg.decoders.boxes import FOREGROUND, Box, box_of, scaled
from sarseg.model.segmenter import Segmenter
from sarseg.training.objectives.base import Objective

SMOOTH = 1e-3
"""Pixels added to intersection and union."""


class BoxedMask(Objective):
    """``BCE + (1 - IoU)`` of the foreground's mask, the mean over the images that have some.

    Each image is prompted by the bounding box of its foreground, enlarged ``box_scale`` times, in
    training as in validation: that is the published protocol, which measures how well a class is
    outlined where it is known to be. Images without foreground have no box and do not count.
    """

    def __init__(self, box_scale: float) -> None:
        super().__init__()
        self.box_scale = box_scale

    def loss(self, segmenter: Segmenter, bands: Tensor, labels: Tensor) -> Tensor:
        """See ``Objective.loss``."""
        boxes = self._boxes(labels)
        # what has no box is shown whole and weighs 0: every step has a gradient of every parameter
        rows, cols = labels.shape[-2:]
        shown = [box or (0.0, 0.0, cols - 1.0, rows - 1.0) for box in boxes]
        logits = segmenter(bands, [labels.new_tensor([box], dtype=torch.float) for box in shown])
        masks: Tensor = logits[:, FOREGROUND].float()  # the other class has the logit 0
        weights = masks.new_tensor([box is not None for box in boxes])
        return (weights * mask_losses(masks, labels)).sum() / weights.sum().clamp(min=1)

    def logits(self, segmenter: Segmenter, bands: Tensor, labels: Tensor) -> Tensor:
        """See ``Objective.logits``; the boxes come from ``labels``."""
        boxes = [[box] if box else [] for box in self._boxes(labels)]
        prompts = [labels.new_tensor(of_one, dtype=torch.float).reshape(-1, 4) for of_one in boxes]
        answer: Tensor = segmenter(bands, prompts)
        return answer

    def score(self, scores: Scores) -> float:
        """IoU of the foreground; NaN where the labels hold none."""
        return scores.iou[FOREGROUND]

    def _boxes(self, labels: Tensor) -> list[Box | None]:
        size = (labels.shape[-2], labels.shape[-1])
        found = [box_of(mask) for mask in (labels == FOREGROUND).cpu().numpy()]
        return [scaled(box, self.box_scale, size) if box else None for box in found]


def mask_losses(masks: Tensor, labels: Tensor) -> Tensor:
    """``BCE + (1 - IoU)`` of each image's mask logits: ``(B, S, S) -> (B,)``.

    Pixels with the label 255 are left out of both.
    """
    labelled = (labels != NODATA).float()
    target = (labels == FOREGROUND).float()
    bce = functional.binary_cross_entropy_with_logits(masks, target, labelled, reduction="none")
    inside = masks.sigmoid() * labelled
    intersection = (inside * target).sum(dim=(1, 2))
    union = inside.sum(dim=(1, 2)) + target.sum(dim=(1, 2)) - intersection
    iou = (intersection + SMOOTH) / (union + SMOOTH)
    return bce.sum(dim=(1, 2)) / labelled.sum(dim=(1, 2)).clamp(min=1) + 1 - iou
