"""A loss of one class inside its box: how SAM-Adapter trains."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sarseg.assessment.confusion import Scores
from sarseg.classes import NODATA
from sarseg.decoders.boxes import FOREGROUND, Box, box_of, scaled
from sarseg.model.segmenter import Segmenter
from sarseg.sam.precision import full_precision
from sarseg.training.losses.base import Loss
from sarseg.training.objectives.base import Objective


class BoxedMask(Objective[Segmenter]):
    """``loss`` of the foreground against the rest, over the images that have some.

    Each image is prompted by the bounding box of its foreground, enlarged ``box_scale`` times, in
    training as in validation: that is the published protocol, which measures how well a class is
    outlined where it is known to be. Images without foreground have no box and do not count.
    """

    def __init__(self, class_weights: Sequence[float], loss: Loss, box_scale: float) -> None:
        super().__init__()
        self.judge = loss
        self.box_scale = box_scale
        self.register_buffer("class_weights", torch.tensor(class_weights), persistent=False)
        self.class_weights: Tensor

    def weights(self, labels: Tensor) -> Tensor:
        """See ``Objective.weights``."""
        return self.judge.weights(_with_foreground(labels), self.class_weights)

    def totals(self, network: Segmenter, bands: Tensor, labels: Tensor) -> Tensor:
        """See ``Objective.totals``."""
        # what has no box is shown whole and weighs 0: every step has a gradient of every parameter
        rows, cols = labels.shape[-2:]
        shown = [box or (0.0, 0.0, cols - 1.0, rows - 1.0) for box in self._boxes(labels)]
        logits = network(bands, [labels.new_tensor([box], dtype=torch.float) for box in shown])
        with full_precision(bands.device):
            return self.judge.totals(logits.float(), _with_foreground(labels), self.class_weights)

    def logits(self, network: Segmenter, bands: Tensor, labels: Tensor) -> Tensor:
        """See ``Objective.logits``; the boxes come from ``labels``."""
        boxes = [[box] if box else [] for box in self._boxes(labels)]
        prompts = [labels.new_tensor(of_one, dtype=torch.float).reshape(-1, 4) for of_one in boxes]
        answer: Tensor = network(bands, prompts)
        return answer

    def score(self, scores: Scores) -> float:
        """IoU of the foreground; NaN where the labels hold none."""
        return scores.iou[FOREGROUND]

    def _boxes(self, labels: Tensor) -> list[Box | None]:
        size = (labels.shape[-2], labels.shape[-1])
        found = [box_of(mask) for mask in (labels == FOREGROUND).cpu().numpy()]
        return [scaled(box, self.box_scale, size) if box else None for box in found]


def _with_foreground(labels: Tensor) -> Tensor:
    """``labels`` ``(B, S, S)``, all 255 in images without foreground."""
    there = (labels == FOREGROUND).any(dim=2, keepdim=True).any(dim=1, keepdim=True)
    return labels.masked_fill(~there, NODATA)
