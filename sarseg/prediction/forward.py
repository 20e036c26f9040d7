"""From prepared tiles to class probabilities: precision, and test-time augmentation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sarseg.decoders import DECODERS
from sarseg.errors import ModelError, UsageError
from sarseg.model.card import ModelCard
from sarseg.model.device import computes_bfloat16
from sarseg.model.file import LoadedModel
from sarseg.model.memory import keep_large_blocks
from sarseg.prediction.boxes import Boxes

Precision = Literal["float32", "bfloat16"]
WantedPrecision = Literal["auto", "float32", "bfloat16"]
Views = Literal["none", "flips", "turns"]
"""Test-time augmentation: the tile alone; with its 3 mirror images; or those and their 4 quarter
turns as well."""

_ROWS, _COLUMNS = -2, -1
_FLIPS: tuple[tuple[int, ...], ...] = ((), (_ROWS,), (_COLUMNS,), (_ROWS, _COLUMNS))


@dataclass(frozen=True)
class _View:
    """A square tile seen otherwise: transposed or not, then reversed along ``axes``."""

    transposed: bool
    axes: tuple[int, ...]

    def of(self, tiles: Tensor) -> Tensor:
        """``tiles`` (..., S, S) as seen so."""
        return (tiles.mT if self.transposed else tiles).flip(self.axes)

    def undone(self, seen: Tensor) -> Tensor:
        """What ``of`` made into ``seen``."""
        back = seen.flip(self.axes)
        return back.mT if self.transposed else back


_VIEWS: dict[Views, tuple[_View, ...]] = {
    "none": (_View(False, ()),),
    "flips": tuple(_View(False, axes) for axes in _FLIPS),
    "turns": tuple(_View(transposed, axes) for transposed, axes in product((False, True), _FLIPS)),
}


@dataclass(frozen=True)
class Forward:
    """A model as it is run: in a precision, on one or more views of each tile.

    ``bfloat16`` is torch's autocast: parts that need float32 stay in it, as does the softmax.

    Raises UsageError where several views are asked of a decoder that takes boxes: these are not
    turned with the tile.
    """

    model: LoadedModel
    precision: Precision = "float32"
    views: Views = "none"

    def __post_init__(self) -> None:
        keep_large_blocks()
        decoder = self.model.card.decoder
        if self.views != "none" and DECODERS[decoder].takes_boxes:
            raise UsageError(
                f"--tta {self.views} is not for a model that looks in boxes (its decoder is "
                f"{decoder}): leave it out, or choose --tta none."
            )

    @property
    def batches_in_flight(self) -> int:
        """Batches that are best begun before the answer to an earlier one is waited for: a GPU
        works on them meanwhile, the CPU would only make others wait."""
        return 0 if self.model.device == "cpu" else 1

    def probabilities(
        self, bands: NDArray[np.float32], boxes: Sequence[Boxes] = ()
    ) -> NDArray[np.float32]:
        """Class probabilities (B, K, S, S) of tiles (B, C, S, S): the mean over the views.

        ``boxes`` has one entry a tile, for a decoder that takes them and for no other. Any thread
        may call.

        Raises ModelError where the model answers with no numbers, torch.OutOfMemoryError where the
        tiles do not fit the device together.
        """
        return self.begun(bands, boxes)()

    @torch.inference_mode()
    def begun(
        self, bands: NDArray[np.float32], boxes: Sequence[Boxes] = ()
    ) -> Callable[[], NDArray[np.float32]]:
        """``probabilities`` in two steps: what is returned waits for the device's answer."""
        device = self.model.device
        tiles = torch.from_numpy(bands)
        if self.batches_in_flight:  # a copy from pinned memory waits for no earlier batch
            tiles = tiles.pin_memory()
        tiles = tiles.to(device, non_blocking=True)
        prompts = [torch.from_numpy(of_one).to(device, torch.float) for of_one in boxes]
        first, *others = _VIEWS[self.views]
        total = first.undone(self._seen(first.of(tiles), prompts))
        for view in others:
            total += view.undone(self._seen(view.of(tiles), prompts))
        mean = total / (1 + len(others))
        if not self.batches_in_flight:
            return lambda: np.asarray(numbers(mean).numpy(), np.float32)
        # copied as soon as it is there: asked for later, it would come after the next batch
        copied = torch.empty(mean.shape, dtype=mean.dtype, pin_memory=True)
        copied.copy_(mean, non_blocking=True)
        there = torch.cuda.Event()  # type: ignore[no-untyped-call]
        there.record()

        def answer() -> NDArray[np.float32]:
            there.synchronize()
            return np.asarray(numbers(copied).numpy(), np.float32)

        return answer

    def _seen(self, tiles: Tensor, prompts: Sequence[Tensor]) -> Tensor:
        """Class probabilities (B, K, S, S) of one view of the tiles."""
        model = self.model
        with torch.autocast(
            tiles.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"
        ):
            logits: Tensor = model.segmenter(tiles, prompts) if prompts else model.segmenter(tiles)
        return class_probabilities(logits, model.card)


def class_probabilities(logits: Tensor, card: ModelCard) -> Tensor:
    """Probabilities (B, K, S, S) float32 from a model's logits, at its temperature."""
    return (logits.float() / card.temperature).softmax(dim=1)


def numbers(probabilities: Tensor) -> Tensor:
    """``probabilities`` (B, K, S, S) themselves. Raises ModelError where some are no numbers.

    A softmax makes all of a pixel NaN where one is, so that the first class tells of all.
    """
    if not torch.isfinite(probabilities[:, 0].sum()):
        raise ModelError("The model answers with values that are no numbers: it cannot be used.")
    return probabilities


def choose_precision(wanted: WantedPrecision, device: str) -> Precision:
    """``auto`` is bfloat16 where ``device`` computes in it, which is faster; else as wanted."""
    if wanted == "auto":
        return "bfloat16" if computes_bfloat16(device) else "float32"
    return wanted
