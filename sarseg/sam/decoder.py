"""SAM's mask decoder by its sizes, and the step that every way of decoding begins with."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sarseg.sam.architecture import SamArchitecture
from sarseg.sam.package import mask_decoder, transformer


class MaskDecoder(mask_decoder.MaskDecoder):  # type: ignore[misc, name-defined]
    """All parameters of SAM's mask decoder, under SAM's names.

    Kirillov et al. 2023, "Segment Anything" (arXiv 2304.02643), appendix A. The decoders of this
    package add to it, or read it otherwise.
    """

    def __init__(self, sizes: SamArchitecture) -> None:
        super().__init__(
            transformer_dim=sizes.out_chans,
            transformer=transformer.TwoWayTransformer(
                depth=2,
                embedding_dim=sizes.out_chans,
                num_heads=sizes.decoder_heads,
                mlp_dim=sizes.decoder_mlp_dim,
            ),
            iou_head_hidden_dim=sizes.iou_head_hidden_dim,
        )

    def transform(
        self, prompted: Tensor, positions: Tensor, sparse: Sequence[Tensor] = ()
    ) -> tuple[Tensor, Tensor]:
        """Let tokens and image attend to each other.

        ``prompted`` is the image embedding plus its dense prompt ``(B, C, h, w)``, ``positions``
        ``(1, C, h, w)``; ``sparse`` holds prompt tokens ``(B, n, C)``, none for no prompt. Returns
        the mask tokens ``(B, masks, C)`` and the image ``(B, C, h, w)``.
        """
        batch, _, height, width = prompted.shape
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight]).expand(batch, -1, -1)
        tokens, image = self.transformer(
            prompted, positions.expand(batch, -1, -1, -1), torch.cat([own, *sparse], dim=1)
        )
        after_the_iou_token = slice(1, 1 + self.mask_tokens.num_embeddings)
        return (
            tokens[:, after_the_iou_token],
            image.transpose(1, 2).unflatten(2, (height, width)),
        )
