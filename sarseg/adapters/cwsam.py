"""CWSAM: adapters in every block and low-frequency prompts on a frozen image encoder.

Pu et al. 2024, "ClassWise-SAM-Adapter: Parameter Efficient Fine-tuning Adapts Segment Anything to
SAR Domain for Semantic Segmentation" (arXiv 2401.02326). Parameter names are those of the
authors' released checkpoints.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn import functional

from sarseg.adapters.base import AdaptationMethod
from sarseg.adapters.bottleneck import install_adapters
from sarseg.adapters.frequency import Bands, frequency_images, num_frequency_channels
from sarseg.sam.encoder import ImageEncoder


class Cwsam(AdaptationMethod):
    """Settings of CWSAM. ``adapters`` and ``prompts`` switch its two parts, for ablation."""

    name: ClassVar[str] = "cwsam"

    adapters: bool = True
    adapter_ratio: float = Field(default=0.25, gt=0, le=4)
    """Width of the adapters' bottleneck, relative to the encoder's width."""
    adapter_scale: float = Field(default=0.5, allow_inf_nan=False)
    """Weight of the adapter beside the MLP."""
    prompts: bool = True
    """The frequency band of the input, added before every block."""
    band: Bands = "low"
    frequency_ratio: float = Field(default=0.25, gt=0, lt=1)
    """Share of the Fourier plane that counts as low."""
    scale_factor: int = Field(default=32, gt=0)
    """The prompts' inner width is the encoder's width divided by this."""
    embedding_order: Literal["straight", "released"] = "straight"
    """``straight``: each token is prompted by its own embedding, as the paper means it.
    ``released``: by the scrambled embedding that the authors' code reads; their weights need it."""

    @field_validator("prompts")
    @classmethod
    def _not_both_off(cls, prompts: bool, info: ValidationInfo) -> bool:
        if not prompts and info.data.get("adapters") is False:
            raise ValueError("without adapters and prompts nothing is left; choose decoder-only")
        return prompts

    def install(self, encoder: ImageEncoder) -> None:
        """Freeze ``encoder`` and add CWSAM's trainable parts to it."""
        encoder.requires_grad_(False)
        if self.adapters:
            install_adapters(encoder, self.adapter_ratio, self.adapter_scale)
        if self.prompts:
            encoder.prompt_generator = FrequencyPrompts(encoder, self)


class FrequencyPrompts(nn.Module):
    """What CWSAM adds before each block: one frequency band of the input, and the embedding."""

    def __init__(self, encoder: ImageEncoder, settings: Cwsam) -> None:
        super().__init__()
        dim, patch = encoder.sizes.embed_dim, encoder.sizes.patch_size
        inner = max(dim // settings.scale_factor, 1)
        channels = num_frequency_channels(settings.band)
        self.settings = settings
        self.prompt_generator = nn.ModuleDict(
            {"proj": nn.Conv2d(channels, inner, kernel_size=patch, stride=patch)}
        )
        self.embedding_generator = nn.Linear(dim, inner)
        self.depth = encoder.sizes.depth
        for i in range(self.depth):
            self.add_module(f"lightweight_mlp_{i}", nn.Sequential(nn.Linear(inner, inner)))
        self.shared_mlp = nn.Linear(inner, dim)
        # the encoder starts out as it was: the prompts are zero until training moves them
        nn.init.zeros_(self.shared_mlp.weight)
        nn.init.zeros_(self.shared_mlp.bias)

    def forward(self, image: Tensor, embedded: Tensor, tokens: Tensor) -> Iterator[Tensor]:
        """One addition ``(B, h, w, D)`` before each block; see ``PromptGenerator``."""
        handcrafted = self.frequency_images(image)
        handcrafted = self.prompt_generator["proj"](handcrafted).permute(0, 2, 3, 1)
        feature = handcrafted + self.embedding_generator(self._ordered(embedded))
        for i in range(self.depth):
            hidden = self.get_submodule(f"lightweight_mlp_{i}")(feature)
            yield self.shared_mlp(functional.gelu(hidden))

    def frequency_images(self, image: Tensor) -> Tensor:
        """The frequency band, or both, of ``image`` ``(B, 3, S, S)`` that prompts the encoder."""
        return frequency_images(image, self.settings.frequency_ratio, self.settings.band)

    def _ordered(self, embedded: Tensor) -> Tensor:
        if self.settings.embedding_order == "straight":
            return embedded
        # (B, h, w, D) memory read as (B, D, h * w): token n, channel d is element d * h * w + n
        batch, height, width, dim = embedded.shape
        scrambled = embedded.reshape(batch, dim, height * width).transpose(1, 2)
        return scrambled.reshape(batch, height, width, dim)
