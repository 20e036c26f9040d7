"""LoRA on the queries and values of every attention.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685), placed as
in Zhang & Liu 2023, "Customized Segment Anything Model for Medical Image Segmentation" (SAMed,
arXiv 2304.13785).
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from sarseg.adapters.base import AdaptationMethod
from sarseg.adapters.low_rank import LowRankLinear, down_projection, up_projection
from sarseg.sam.encoder import ImageEncoder


class Lora(AdaptationMethod):
    """Settings of LoRA."""

    name: ClassVar[str] = "lora"

    rank: int = Field(default=4, ge=1)
    alpha: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The updates are multiplied by alpha / rank; None: alpha is the rank, as in SAMed."""

    @property
    def scale(self) -> float:
        """What the updates are multiplied by."""
        return 1.0 if self.alpha is None else self.alpha / self.rank

    def install(self, encoder: ImageEncoder) -> None:
        """Freeze ``encoder`` and add two low-rank updates to every attention."""
        encoder.requires_grad_(False)
        for block in encoder.plain_blocks():
            block.attn.qkv = QueryValueLora(block.attn.qkv, self.rank, self.scale)


class QueryValueLora(LowRankLinear):
    """``W x + scale * B A x`` for the queries and the values; the keys stay ``W x``."""

    def __init__(self, qkv: nn.Linear, rank: int, scale: float) -> None:
        super().__init__(qkv)
        self.scale = scale
        dim = self.in_features
        self.lora_A_q, self.lora_B_q = down_projection(rank, dim), up_projection(dim, rank)
        self.lora_A_v, self.lora_B_v = down_projection(rank, dim), up_projection(dim, rank)

    def forward(self, x: Tensor) -> Tensor:
        """``(…, D) -> (…, 3 D)``: queries, keys, values."""
        query = functional.linear(functional.linear(x, self.lora_A_q), self.lora_B_q)
        value = functional.linear(functional.linear(x, self.lora_A_v), self.lora_B_v)
        update = torch.cat([query, torch.zeros_like(query), value], dim=-1)
        return super().forward(x) + self.scale * update
