"""Bottleneck adapters alone, without prompts: CWSAM's simplest relative."""

from typing import ClassVar

from pydantic import Field

from sarseg.adapters.base import AdaptationMethod
from sarseg.adapters.bottleneck import install_adapters
from sarseg.sam.encoder import ImageEncoder


class AdapterOnly(AdaptationMethod):
    """Settings of the adapters in every block."""

    name: ClassVar[str] = "adapter-only"

    adapter_ratio: float = Field(default=0.25, gt=0, le=4)
    """Width of the adapters' bottleneck, relative to the encoder's width."""
    adapter_scale: float = Field(default=0.5, allow_inf_nan=False)
    """Weight of the adapter beside the MLP."""

    def install(self, encoder: ImageEncoder) -> None:
        """Freeze ``encoder`` and add the adapters."""
        encoder.requires_grad_(False)
        install_adapters(encoder, self.adapter_ratio, self.adapter_scale)
