"""SegFormer, a hierarchical transformer with a light decoder; transformers'.

Xie et al. 2021, "SegFormer: Simple and Efficient Design for Semantic Segmentation with
Transformers" (arXiv 2105.15203).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional

from sarseg.baselines.base import Baseline, comparison_packages
from sarseg.baselines.padded import PaddedNetwork

_GROUPS = 32
_COARSEST = 32
"""Pixels of the image to one of the last stage."""


@dataclass(frozen=True)
class _Sizes:
    """Table 6 of the paper: channels and blocks of the four stages, channels of the decoder."""

    channels: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]
    decoder: int


_B1_CHANNELS = (64, 128, 320, 512)
_SIZES = {
    "b0": _Sizes((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "b1": _Sizes(_B1_CHANNELS, (2, 2, 2, 2), 256),
    "b2": _Sizes(_B1_CHANNELS, (3, 4, 6, 3), 768),
    "b3": _Sizes(_B1_CHANNELS, (3, 4, 18, 3), 768),
    "b4": _Sizes(_B1_CHANNELS, (3, 8, 27, 3), 768),
    "b5": _Sizes(_B1_CHANNELS, (3, 6, 40, 3), 768),
}


class Segformer(Baseline):
    """Settings of SegFormer. Its weights begin at random: nothing is downloaded.

    The decoder's one batch normalisation is by groups of channels here, so that the gradients of a
    step do not depend on how many chips go through the network at a time.
    """

    name: ClassVar[str] = "segformer"
    packages: ClassVar[tuple[str, ...]] = ("transformers",)

    size: Literal["b0", "b1", "b2", "b3", "b4", "b5"] = "b0"

    def build(self, bands: int, num_classes: int) -> PaddedNetwork:
        """The network. Raises ModelError where transformers is missing."""
        with comparison_packages(self.name):
            from transformers import SegformerConfig, SegformerForSemanticSegmentation
        sizes = _SIZES[self.size]
        network = SegformerForSemanticSegmentation(
            SegformerConfig(
                num_channels=bands,
                num_labels=num_classes,
                hidden_sizes=list(sizes.channels),
                depths=list(sizes.blocks),
                decoder_hidden_size=sizes.decoder,
            )
        )
        network.decode_head.batch_norm = nn.GroupNorm(_GROUPS, sizes.decoder)
        return PaddedNetwork(_FullResolution(network), num_classes, multiple=_COARSEST)


class _FullResolution(nn.Module):
    """The network's logits, which have a quarter of the resolution, at that of the image."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, bands: Tensor) -> Tensor:
        logits = self.network(bands).logits
        return functional.interpolate(
            logits, bands.shape[-2:], mode="bilinear", align_corners=False
        )
