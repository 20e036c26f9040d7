"""Visual prompt tuning, deep: learned tokens that every window may look at.

Jia et al. 2022, "Visual Prompt Tuning" (arXiv 2203.12119), section 3.2, in the form that it gives
to encoders with windows (appendix A: prompts enter every window and are left out of merging).
"""

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from sarseg.adapters.base import AdaptationMethod
from sarseg.sam.encoder import Block, ImageEncoder


class Vpt(AdaptationMethod):
    """Settings of visual prompt tuning.

    Its prompts take a share of the attention from the first, so that, unlike the other methods, it
    moves the encoder's output before any training.
    """

    name: ClassVar[str] = "vpt"

    num_tokens: int = Field(default=8, ge=1)
    """Prompts of each block."""

    def install(self, encoder: ImageEncoder) -> None:
        """Freeze ``encoder`` and give prompts to every block."""
        encoder.requires_grad_(False)
        patch_size = encoder.sizes.patch_size
        prompted = (PromptedBlock(b, self.num_tokens, patch_size) for b in encoder.plain_blocks())
        encoder.blocks = nn.ModuleList(prompted)


class PromptedBlock(Block):
    """A frozen block whose attention has learned tokens as further keys and values.

    What the prompts themselves would become is never computed: the next block has its own.
    """

    def __init__(self, block: Block, num_tokens: int, patch_size: int) -> None:
        self.adopt(block)
        dim = block.norm1.normalized_shape[0]
        # Xavier's bound for the projection of a patch of three channels, as the paper draws them
        bound = math.sqrt(6 / (3 * patch_size**2 + dim))
        self.prompts = nn.Parameter(torch.empty(num_tokens, dim).uniform_(-bound, bound))

    def attend(self, x: Tensor, extra: Tensor | None = None) -> Tensor:
        """Attention with the prompts; every window sees the same."""
        return super().attend(x, self.norm1(self.prompts))
