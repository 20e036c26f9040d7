"""Bottleneck adapters inside SAM's blocks.

Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP", in the places that Wu et al.
2023, "Medical SAM Adapter" (arXiv 2304.12620), and after it CWSAM give them.
"""

from torch import Tensor, nn
from torch.nn import functional

from sarseg.sam.encoder import Block, ImageEncoder


class Adapter(nn.Module):
    """Bottleneck ``D -> ratio * D -> D`` with GELU. Starts at zero: it adds nothing yet."""

    def __init__(self, dim: int, ratio: float) -> None:
        super().__init__()
        inner = max(int(dim * ratio), 1)
        self.D_fc1 = nn.Linear(dim, inner)
        self.D_fc2 = nn.Linear(inner, dim)
        nn.init.zeros_(self.D_fc2.weight)
        nn.init.zeros_(self.D_fc2.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(…, D) -> (…, D)``, without a skip."""
        out: Tensor = self.D_fc2(functional.gelu(self.D_fc1(x)))
        return out


class AdaptedBlock(Block):
    """A frozen block with one adapter after its attention and one beside its MLP.

    Parameter names are those of CWSAM's released checkpoints.
    """

    def __init__(self, block: Block, ratio: float, scale: float) -> None:
        self.adopt(block)
        dim = block.norm1.normalized_shape[0]
        self.scale = scale
        self.Space_Adapter = Adapter(dim, ratio)
        self.MLP_Adapter = Adapter(dim, ratio)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, h, w, D) -> (B, h, w, D)``."""
        attended = self.attend(self.norm1(x))
        x = x + attended + self.Space_Adapter(attended)
        normed = self.norm2(x)
        updated: Tensor = x + self.mlp(normed) + self.scale * self.MLP_Adapter(normed)
        return updated


def install_adapters(encoder: ImageEncoder, ratio: float, scale: float) -> None:
    """Put two adapters into every block of ``encoder``.

    ``ratio`` is the bottleneck's width relative to the encoder's; ``scale`` weighs the adapter
    beside the MLP.
    """
    adapted = (AdaptedBlock(block, ratio, scale) for block in encoder.plain_blocks())
    encoder.blocks = nn.ModuleList(adapted)
