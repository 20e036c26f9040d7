"""How far tokens look: the mean attention distance of each head."""

import torch
from torch import Tensor

from sarseg.sam.attention import FusedAttention


def distances_looked(
    attention: FusedAttention, x: Tensor, inside: Tensor, extra: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sum of the distances, in tokens, that the heads look at (heads,), and of the weights.

    Their quotient is the mean over queries of the distance of keys, weighted by attention
    (Dosovitskiy et al. 2021, arXiv:2010.11929, appendix D.7). ``x`` (B, H, W, D) are the tokens
    that attend to each other. Those count that lie ``inside`` (B, H, W) the image, not what windows
    are filled up with. ``extra`` tokens have no place: what goes to them is left out.
    """
    _, height, width, _ = x.shape
    rows = torch.arange(height, device=x.device).repeat_interleave(width)
    columns = torch.arange(width, device=x.device).repeat(height)
    total = torch.zeros(attention.num_heads, dtype=torch.float64, device=x.device)
    weight = torch.zeros_like(total)
    for row, shares in enumerate(attention.weights(x, extra)):
        placed = shares[..., : height * width].double()
        across = torch.arange(width, device=x.device)[:, None] - columns
        apart = torch.hypot((row - rows).double(), across.double())  # (W, H * W)
        asking, asked = inside[:, row].double(), inside.flatten(1).double()
        counted = placed * (asking[:, :, None] * asked[:, None, :])[:, None]
        total += (counted * apart).sum(dim=(0, 2, 3))
        weight += counted.sum(dim=(0, 2, 3))
    return total, weight
