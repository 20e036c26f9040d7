"""A loss of class logits, pixel by pixel."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sarseg.model.network import Network
from sarseg.sam.precision import full_precision
from sarseg.training.losses.base import Loss
from sarseg.training.objectives.base import Objective


class DensePrediction(Objective[Network]):
    """``loss`` of what the network answers, with one weight a class."""

    def __init__(self, class_weights: Sequence[float], loss: Loss) -> None:
        super().__init__()
        self.judge = loss
        self.register_buffer("class_weights", torch.tensor(class_weights), persistent=False)
        self.class_weights: Tensor

    def weights(self, labels: Tensor) -> Tensor:
        """See ``Objective.weights``."""
        return self.judge.weights(labels, self.class_weights)

    def totals(self, network: Network, bands: Tensor, labels: Tensor) -> Tensor:
        """See ``Objective.totals``."""
        logits = network(bands)
        with full_precision(bands.device):
            return self.judge.totals(logits.float(), labels, self.class_weights)
