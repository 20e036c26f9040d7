"""An encoder watched while it embeds images."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from sarseg.analysis.attention_distance import distances_looked
from sarseg.analysis.spectrum import log_amplitudes, relative
from sarseg.sam.encoder import ImageEncoder
from sarseg.sam.package import image_encoder


@dataclass(frozen=True)
class Watched:
    """What was seen in an encoder of N blocks, the mean over images.

    ``distances`` (N, heads): mean attention distance in pixels of the image. ``spectra`` (N, F):
    relative log amplitudes of each block's output, from zero to the highest frequency.
    """

    distances: Tensor
    spectra: Tensor


@torch.inference_mode()
def watched(encoder: ImageEncoder, images: Iterable[Tensor]) -> Watched:
    """Embed ``images`` (3, S, S) of one size one by one, and watch."""
    record = _Record(len(encoder.blocks))
    with _hooks(encoder, record):
        for image in images:
            encoder(image[None])
    distances = _stacked(record.distances).sum(dim=1) / _stacked(record.weights).sum(dim=1)
    spectra = relative(_stacked(record.amplitudes).mean(dim=1))
    return Watched(distances.cpu() * encoder.sizes.patch_size, spectra.cpu())


def _stacked(found: list[list[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(of_block) for of_block in found])


class _Record:
    """What was found in each block, image by image."""

    def __init__(self, blocks: int) -> None:
        self.distances: list[list[Tensor]] = [[] for _ in range(blocks)]
        self.weights: list[list[Tensor]] = [[] for _ in range(blocks)]
        self.amplitudes: list[list[Tensor]] = [[] for _ in range(blocks)]
        self.size = (0, 0)
        """Rows and columns of the tokens on their way through a block."""

    def enter(self, block: Any, arguments: tuple[Tensor, ...]) -> None:
        """A block gets tokens (1, h, w, D)."""
        self.size = (arguments[0].shape[1], arguments[0].shape[2])

    def attend(self, number: int, block: Any, attention: Any, arguments: Any) -> None:
        """Its attention gets them, or windows of them."""
        x, *extra = arguments
        inside = torch.ones(1, *self.size, 1, device=x.device)
        if block.window_size:  # windows that the image does not fill are filled up with zeros
            inside, _ = image_encoder.window_partition(inside, block.window_size)
        total, weight = distances_looked(attention, x, inside[..., 0] > 0, *extra)
        self.distances[number].append(total)
        self.weights[number].append(weight)

    def leave(self, number: int, block: Any, arguments: Any, tokens: Tensor) -> None:
        """The block gives tokens (1, h, w, D)."""
        self.amplitudes[number].append(log_amplitudes(tokens[0].permute(2, 0, 1)))


@contextmanager
def _hooks(encoder: ImageEncoder, record: _Record) -> Iterator[None]:
    handles: list[RemovableHandle] = []
    for number, block in enumerate(encoder.blocks):
        attention: Any = block.attn
        handles += [
            block.register_forward_pre_hook(record.enter),
            attention.register_forward_pre_hook(partial(record.attend, number, block)),
            block.register_forward_hook(partial(record.leave, number)),
        ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
