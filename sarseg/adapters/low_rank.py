"""A linear layer with low-rank updates beside it: what LoRA and Conv-LoRA share."""

import math

import torch
from torch import nn

from sarseg.sam.linear import TokenLinear


class LowRankLinear(TokenLinear):
    """Takes the place of ``linear``, shares its parameters, and leaves them under their names."""

    def __init__(self, linear: nn.Linear) -> None:
        # on the meta device, for these values are never used
        super().__init__(linear.in_features, linear.out_features, device="meta")
        self.weight, self.bias = linear.weight, linear.bias


def down_projection(rank: int, dim: int) -> nn.Parameter:
    """LoRA's A ``(rank, dim)``, drawn as PyTorch draws the weights of linear layers."""
    weight = nn.Parameter(torch.empty(rank, dim))
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
    return weight


def up_projection(dim: int, rank: int) -> nn.Parameter:
    """LoRA's B ``(dim, rank)``, zero: the update begins as none."""
    return nn.Parameter(torch.zeros(dim, rank))
