"""Random changes of training chips that keep the labels right."""

import torch
from torch import Tensor


def random_turn(bands: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One of the eight flips and quarter turns of a square, the same for both.

    ``bands`` is ``(C, S, S)``, ``labels`` ``(S, S)``.
    """
    quarter_turns, flipped = divmod(int(torch.randint(8, (), generator=generator)), 2)
    bands = torch.rot90(bands, quarter_turns, (-2, -1))
    labels = torch.rot90(labels, quarter_turns, (-2, -1))
    if flipped:
        bands, labels = bands.flip(-1), labels.flip(-1)
    return bands.contiguous(), labels.contiguous()


def drop_bands(bands: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """With ``probability``, all bands of ``(C, S, S)`` but one, chosen at random, become zero.

    A model trained so accepts scenes that lack bands (zero is the training mean).
    """
    if torch.rand((), generator=generator) >= probability:
        return bands
    kept = int(torch.randint(len(bands), (), generator=generator))
    lone = torch.zeros_like(bands)
    lone[kept] = bands[kept]
    return lone
