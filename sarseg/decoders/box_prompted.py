"""SAM's own mask decoder under box prompts: one class against the rest, inside the boxes.

As SAM-Adapter uses it (Chen et al. 2023, ICCV workshops); the decoder is Kirillov et al. 2023,
"Segment Anything" (arXiv 2304.02643), appendix A.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from sarseg.decoders.base import Decoder
from sarseg.errors import ModelError
from sarseg.sam.architecture import SamArchitecture
from sarseg.sam.decoder import MaskDecoder

NO_MASK = -1e4
"""Mask logit of an image without a box: below any that SAM gives, and finite in every precision."""

BOXES_AT_ONCE = 16


class BoxPrompted(Decoder):
    """Settings of the box-prompted decoder."""

    name: ClassVar[str] = "box-prompted"
    takes_boxes: ClassVar[bool] = True

    box_scale: float = Field(default=1.0, ge=1, allow_inf_nan=False)
    """Enlarges the box that is made from a label or an earlier map, about its centre."""

    def build(self, sizes: SamArchitecture, num_classes: int) -> "BoxPromptedDecoder":
        """The decoder for two classes, the second in the boxes. Raises ModelError on others."""
        if num_classes != 2:
            raise ModelError(
                f"The decoder {self.name} tells one class from the rest, so it needs two classes, "
                f"not {num_classes}. Choose another decoder, or one class against the rest."
            )
        return BoxPromptedDecoder(sizes)


class BoxPromptedDecoder(MaskDecoder):
    """SAM's mask decoder, exactly its parameters; a box gives the mask of mask token 0.

    The hypernetworks of the other mask tokens and the iou head never take part: frozen.
    """

    def __init__(self, sizes: SamArchitecture) -> None:
        super().__init__(sizes)
        for unused in (self.iou_prediction_head, *self.output_hypernetworks_mlps[1:]):
            unused.requires_grad_(False)

    def forward(
        self,
        embedding: Tensor,
        positions: Tensor,
        dense_prompt: Tensor,
        box_tokens: Sequence[Tensor],
    ) -> Tensor:
        """Logits ``(B, 2, 4h, 4w)``: 0 for the rest, and the largest mask logit of the boxes.

        ``embedding`` is ``(B, C, h, w)``, ``positions`` ``(1, C, h, w)``, ``dense_prompt``
        ``(1, C, 1, 1)``; ``box_tokens`` holds ``(N, 2, C)`` for each image. Where N is 0, the mask
        logit is ``NO_MASK`` everywhere, without a gradient.
        """
        prompted = embedding + dense_prompt
        height, width = embedding.shape[-2:]
        largest = [prompted.new_full((4 * height, 4 * width), NO_MASK)] * len(embedding)
        images = [image for image, tokens in enumerate(box_tokens) for _ in tokens]
        every_box = torch.cat(list(box_tokens))
        for start in range(0, len(images), BOXES_AT_ONCE):
            chunk = slice(start, start + BOXES_AT_ONCE)
            masks = self._masks(prompted[images[chunk]], positions, every_box[chunk])
            for image, mask in zip(images[chunk], masks, strict=True):
                largest[image] = torch.maximum(largest[image], mask)
        foreground = torch.stack(largest)
        return torch.stack([torch.zeros_like(foreground), foreground], dim=1)

    def _masks(self, prompted: Tensor, positions: Tensor, box_tokens: Tensor) -> Tensor:
        """Mask logits ``(N, 4h, 4w)`` of N boxes, each with its image ``(N, C, h, w)``."""
        mask_tokens, image = self.transform(prompted, positions, (box_tokens,))
        weights = self.output_hypernetworks_mlps[0](mask_tokens[:, 0])
        return torch.einsum("nc,nchw->nhw", weights, self.output_upscaling(image))
