"""SAM's image encoder, with one place where an adaptation method can add to the tokens."""

from collections.abc import Iterator
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sarseg.sam.architecture import SamArchitecture
from sarseg.sam.attention import FusedAttention
from sarseg.sam.linear import TokenLinear
from sarseg.sam.package import common, image_encoder

LayerNorm = partial(nn.LayerNorm, eps=1e-6)


class PromptGenerator(Protocol):
    """Makes what is added to the tokens between the blocks."""

    def __call__(self, image: Tensor, embedded: Tensor, tokens: Tensor) -> Iterator[Tensor]:
        """Additions ``(B, h, w, D)``: one before each block, and perhaps one after the last.

        ``image`` is ``(B, 3, S, S)``; ``embedded`` its patch embedding ``(B, h, w, D)``; ``tokens``
        the same with the position table added.
        """
        ...


class AuxiliaryLoss:
    """A layer that wants something added to the training loss: mixed into an ``nn.Module``."""

    auxiliary_loss: Tensor
    """Scalar, of the latest forward pass; its gradient reaches the layer's parameters."""


class Block(nn.Module):
    """SAM's transformer block: attention in windows (or over the whole map), then an MLP."""

    def __init__(self, sizes: SamArchitecture, window_size: int) -> None:
        super().__init__()
        side = window_size or sizes.image_size // sizes.patch_size
        self.window_size = window_size
        self.norm1 = LayerNorm(sizes.embed_dim)
        self.attn = FusedAttention(
            sizes.embed_dim, sizes.num_heads, use_rel_pos=True, input_size=(side, side)
        )
        self.norm2 = LayerNorm(sizes.embed_dim)
        self.mlp = common.MLPBlock(sizes.embed_dim, 4 * sizes.embed_dim)
        self.mlp.lin1 = TokenLinear(sizes.embed_dim, 4 * sizes.embed_dim)
        self.mlp.lin2 = TokenLinear(4 * sizes.embed_dim, sizes.embed_dim)

    def adopt(self, block: "Block") -> None:
        """Take the parts of ``block`` for one's own: what a subclass does in place of the above."""
        nn.Module.__init__(self)
        self.window_size = block.window_size
        self.norm1, self.attn = block.norm1, block.attn
        self.norm2, self.mlp = block.norm2, block.mlp

    def forward(self, x: Tensor) -> Tensor:
        """``(B, h, w, D) -> (B, h, w, D)``."""
        x = x + self.attend(self.norm1(x))
        updated: Tensor = x + self.mlp(self.norm2(x))
        return updated

    def attend(self, x: Tensor, extra: Tensor | None = None) -> Tensor:
        """Attention alone, in windows padded with zeros at the bottom and right.

        ``extra`` (P, D) are further tokens that every window attends to.
        """
        if self.window_size == 0:
            attended: Tensor = self.attn(x, extra)
            return attended
        size = x.shape[1:3]
        windows, padded_size = image_encoder.window_partition(x, self.window_size)
        merged: Tensor = image_encoder.window_unpartition(
            self.attn(windows, extra), self.window_size, padded_size, size
        )
        return merged


class ImageEncoder(nn.Module):
    """SAM's ViT image encoder (segment_anything's parameter names).

    ``prompt_generator`` is None in SAM itself; an adaptation method may set it. With
    ``gradient_checkpointing`` a training step keeps the blocks' inputs alone, and computes the
    rest anew for the gradients: less memory, a third more time.
    """

    def __init__(self, sizes: SamArchitecture) -> None:
        super().__init__()
        side = sizes.image_size // sizes.patch_size
        self.sizes = sizes
        self.patch_embed = image_encoder.PatchEmbed(
            kernel_size=(sizes.patch_size, sizes.patch_size),
            stride=(sizes.patch_size, sizes.patch_size),
            embed_dim=sizes.embed_dim,
        )
        self.pos_embed = nn.Parameter(torch.zeros(1, side, side, sizes.embed_dim))
        self.blocks = nn.ModuleList(
            Block(sizes, 0 if i in sizes.global_attn_indexes else sizes.window_size)
            for i in range(sizes.depth)
        )
        self.neck = nn.Sequential(
            nn.Conv2d(sizes.embed_dim, sizes.out_chans, kernel_size=1, bias=False),
            common.LayerNorm2d(sizes.out_chans),
            nn.Conv2d(sizes.out_chans, sizes.out_chans, kernel_size=3, padding=1, bias=False),
            common.LayerNorm2d(sizes.out_chans),
        )
        self.prompt_generator: nn.Module | None = None
        self.gradient_checkpointing = False

    def forward(self, image: Tensor) -> Tensor:
        """Embed normalised images: ``(B, 3, S, S) -> (B, out_chans, S / p, S / p)``."""
        embedded = self.patch_embed(image)
        tokens = embedded + self._positions(*embedded.shape[1:3])
        additions: Iterator[Tensor] = iter(())
        if self.prompt_generator is not None:
            additions = self.prompt_generator(image, embedded, tokens)
        for block in self.blocks:
            tokens = self._run(block, tokens + next(additions, 0.0))
        tokens = tokens + next(additions, 0.0)
        embedding: Tensor = self.neck(tokens.permute(0, 3, 1, 2))
        return embedding

    def auxiliary_loss(self) -> Tensor:
        """What the layers of the method add to the loss of the latest forward pass: a scalar.

        To be asked for once a pass: the layers then let go of what its gradient needs.
        """
        layers = [layer for layer in self.modules() if isinstance(layer, AuxiliaryLoss)]
        losses = [layer.auxiliary_loss for layer in layers]
        for layer in layers:
            layer.auxiliary_loss = layer.auxiliary_loss.detach()
        return torch.stack(losses).sum() if losses else self.pos_embed.new_zeros(())

    def _run(self, block: nn.Module, tokens: Tensor) -> Tensor:
        if self.gradient_checkpointing and self.training:
            recomputed: Tensor = checkpoint(block, tokens, use_reentrant=False)
            return recomputed
        ran: Tensor = block(tokens)
        return ran

    def plain_blocks(self) -> list[Block]:
        """The blocks in order, for a method that puts others in their place."""
        return [block for block in self.blocks if isinstance(block, Block)]

    def _positions(self, height: int, width: int) -> Tensor:
        """Position table for a grid of ``height`` x ``width`` patches: ``(1, h, w, D)``.

        Resized by bicubic interpolation, as in ViTDet (Li et al. 2022) and SAM 2; segment_anything
        itself resizes the tables of relative positions, linearly.
        """
        if self.pos_embed.shape[1:3] == (height, width):
            return self.pos_embed
        table = functional.interpolate(
            self.pos_embed.permute(0, 3, 1, 2),
            size=(height, width),
            mode="bicubic",
            align_corners=False,
            antialias=False,
        )
        return table.permute(0, 2, 3, 1)
