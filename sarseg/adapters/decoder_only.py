"""The encoder as it is: only the decoder trains."""

from typing import ClassVar

from sarseg.adapters.base import AdaptationMethod
from sarseg.sam.encoder import ImageEncoder


class DecoderOnly(AdaptationMethod):
    """No settings: the encoder stays frozen."""

    name: ClassVar[str] = "decoder-only"

    def install(self, encoder: ImageEncoder) -> None:
        """Freeze every parameter of ``encoder``."""
        encoder.requires_grad_(False)
