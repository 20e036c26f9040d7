"""A model small enough to know what it must answer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sarseg.classes import LandCoverClass
from sarseg.filters.preparation import BandScaling, Preparation
from sarseg.model.bands import CO_AND_CROSS_POL, BandInputs
from sarseg.model.card import ModelCard
from sarseg.model.file import LoadedModel

# Ids that are neither in order nor those of the channels.
CLASSES = (
    LandCoverClass(id=3, name="dark", colour=(0, 0, 255)),
    LandCoverClass(id=0, name="bright", colour=(200, 0, 0)),
    LandCoverClass(id=7, name="cross", colour=(0, 99, 0)),
)


class Brightness(nn.Module):
    """Class 0 below the mean of the first slot, class 1 above, class 2 where the second excels."""

    def forward(self, bands: Tensor) -> Tensor:
        first, second = bands[:, :1], bands[:, 1:2]
        return 2.0 * torch.cat([-first, first, second], dim=1)


class Constant(nn.Module):
    """The same logits for every pixel."""

    def __init__(self, logits: Sequence[float]) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, bands: Tensor) -> Tensor:
        batch, _, height, width = bands.shape
        return self.logits.view(1, -1, 1, 1).expand(batch, -1, height, width)


def toy_card(
    *,
    tile_size: int = 64,
    inputs: BandInputs = CO_AND_CROSS_POL,
    preparation: Preparation | None = None,
) -> ModelCard:
    """A card for the models above."""
    scaling = tuple(BandScaling(centre=-11.0, spread=4.0) for _ in inputs.slots)
    return ModelCard(
        backbone="none",
        backbone_sha256="0" * 64,
        method="none",
        classes=CLASSES,
        inputs=inputs,
        preparation=preparation or Preparation(scaling=scaling),
        tile_size=tile_size,
    )


def toy_model(segmenter: nn.Module | None = None, card: ModelCard | None = None) -> LoadedModel:
    """A loaded model, as ``predict_scene`` takes it."""
    return LoadedModel(
        (segmenter or Brightness()).eval(),  # type: ignore[arg-type]
        card or toy_card(),
        sha256="0" * 64,
    )
