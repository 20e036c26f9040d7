"""SAM's image encoder, with one place where an adaptation method can add to the tokens."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from sarseg.sam.architecture import SamArchitecture
from sarseg.sam.attention import FusedAttention
from sarseg.sam.package import common, image_encoder

LayerNorm = partial(nn.LayerNorm, eps=1e-6)


class PromptGenerator(Protocol):
    """Makes what is added to the tokens before each block."""

    def __call__(self, image: Tensor, embedded: Tensor) -> Iterator[Tensor]:
        """One addition ``(B, h, w, D)`` a block, from the input and its patch embedding.

        ``image`` is ``(B, 3, S, S)``; ``embedded`` is ``(B, h, w, D)``, before the position table.
        """
        ...


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

    def forward(self, x: Tensor) -> Tensor:
        """``(B, h, w, D) -> (B, h, w, D)``."""
        x = x + self.attend(self.norm1(x))
        updated: Tensor = x + self.mlp(self.norm2(x))
        return updated

    def attend(self, x: Tensor) -> Tensor:
        """Attention alone, in windows padded with zeros at the bottom and right."""
        if self.window_size == 0:
            attended: Tensor = self.attn(x)
            return attended
        size = x.shape[1:3]
        windows, padded_size = image_encoder.window_partition(x, self.window_size)
        merged: Tensor = image_encoder.window_unpartition(
            self.attn(windows), self.window_size, padded_size, size
        )
        return merged


class ImageEncoder(nn.Module):
    """SAM's ViT image encoder (segment_anything's parameter names).

    ``prompt_generator`` is None in SAM itself; an adaptation method may set it.
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

    def forward(self, image: Tensor) -> Tensor:
        """Embed normalised images: ``(B, 3, S, S) -> (B, out_chans, S / p, S / p)``."""
        embedded = self.patch_embed(image)
        prompts: Iterable[Tensor | float] = repeat(0.0)
        if self.prompt_generator is not None:
            prompts = self.prompt_generator(image, embedded)
        tokens = embedded + self._positions(*embedded.shape[1:3])
        for block, prompt in zip(self.blocks, prompts, strict=False):
            tokens = block(tokens + prompt)
        embedding: Tensor = self.neck(tokens.permute(0, 3, 1, 2))
        return embedding

    def plain_blocks(self) -> list[Block]:
        """The blocks in order, for a method that puts others in their place."""
        return [block for block in self.blocks if isinstance(block, Block)]

    def _positions(self, height: int, width: int) -> Tensor:
        """Position table for a grid of ``height`` x ``width`` patches: ``(1, h, w, D)``."""
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
