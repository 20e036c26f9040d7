"""SAM-Adapter: prompts from the high frequencies of the input, before, between and after blocks.

Chen et al. 2023, "SAM Fails to Segment Anything? SAM-Adapter: Adapting SAM in Underperformed
Scenes" (ICCV workshops; arXiv 2304.09148), as its PyTorch re-implementation computes it. Parameter
names are those of that re-implementation's checkpoints, which hold them at the encoder's root.
"""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from sarseg.adapters.base import AdaptationMethod
from sarseg.adapters.frequency import Bands, frequency_images, num_frequency_channels
from sarseg.sam.encoder import ImageEncoder


class SamAdapter(AdaptationMethod):
    """Settings of SAM-Adapter."""

    name: ClassVar[str] = "sam-adapter"

    tune_dim: int | None = Field(default=None, ge=1)
    """Width of the features that the prompts are made from; None: a quarter of the encoder's."""
    hidden_dim: int = Field(default=32, ge=1)
    """Width of the prompts before the projection that all share."""
    band: Bands = "high"
    frequency_ratio: float = Field(default=0.25, gt=0, lt=1)
    """Share of the Fourier plane that counts as low."""

    def install(self, encoder: ImageEncoder) -> None:
        """Freeze ``encoder`` and give it the prompts."""
        encoder.requires_grad_(False)
        encoder.prompt_generator = FrequencyPatchPrompts(encoder, self)


class FrequencyPatchPrompts(nn.Module):
    """What SAM-Adapter adds before the first block and after each."""

    def __init__(self, encoder: ImageEncoder, settings: SamAdapter) -> None:
        super().__init__()
        sizes = encoder.sizes
        dim, hidden = sizes.embed_dim, settings.hidden_dim
        tune_dim = settings.tune_dim or max(dim // 4, 1)
        self.settings = settings
        self.patch_size = sizes.patch_size
        values = num_frequency_channels(settings.band) * self.patch_size**2
        self.HFC_tune = nn.Linear(values, tune_dim)
        self.patch_embed_tune = nn.Linear(dim, tune_dim)
        self.task_adapter_blocks = nn.ModuleList(
            nn.ModuleDict({"down_projection": nn.Linear(tune_dim, hidden)})
            for _ in range(sizes.depth + 1)
        )
        self.task_adapter_up = nn.Linear(hidden, dim)
        # the encoder starts out as it was: the prompts are zero until training moves them
        nn.init.zeros_(self.task_adapter_up.weight)
        nn.init.zeros_(self.task_adapter_up.bias)

    def forward(self, image: Tensor, embedded: Tensor, tokens: Tensor) -> Iterator[Tensor]:
        """Additions ``(B, h, w, D)``, one more than blocks; see ``PromptGenerator``."""
        patches = self.HFC_tune(self.frequency_patches(image))
        embedding = self.patch_embed_tune(tokens)
        feature = patches.reshape(embedding.shape) + embedding
        for block in self.task_adapter_blocks:
            hidden = functional.gelu(block.get_submodule("down_projection")(feature))
            yield self.task_adapter_up(hidden)

    def frequency_patches(self, image: Tensor) -> Tensor:
        """The frequency band of ``image`` ``(B, 3, S, S)``, patch by patch.

        ``(B, h * w, 3 * p * p)``: rows of patches first, and within a patch channel, row, column;
        twice as many values where ``band`` is both.
        """
        bands = frequency_images(image, self.settings.frequency_ratio, self.settings.band)
        return functional.pixel_unshuffle(bands, self.patch_size).flatten(2).transpose(1, 2)
