"""What a network is to see in a simulated patch: parcels, their levels, and which are alike.

Nothing here depends on a legend, so that what is learned serves any.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sarseg.pretraining.bank import Truth

EMBEDDING = 16
"""Outputs of a network in training: three levels, texture and boundary, and what else it needs to
tell classes apart."""

_LEVELS, _TEXTURE, _BOUNDARY = slice(0, 3), 3, 4
_WEIGHTS = (1.0, 0.3, 0.1, 0.3)
_BEND = 0.5
"""Where the loss of levels becomes linear, in standard deviations of a band."""
_PIXELS = 3000
"""Of a patch, that are told apart in one step."""
_FEWEST = 8
"""Pixels that make a class's prototype."""


class ParcelLoss(NamedTuple):
    """Terms of the loss, scalars: of levels, texture, boundaries, and of telling classes apart."""

    level: Tensor
    texture: Tensor
    boundary: Tensor
    classes: Tensor

    @property
    def total(self) -> Tensor:
        """The weighted sum."""
        return torch.stack(list(self)) @ self.level.new_tensor(_WEIGHTS)


def parcel_loss(answer: Tensor, truth: Truth, generator: torch.Generator) -> ParcelLoss:
    """How far ``answer`` (B, 16, h, w) is from ``truth``; ``generator`` draws what is compared."""
    level = functional.smooth_l1_loss(answer[:, _LEVELS], truth.level, beta=_BEND)
    texture = functional.smooth_l1_loss(answer[:, _TEXTURE], truth.texture, beta=_BEND)
    boundary = functional.binary_cross_entropy_with_logits(answer[:, _BOUNDARY], truth.boundary)
    apart = [
        classes_apart(each, classes, parcels, generator)
        for each, classes, parcels in zip(answer, truth.classes, truth.parcels, strict=True)
    ]
    return ParcelLoss(level, texture, boundary, torch.stack(apart).mean())


def classes_apart(
    embedding: Tensor, classes: Tensor, parcels: Tensor, generator: torch.Generator
) -> Tensor:
    """How badly pixels of some parcels are told by what other parcels of their class look like.

    Half of the parcels, drawn at random, give each class its prototype, the mean of their
    ``embedding`` (E, h, w); pixels of the other half belong to the nearest prototype, by squared
    distance (Snell et al. 2017, arXiv 1703.05175). The mean cross-entropy; 0, with a gradient,
    where there is nothing to tell apart.
    """
    numbers = torch.unique(parcels, return_inverse=True)[1].ravel()
    gives = torch.rand(int(numbers.max()) + 1, generator=generator) < 0.5
    drawn = torch.randperm(numbers.numel(), generator=generator)[:_PIXELS]
    supports = gives.to(numbers.device)[numbers[drawn]]
    names = classes.ravel()[drawn]
    values = embedding.flatten(1).T[drawn]
    member = functional.one_hot(names, int(names.max()) + 1).to(values) * supports[:, None]
    pixels = member.sum(0)
    known = pixels >= _FEWEST
    asked = ~supports & known[names]
    if known.sum() < 2 or not asked.any():
        return values.sum() * 0
    prototypes = (member.T @ values)[known] / pixels[known, None]
    distances = torch.cdist(values[asked], prototypes) ** 2
    place = torch.cumsum(known, 0) - 1
    return functional.cross_entropy(-distances, place[names[asked]])
