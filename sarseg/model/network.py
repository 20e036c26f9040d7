"""What training, prediction and comparison ask of a network, whatever it is made of."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Network(nn.Module, ABC):
    """Scaled bands of a tile in, logits of ``num_classes`` classes out."""

    num_classes: int

    @abstractmethod
    def forward(self, bands: Tensor) -> Tensor:
        """Logits at full resolution: ``(B, C, S, S) -> (B, K, S, S)``.

        ``bands`` are standardised (mean 0, standard deviation 1 over the training pixels). Invalid
        pixels hold mirrored valid ones; padding, chips without any valid pixel, and bands that are
        missing are 0.
        """

    def auxiliary_loss(self) -> Tensor:
        """What the last forward adds to the loss of its batch, a scalar: nothing, for most."""
        return torch.zeros(())
