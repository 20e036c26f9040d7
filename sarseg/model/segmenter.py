"""The segmenter: scaled bands of a tile in, class logits out. Knows no files, CRS or nodata."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sarseg.adapters.base import AdaptationMethod
from sarseg.decoders.base import Decoder
from sarseg.model.bands import BandInputs, channels_from_bands, mixes_by_training
from sarseg.model.network import Network
from sarseg.sam.architecture import SamArchitecture
from sarseg.sam.encoder import ImageEncoder
from sarseg.sam.precision import full_precision
from sarseg.sam.prompts import PromptEncoder


class Segmenter(Network):
    """SAM with an adapted image encoder and a decoder for classes.

    Parameters that SAM has carry SAM's names: ``image_encoder.``, ``prompt_encoder.``,
    ``mask_decoder.``.
    """

    def __init__(
        self,
        sizes: SamArchitecture,
        method: AdaptationMethod,
        decoder: Decoder,
        inputs: BandInputs,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.image_encoder = ImageEncoder(sizes)
        method.install(self.image_encoder)
        self.prompt_encoder = PromptEncoder(sizes)
        self.mask_decoder = decoder.build(sizes, num_classes)
        weights = torch.tensor(channels_from_bands(inputs))
        self.channels_from_bands: Tensor
        if mixes_by_training(inputs):
            self.channels_from_bands = nn.Parameter(weights)
        else:
            self.register_buffer("channels_from_bands", weights, persistent=False)

    def forward(self, bands: Tensor, boxes: Sequence[Tensor] | None = None) -> Tensor:
        """Logits at full resolution: ``(B, C, S, S) -> (B, K, S, S)``.

        ``bands`` are standardised (mean 0, standard deviation 1 over the training pixels), zero
        where a pixel is invalid or a band is missing; ``S`` is a multiple of the patch size.
        ``boxes``, for a decoder that takes them and for no other, holds the boxes of each image
        ``(N, 4)``: x0, y0, x1, y1 in pixels.
        """
        size = (bands.shape[-2], bands.shape[-1])
        logits = self.low_res_logits(self.embed(bands), size, boxes)
        return functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)

    def auxiliary_loss(self) -> Tensor:
        """See ``Network.auxiliary_loss``: that of the method's own layers."""
        return self.image_encoder.auxiliary_loss()

    def embed(self, bands: Tensor) -> Tensor:
        """The image embedding ``(B, out_chans, S / p, S / p)`` of ``bands`` ``(B, C, S, S)``."""
        embedding: Tensor = self.image_encoder(self.channels(bands))
        return embedding

    def channels(self, bands: Tensor) -> Tensor:
        """SAM's three input channels ``(B, 3, S, S)``, mixed from the bands."""
        with full_precision(bands.device):  # frequencies of the image are taken from these
            return torch.einsum("cb,nbhw->nchw", self.channels_from_bands, bands)

    def low_res_logits(
        self,
        embedding: Tensor,
        size: tuple[int, int],
        boxes: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Logits ``(B, K, 4h, 4w)`` from the embedding ``(B, C, h, w)`` of images of ``size``."""
        prompts = self.image_prompts(embedding)
        low_res: Tensor
        if boxes is None:
            low_res = self.mask_decoder(embedding, *prompts)
        else:
            tokens = [self.prompt_encoder.box_tokens(of_one, size) for of_one in boxes]
            low_res = self.mask_decoder(embedding, *prompts, tokens)
        return low_res

    def image_prompts(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Positional encoding ``(1, C, h, w)`` and dense prompt ``(1, C, 1, 1)`` of a decoder."""
        positions = self.prompt_encoder.grid_positions(*embedding.shape[-2:])
        return positions.to(embedding.dtype), self.prompt_encoder.no_mask()
