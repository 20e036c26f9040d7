"""CWSAM: adapters in every block and low-frequency prompts on a frozen image encoder.

Pu et al. 2024, "ClassWise-SAM-Adapter: Parameter Efficient Fine-tuning Adapts Segment Anything to
SAR Domain for Semantic Segmentation" (arXiv 2401.02326). Parameter names are those of the
authors' released checkpoints.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from sarseg.adapters.frequency import Band, frequency_band
from sarseg.sam.encoder import Block, ImageEncoder


class Cwsam(BaseModel):
    """Settings of CWSAM, and how it is installed into an encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter_ratio: float = Field(default=0.25, gt=0)
    """Width of the adapters' bottleneck, relative to the encoder's width."""
    adapter_scale: float = 0.5
    """Weight of the adapter beside the MLP."""
    band: Band = "low"
    frequency_ratio: float = Field(default=0.25, gt=0, lt=1)
    """Share of the Fourier plane that counts as low."""
    scale_factor: int = Field(default=32, gt=0)
    """The prompts' inner width is the encoder's width divided by this."""
    embedding_order: Literal["straight", "released"] = "straight"
    """``straight``: each token is prompted by its own embedding, as the paper means it.
    ``released``: by the scrambled embedding that the authors' code reads; their weights need it."""

    def install(self, encoder: ImageEncoder) -> None:
        """Freeze ``encoder`` and add CWSAM's trainable parts to it."""
        encoder.requires_grad_(False)
        adapted = (AdaptedBlock(block, self) for block in encoder.plain_blocks())
        encoder.blocks = nn.ModuleList(adapted)
        encoder.prompt_generator = FrequencyPrompts(encoder, self)


class Adapter(nn.Module):
    """Bottleneck ``D -> ratio * D -> D`` with GELU. Starts at zero: it adds nothing yet."""

    def __init__(self, dim: int, ratio: float) -> None:
        super().__init__()
        self.D_fc1 = nn.Linear(dim, int(dim * ratio))
        self.D_fc2 = nn.Linear(int(dim * ratio), dim)
        nn.init.zeros_(self.D_fc2.weight)
        nn.init.zeros_(self.D_fc2.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(…, D) -> (…, D)``, without a skip."""
        out: Tensor = self.D_fc2(functional.gelu(self.D_fc1(x)))
        return out


class AdaptedBlock(Block):
    """A frozen block with one adapter after its attention and one beside its MLP."""

    def __init__(self, block: Block, settings: Cwsam) -> None:
        nn.Module.__init__(self)
        dim = block.norm1.normalized_shape[0]
        self.window_size = block.window_size
        self.norm1, self.attn = block.norm1, block.attn
        self.norm2, self.mlp = block.norm2, block.mlp
        self.adapter_scale = settings.adapter_scale
        self.Space_Adapter = Adapter(dim, settings.adapter_ratio)
        self.MLP_Adapter = Adapter(dim, settings.adapter_ratio)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, h, w, D) -> (B, h, w, D)``."""
        attended = self.attend(self.norm1(x))
        x = x + attended + self.Space_Adapter(attended)
        normed = self.norm2(x)
        updated: Tensor = x + self.mlp(normed) + self.adapter_scale * self.MLP_Adapter(normed)
        return updated


class FrequencyPrompts(nn.Module):
    """What CWSAM adds before each block: one frequency band of the input, and the embedding."""

    def __init__(self, encoder: ImageEncoder, settings: Cwsam) -> None:
        super().__init__()
        dim, patch = encoder.sizes.embed_dim, encoder.sizes.patch_size
        inner = dim // settings.scale_factor
        self.settings = settings
        self.prompt_generator = nn.ModuleDict(
            {"proj": nn.Conv2d(3, inner, kernel_size=patch, stride=patch)}
        )
        self.embedding_generator = nn.Linear(dim, inner)
        self.depth = encoder.sizes.depth
        for i in range(self.depth):
            self.add_module(f"lightweight_mlp_{i}", nn.Sequential(nn.Linear(inner, inner)))
        self.shared_mlp = nn.Linear(inner, dim)
        # the encoder starts out as it was: the prompts are zero until training moves them
        nn.init.zeros_(self.shared_mlp.weight)
        nn.init.zeros_(self.shared_mlp.bias)

    def forward(self, image: Tensor, embedded: Tensor) -> Iterator[Tensor]:
        """One addition ``(B, h, w, D)`` a block; see ``PromptGenerator``."""
        handcrafted = self.band_of(image)
        handcrafted = self.prompt_generator["proj"](handcrafted).permute(0, 2, 3, 1)
        feature = handcrafted + self.embedding_generator(self._ordered(embedded))
        for i in range(self.depth):
            hidden = self.get_submodule(f"lightweight_mlp_{i}")(feature)
            yield self.shared_mlp(functional.gelu(hidden))

    def band_of(self, image: Tensor) -> Tensor:
        """The frequency band of ``image`` ``(B, 3, S, S)`` that prompts the encoder, same shape."""
        return frequency_band(image, self.settings.frequency_ratio, self.settings.band)

    def _ordered(self, embedded: Tensor) -> Tensor:
        if self.settings.embedding_order == "straight":
            return embedded
        # (B, h, w, D) memory read as (B, D, h * w): token n, channel d is element d * h * w + n
        batch, height, width, dim = embedded.shape
        scrambled = embedded.reshape(batch, dim, height * width).transpose(1, 2)
        return scrambled.reshape(batch, height, width, dim)
