"""SAM's attention with decomposed relative positions, exact and without the N x N matrix.

segment_anything adds the bias ``q . Rh[qh - kh] + q . Rw[qw - kw]`` (``q`` not scaled) to the
scores ``scale * q . k``, over all N queries and N keys at once. The same numbers come from two
shorter ways, one for each kind of device:

- on the CPU, block by block: as many heads and rows of queries at a time as the cache holds. (When
  gradients are recorded the blocks' softmax is kept for them, as it is in segment_anything.)
- elsewhere, through a fused kernel. It takes no cheap bias, so the bias becomes part of the dot
  product, with query and key made longer::

      q' = [scale * q, q . Rh[qh - :], q . Rw[qw - :]]        width d + H + W
      k' = [k,         onehot(kh),     onehot(kw)]

Shapes below: G maps and heads together (B * heads), H x W the map, N = H * W queries, M >= N keys.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sarseg.sam.linear import TokenLinear
from sarseg.sam.package import image_encoder

_BLOCK_SCORES = 2**21
"""Scores in a block: 8 MiB in float32, which stay in the cache and which malloc keeps for reuse."""

_LANES = 8


class FusedAttention(image_encoder.Attention):  # type: ignore[misc, name-defined]
    """Drop-in for ``segment_anything``'s ``Attention``: same parameters, same result."""

    def __init__(self, dim: int, num_heads: int, **options: Any) -> None:
        super().__init__(dim, num_heads, **options)
        self.qkv = TokenLinear(dim, 3 * dim)
        self.proj = TokenLinear(dim, dim)

    def forward(self, x: Tensor, extra: Tensor | None = None) -> Tensor:
        """Attend within each map: ``(B, H, W, D) -> (B, H, W, D)``.

        ``extra`` (P, D), already normalised, are tokens without a place that every map attends to
        and that ask nothing themselves.
        """
        batch, height, width, _ = x.shape
        query, key, value = self._query_key_value(x, extra)
        bias_h, bias_w = self._relative_positions(query)
        attend = attend_in_blocks if x.device.type == "cpu" else attend_folded
        mixed = attend(query * self.scale, key, value, bias_h, bias_w)

        mixed = mixed.view(batch, self.num_heads, height, width, -1)
        mixed = mixed.permute(0, 2, 3, 1, 4).flatten(3)
        projected: Tensor = self.proj(mixed)
        return projected

    def weights(self, x: Tensor, extra: Tensor | None = None) -> Iterator[Tensor]:
        """What the queries of each row give to the keys, row by row: ``(B, heads, W, M)``.

        They sum to 1 over the keys, of which the H * W tokens come first, then ``extra``. For
        looking at; ``forward`` never has them all at once.
        """
        batch, height, width, _ = x.shape
        query, key, _ = self._query_key_value(x, extra)
        bias_h, bias_w = self._relative_positions(query)
        for row in range(height):
            one = slice(row, row + 1)
            shares = _shares(query[:, one] * self.scale, key, bias_h[:, one], bias_w[:, one])
            yield shares.view(batch, self.num_heads, width, -1)

    def _query_key_value(self, x: Tensor, extra: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Query ``(G, H, W, d)``, and ``(G, M, d)`` key and value: those of ``extra`` come last."""
        batch, height, width, _ = x.shape
        query, key, value = self._heads(self.qkv(x).flatten(1, 2))
        if extra is not None:
            _, extra_key, extra_value = self._heads(self.qkv(extra)[None])
            key = torch.cat([key, extra_key.repeat(batch, 1, 1)], dim=1)
            value = torch.cat([value, extra_value.repeat(batch, 1, 1)], dim=1)
        return query.view(-1, height, width, query.shape[2]), key, value

    def _heads(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value, each ``(G, N, d)``, from ``(B, N, 3 * D)``."""
        batch, number, _ = qkv.shape
        split = qkv.view(batch, number, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = split.flatten(1, 2).contiguous()
        return query, key, value

    def _relative_positions(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Bias of each query ``(G, H, W, d)`` towards rows and columns of keys.

        Returns ``(G, H, W, H)`` and ``(G, H, W, W)``.
        """
        height, width = query.shape[1:3]
        table_h = image_encoder.get_rel_pos(height, height, self.rel_pos_h).to(query.dtype)
        table_w = image_encoder.get_rel_pos(width, width, self.rel_pos_w).to(query.dtype)
        bias_h = torch.einsum("ghwd,hkd->ghwk", query, table_h)
        bias_w = torch.einsum("ghwd,wkd->ghwk", query, table_w)
        return bias_h, bias_w


def attend_in_blocks(
    query: Tensor, key: Tensor, value: Tensor, bias_h: Tensor, bias_w: Tensor
) -> Tensor:
    """Mix the values by the biased scores, a block at a time.

    ``query`` (G, H, W, d) is scaled; ``key`` and ``value`` (G, M, d) begin with the H * W tokens
    that ``bias_h`` (G, H, W, H) and ``bias_w`` (G, H, W, W) are about. Returns (G, H, W, d).
    """
    _, height, width, _ = query.shape
    row = width * key.shape[1]
    heads = max(1, _BLOCK_SCORES // (height * row))
    rows = max(1, _BLOCK_SCORES // (heads * row))
    mixed = []
    for some_key, some_value, *queries in zip(
        *(torch.split(part, heads) for part in (key, value, query, bias_h, bias_w)), strict=True
    ):
        strips = zip(*(torch.split(part, rows, dim=1) for part in queries), strict=True)
        of_heads = [_attend(q, some_key, some_value, b_h, b_w) for q, b_h, b_w in strips]
        mixed.append(torch.cat(of_heads, dim=1))
    return torch.cat(mixed)


def _attend(query: Tensor, key: Tensor, value: Tensor, bias_h: Tensor, bias_w: Tensor) -> Tensor:
    """As ``attend_in_blocks``, for some rows of the queries, all at once."""
    mixed = _shares(query, key, bias_h, bias_w).to(value.dtype) @ value
    return mixed.view(*query.shape[:3], -1)


def _shares(query: Tensor, key: Tensor, bias_h: Tensor, bias_w: Tensor) -> Tensor:
    """The softmax of the biased scores (G, rows * W, M), in float32 or better."""
    groups, rows, width, height = bias_h.shape
    scores = query.flatten(1, 2) @ key.transpose(1, 2)
    # Half precision would round the scores twice more.
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    placed = scores[..., : height * width].view(groups, rows, width, height, width)
    placed += bias_h[..., :, None]
    placed += bias_w[..., None, :]
    return scores.softmax(dim=-1)


def attend_folded(
    query: Tensor, key: Tensor, value: Tensor, bias_h: Tensor, bias_w: Tensor
) -> Tensor:
    """The same as ``attend_in_blocks`` through ``scaled_dot_product_attention``.

    The value is padded with zeros to the width of the longer key, and all three to a multiple of
    ``_LANES``, which fused kernels ask for; theirs end at a width of 256.
    """
    groups, height, width, head_dim = query.shape
    rows = torch.eye(height, dtype=key.dtype, device=key.device).repeat_interleave(width, 0)
    columns = torch.eye(width, dtype=key.dtype, device=key.device).repeat(height, 1)
    places = torch.cat([rows, columns], dim=1)
    spare = -(head_dim + height + width) % _LANES
    places = functional.pad(places, (0, spare, 0, key.shape[1] - len(places)))
    longer_query = functional.pad(torch.cat([query, bias_h, bias_w], dim=-1), (0, spare))
    mixed = functional.scaled_dot_product_attention(
        longer_query.flatten(1, 2)[None],
        torch.cat([key, places.expand(groups, -1, -1)], dim=-1)[None],
        functional.pad(value, (0, height + width + spare))[None],
        scale=1.0,
    )
    return mixed[0, ..., :head_dim].reshape(groups, height, width, head_dim)
