"""Weighted cross-entropy, pixel by pixel: how CWSAM trains its classwise decoder."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from sarseg.classes import NODATA
from sarseg.model.segmenter import Segmenter
from sarseg.training.objectives.base import Objective


class CrossEntropy(Objective):
    """Mean over the labelled pixels of a batch, weighted by class (arXiv 2401.02326, sec. IV)."""

    def __init__(self, class_weights: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("class_weights", torch.tensor(class_weights), persistent=False)
        self.class_weights: Tensor

    def loss(self, segmenter: Segmenter, bands: Tensor, labels: Tensor) -> Tensor:
        """See ``Objective.loss``."""
        logits = segmenter(bands).float()
        # summed and divided here: a batch without any labelled pixel gives 0, not NaN
        total = functional.cross_entropy(
            logits, labels, weight=self.class_weights, ignore_index=NODATA, reduction="sum"
        )
        labelled = labels[labels != NODATA]
        return total / self.class_weights[labelled].sum().clamp(min=1e-6)
