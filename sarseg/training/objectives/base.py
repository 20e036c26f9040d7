"""What training asks of an objective."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from torch import Tensor, nn

from sarseg.assessment.confusion import Scores
from sarseg.model.network import Network

Network_contra = TypeVar("Network_contra", bound=Network, contravariant=True)
"""The networks that an objective can judge."""


class Objective(nn.Module, ABC, Generic[Network_contra]):
    """How a network is judged in training; its tensors move with the model's.

    Its loss is the sum of T terms, each a total over a batch divided by a weight. Both add up over
    the parts of a batch. ``bands`` are ``(B, C, S, S)`` as the network takes them, ``labels``
    ``(B, S, S)`` int64, class indices or 255 for pixels that do not count.
    """

    @abstractmethod
    def weights(self, labels: Tensor) -> Tensor:
        """What each total is divided by, ``(T,)``; 0 where the batch has nothing that counts."""

    @abstractmethod
    def totals(self, network: Network_contra, bands: Tensor, labels: Tensor) -> Tensor:
        """Sum of each term over the batch, ``(T,)``; 0, with a gradient, where the weight is 0."""

    def loss(self, network: Network_contra, bands: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss of one batch by itself; 0, with a gradient, where nothing counts."""
        return normalised(self.totals(network, bands, labels), self.weights(labels))

    def logits(self, network: Network_contra, bands: Tensor, labels: Tensor) -> Tensor:
        """Logits ``(B, K, S, S)`` that validation scores; only prompts may come from ``labels``."""
        answer: Tensor = network(bands)
        return answer

    def score(self, scores: Scores) -> float:
        """The figure that chooses the best epoch: larger is better."""
        return scores.miou


def normalised(totals: Tensor, weights: Tensor) -> Tensor:
    """Scalar ``sum_t totals_t / weights_t`` of two ``(T,)``; terms that weigh 0 are left as 0."""
    return (totals / weights.where(weights > 0, 1)).sum()
