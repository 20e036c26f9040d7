"""A model's encoder beside the backbone that it was adapted from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sarseg.adapters.frequency import Band, frequency_band
from sarseg.analysis.watching import Watched, watched
from sarseg.errors import ModelError
from sarseg.model.backbone import backbone_file, load_backbone
from sarseg.model.file import LoadedModel, segmenter_of
from sarseg.model.segmenter import Segmenter
from sarseg.sam.encoder import ImageEncoder

_FREQUENCY_RATIO = 0.25
"""Of methods that look at no frequencies: that of those that do."""

_BANDS: tuple[Band, ...] = ("low", "high")


@dataclass(frozen=True)
class Adaptation:
    """The encoder ``before`` and ``after`` adaptation, on the same images.

    ``whole_image`` lists the blocks, from 0, whose attention is not in windows. ``pictures`` are
    the first channel (S, S) of the first image: as it goes in, and its low and high frequencies,
    of which ``low_share`` of the plane are low.
    """

    before: Watched
    after: Watched
    whole_image: tuple[int, ...]
    tiles: int
    tile_size: int
    pictures: dict[str, NDArray[np.float32]]
    low_share: float


@torch.inference_mode()
def adaptation(
    model: LoadedModel, tiles: Sequence[NDArray[np.float32]], backbone_weights: Path | None = None
) -> Adaptation:
    """What the encoder of ``model`` does with ``tiles`` (C, S, S), and did before.

    Both see the same images, mixed from the bands as the model does it.

    Raises ModelError where the model was adapted from no backbone or its weights are not at hand,
    or the encoder answers with values that are no numbers.
    """
    card = model.card
    if card.holds_backbone:
        raise ModelError(
            "The model was trained from random weights: there is no backbone to compare its "
            "encoder with. Name a model that was adapted from one."
        )
    segmenter = model.segmenter
    assert isinstance(segmenter, Segmenter)
    images = [segmenter.channels(_on(tile, model.device))[0] for tile in tiles]
    plain = _unadapted(model, backbone_weights)
    sizes = plain.sizes
    share = float(card.method_settings.get("frequency_ratio", _FREQUENCY_RATIO))
    first = images[0][:1]
    pictures = {"in": first}
    for band in _BANDS:
        pictures[band] = frequency_band(first, share, band)
    before, after = watched(plain, images), watched(segmenter.image_encoder, images)
    if not (before.distances.isfinite().all() and after.distances.isfinite().all()):
        raise ModelError("The encoder answers with values that are no numbers: it cannot be used.")
    return Adaptation(
        before=before,
        after=after,
        whole_image=tuple(sizes.global_attn_indexes),
        tiles=len(tiles),
        tile_size=card.tile_size,
        pictures={name: picture[0].cpu().numpy() for name, picture in pictures.items()},
        low_share=share,
    )


def _on(tile: NDArray[np.float32], device: str) -> Tensor:
    return torch.from_numpy(tile)[None].to(device)


def _unadapted(model: LoadedModel, backbone_weights: Path | None) -> ImageEncoder:
    """The encoder of the backbone alone."""
    backbone = model.card.backbone
    plain = model.card.model_copy(update={"method": "decoder-only", "method_settings": {}})
    segmenter = segmenter_of(plain)
    load_backbone(segmenter, backbone_file(backbone, backbone_weights), backbone)
    return segmenter.image_encoder.eval().to(model.device)
