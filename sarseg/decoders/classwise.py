"""CWSAM's classwise mask decoder: one mask per class from SAM's mask decoder.

Pu et al. 2024, "ClassWise-SAM-Adapter" (arXiv 2401.02326), section III.
"""

import torch
from torch import Tensor, nn

from sarseg.sam.architecture import SamArchitecture
from sarseg.sam.package import common, mask_decoder, transformer


class ClasswiseDecoder(mask_decoder.MaskDecoder):  # type: ignore[misc, name-defined]
    """SAM's mask decoder (all of its parameters, SAM's names) with a classwise upscaling head.

    The transformer's output and the embedding that went in are upscaled by the same weights; from
    both, ``cls_upscaling`` makes one feature map a class, and the hypernetwork of mask token 0
    turns each into logits.
    """

    def __init__(self, sizes: SamArchitecture, num_classes: int) -> None:
        dim = sizes.out_chans
        super().__init__(
            transformer_dim=dim,
            transformer=transformer.TwoWayTransformer(
                depth=2,
                embedding_dim=dim,
                num_heads=sizes.decoder_heads,
                mlp_dim=sizes.decoder_mlp_dim,
            ),
            iou_head_hidden_dim=sizes.iou_head_hidden_dim,
        )
        self.num_classes = num_classes
        upscaled = dim // 8
        self.cls_upscaling = nn.Sequential(
            nn.ConvTranspose2d(2 * upscaled, 2 * upscaled, kernel_size=2, stride=2),
            common.LayerNorm2d(2 * upscaled),
            nn.GELU(),
            nn.Conv2d(2 * upscaled, num_classes * upscaled, kernel_size=7, stride=2, padding=3),
            nn.GELU(),
        )

    def forward(self, embedding: Tensor, positions: Tensor, dense_prompt: Tensor) -> Tensor:
        """Classwise logits at a quarter of the input's resolution.

        ``embedding`` is ``(B, C, h, w)``, ``positions`` ``(1, C, h, w)``, ``dense_prompt``
        ``(1, C, 1, 1)``; the result is ``(B, K, 4h, 4w)``.
        """
        batch, _, height, width = embedding.shape
        prompted = embedding + dense_prompt
        tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens_out, image_out = self.transformer(
            prompted,
            positions.expand(batch, -1, -1, -1),
            tokens.expand(batch, -1, -1),
        )
        image_out = image_out.transpose(1, 2).unflatten(2, (height, width))
        both = [self.output_upscaling(image_out), self.output_upscaling(prompted)]
        features = self.cls_upscaling(torch.cat(both, dim=1))
        features = features.unflatten(1, (-1, self.num_classes))
        mask_token_0 = 1  # after the iou token
        weights = self.output_hypernetworks_mlps[0](tokens_out[:, mask_token_0])
        return torch.einsum("bc,bckhw->bkhw", weights, features)
