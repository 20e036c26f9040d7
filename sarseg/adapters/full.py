"""Full fine-tuning: nothing is added, everything trains."""

from typing import ClassVar

from sarseg.adapters.base import AdaptationMethod
from sarseg.sam.encoder import ImageEncoder


class Full(AdaptationMethod):
    """No settings: the whole encoder trains."""

    name: ClassVar[str] = "full"

    def install(self, encoder: ImageEncoder) -> None:
        """Let every parameter of ``encoder`` train."""
        encoder.requires_grad_(True)
