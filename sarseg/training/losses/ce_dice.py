"""Cross-entropy and Dice loss together, as nnU-Net trains.

Isensee et al. 2021, "nnU-Net" (Nature Methods 18; arXiv 1809.10486).
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from sarseg.training.losses.base import Loss
from sarseg.training.losses.cross_entropy import CrossEntropy
from sarseg.training.losses.dice import Dice


class CrossEntropyDice(Loss):
    """``cross_entropy`` times the one and ``dice`` times the other."""

    name: ClassVar[str] = "ce-dice"

    cross_entropy: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    dice: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    def weights(self, labels: Tensor, class_weights: Tensor) -> Tensor:
        """Those of cross-entropy and Dice, ``(2,)``."""
        return torch.cat([part.weights(labels, class_weights) for part in _PARTS])

    def totals(self, logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
        """See ``Loss.totals``; ``(2,)``."""
        totals = [part.totals(logits, labels, class_weights) for part in _PARTS]
        return torch.cat([self.cross_entropy * totals[0], self.dice * totals[1]])


_PARTS = (CrossEntropy(), Dice())
