"""The segmenter: scaled bands of a tile in, class logits out. Knows no files, CRS or nodata."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sarseg.adapters import Method
from sarseg.decoders.classwise import ClasswiseDecoder
from sarseg.model.bands import BandInputs, channels_from_bands
from sarseg.sam.architecture import SamArchitecture
from sarseg.sam.encoder import ImageEncoder
from sarseg.sam.package import prompt_encoder


class Segmenter(nn.Module):
    """SAM's image encoder, adapted, under a classwise decoder.

    Parameters are named as in the checkpoints that the authors of CWSAM released:
    ``image_encoder.``, ``mask_decoder.``, ``pe_layer.``, ``no_mask_embed.``.
    """

    def __init__(
        self, sizes: SamArchitecture, method: Method, inputs: BandInputs, num_classes: int
    ) -> None:
        super().__init__()
        self.image_encoder = ImageEncoder(sizes)
        method.install(self.image_encoder)
        self.mask_decoder = ClasswiseDecoder(sizes, num_classes)
        self.pe_layer = prompt_encoder.PositionEmbeddingRandom(sizes.out_chans // 2)
        self.no_mask_embed = nn.Embedding(1, sizes.out_chans).requires_grad_(False)
        self.register_buffer(
            "channels_from_bands",
            torch.tensor(channels_from_bands(inputs)),
            persistent=False,
        )
        self.channels_from_bands: Tensor

    @property
    def num_classes(self) -> int:
        """Number of channels of the logits."""
        return int(self.mask_decoder.num_classes)

    def forward(self, bands: Tensor) -> Tensor:
        """Logits at full resolution: ``(B, C, S, S) -> (B, K, S, S)``.

        ``bands`` are standardised (mean 0, standard deviation 1 over the training pixels), zero
        where a pixel is invalid or a band is missing; ``S`` is a multiple of the patch size.
        """
        logits = self.low_res_logits(self.image_encoder(self.channels(bands)))
        return functional.interpolate(
            logits, size=bands.shape[-2:], mode="bilinear", align_corners=False
        )

    def channels(self, bands: Tensor) -> Tensor:
        """SAM's three input channels ``(B, 3, S, S)``, mixed from the bands by a fixed rule."""
        return torch.einsum("cb,nbhw->nchw", self.channels_from_bands, bands)

    def low_res_logits(self, embedding: Tensor) -> Tensor:
        """Logits ``(B, K, 4h, 4w)`` from the encoder's ``(B, C, h, w)``."""
        positions = self.pe_layer(tuple(embedding.shape[-2:])).unsqueeze(0).to(embedding.dtype)
        dense_prompt = self.no_mask_embed.weight.reshape(1, -1, 1, 1)
        low_res: Tensor = self.mask_decoder(embedding, positions, dense_prompt)
        return low_res
