"""What training asks of an objective."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from sarseg.assessment.confusion import Scores
from sarseg.model.segmenter import Segmenter


class Objective(nn.Module, ABC):
    """How a segmenter is judged in training; its tensors move with the model's."""

    @abstractmethod
    def loss(self, segmenter: Segmenter, bands: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss of a batch.

        ``bands`` ``(B, C, S, S)`` as the segmenter takes them; ``labels`` ``(B, S, S)`` int64,
        class indices or 255 for pixels that do not count. A batch without any pixel that counts
        gives 0, with a gradient.
        """

    def logits(self, segmenter: Segmenter, bands: Tensor, labels: Tensor) -> Tensor:
        """Logits ``(B, K, S, S)`` that validation scores; only prompts may come from ``labels``."""
        answer: Tensor = segmenter(bands)
        return answer

    def score(self, scores: Scores) -> float:
        """The figure that chooses the best epoch: larger is better."""
        return scores.miou
