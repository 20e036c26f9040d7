"""CWSAM's classwise mask decoder: one mask per class from SAM's mask decoder.

Pu et al. 2024, "ClassWise-SAM-Adapter" (arXiv 2401.02326), section III.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from sarseg.decoders.base import Decoder
from sarseg.sam.architecture import SamArchitecture
from sarseg.sam.decoder import MaskDecoder
from sarseg.sam.package import common


class Classwise(Decoder):
    """Settings of the classwise decoder."""

    name: ClassVar[str] = "classwise"

    skip: bool = True
    """The embedding that went in is upscaled beside the transformer's output, for ablation."""

    def build(self, sizes: SamArchitecture, num_classes: int) -> "ClasswiseDecoder":
        """The decoder for ``num_classes`` classes."""
        return ClasswiseDecoder(sizes, num_classes, skip=self.skip)


class ClasswiseDecoder(MaskDecoder):
    """SAM's mask decoder with a classwise upscaling head.

    The transformer's output and the embedding that went in are upscaled by the same weights; from
    both, ``cls_upscaling`` makes one feature map a class, and the hypernetwork of mask token 0
    turns each into logits. The other hypernetworks and the iou head never take part; as in the
    released code they count among what trains.
    """

    def __init__(self, sizes: SamArchitecture, num_classes: int, *, skip: bool = True) -> None:
        super().__init__(sizes)
        self.num_classes = num_classes
        self.skip = skip
        upscaled = sizes.out_chans // 8
        both = 2 * upscaled if skip else upscaled
        self.cls_upscaling = nn.Sequential(
            nn.ConvTranspose2d(both, both, kernel_size=2, stride=2),
            common.LayerNorm2d(both),
            nn.GELU(),
            nn.Conv2d(both, num_classes * upscaled, kernel_size=7, stride=2, padding=3),
            nn.GELU(),
        )

    def forward(self, embedding: Tensor, positions: Tensor, dense_prompt: Tensor) -> Tensor:
        """Classwise logits at a quarter of the input's resolution.

        ``embedding`` is ``(B, C, h, w)``, ``positions`` ``(1, C, h, w)``, ``dense_prompt``
        ``(1, C, 1, 1)``; the result is ``(B, K, 4h, 4w)``.
        """
        prompted = embedding + dense_prompt
        mask_tokens, image = self.transform(prompted, positions)
        upscaled = self.output_upscaling(image)
        if self.skip:
            upscaled = torch.cat([upscaled, self.output_upscaling(prompted)], dim=1)
        features = self.cls_upscaling(upscaled).unflatten(1, (-1, self.num_classes))
        weights = self.output_hypernetworks_mlps[0](mask_tokens[:, 0])
        return torch.einsum("bc,bckhw->bkhw", weights, features)
