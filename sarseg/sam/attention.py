"""SAM's attention with decomposed relative positions, through one fused kernel.

segment_anything adds the bias ``q . Rh[qh - kh] + q . Rw[qw - kw]`` to a materialised N x N matrix.
The same numbers come out of a plain dot product when query and key are made longer::

    q' = [scale * q, q . Rh[qh - :], q . Rw[qw - :]]        width d + H + W
    k' = [k,         onehot(kh),     onehot(kw)]

so that ``q' . k'`` is the biased score, and ``scaled_dot_product_attention`` never holds the
matrix. The value is padded with zeros to the same width, which the CPU's fused kernel asks for.
"""

import torch
from torch import Tensor
from torch.nn import functional

from sarseg.sam.package import image_encoder


class FusedAttention(image_encoder.Attention):  # type: ignore[misc, name-defined]
    """Drop-in for ``segment_anything``'s ``Attention``: same parameters, same result."""

    def forward(self, x: Tensor) -> Tensor:
        """Attend within each map: ``(B, H, W, D) -> (B, H, W, D)``."""
        batch, height, width, dim = x.shape
        qkv = self.qkv(x).reshape(batch, height * width, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, N, d)
        head_dim = query.shape[-1]

        bias_h, bias_w = self._relative_positions(query, height, width)
        query = torch.cat([query * self.scale, bias_h, bias_w], dim=-1)
        key = torch.cat([key, _one_hot_positions(key, height, width)], dim=-1)
        value = functional.pad(value, (0, height + width))
        mixed = functional.scaled_dot_product_attention(query, key, value, scale=1.0)

        mixed = mixed[..., :head_dim].transpose(1, 2).reshape(batch, height, width, dim)
        projected: Tensor = self.proj(mixed)
        return projected

    def _relative_positions(self, query: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Bias of each query towards each key row ``(B, heads, N, H)`` and column ``(…, W)``."""
        table_h = image_encoder.get_rel_pos(height, height, self.rel_pos_h).to(query.dtype)
        table_w = image_encoder.get_rel_pos(width, width, self.rel_pos_w).to(query.dtype)
        grid = query.reshape(*query.shape[:2], height, width, -1)
        bias_h = torch.einsum("bnhwd,hkd->bnhwk", grid, table_h)
        bias_w = torch.einsum("bnhwd,wkd->bnhwk", grid, table_w)
        return bias_h.flatten(2, 3), bias_w.flatten(2, 3)


def _one_hot_positions(key: Tensor, height: int, width: int) -> Tensor:
    """Row and column of every key as unit vectors: ``(B, heads, N, H + W)``."""
    rows = torch.eye(height, dtype=key.dtype, device=key.device)
    cols = torch.eye(width, dtype=key.dtype, device=key.device)
    positions = torch.cat([rows.repeat_interleave(width, 0), cols.repeat(height, 1)], dim=-1)
    return positions.expand(*key.shape[:2], -1, -1)
