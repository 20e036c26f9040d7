"""A trained network judged on one part of the data, counted by units of the reference."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from sarseg.classes import NODATA, class_ids
from sarseg.comparison.config import DatasetData, SceneData
from sarseg.comparison.data import reading_of, reference_of
from sarseg.comparison.record import Judgement, Unit
from sarseg.datasets.sample import IGNORE, Split
from sarseg.decoders import decoder
from sarseg.errors import DatasetError
from sarseg.evaluation.chips import open_as_trained
from sarseg.evaluation.classes import shared_legend
from sarseg.evaluation.reference import open_reference
from sarseg.model.card import ModelCard
from sarseg.model.file import LoadedModel
from sarseg.prediction.caching import bounded_cache
from sarseg.prediction.rows import map_rows
from sarseg.prediction.settings import PredictSettings
from sarseg.prediction.tile_reading import checked_grid
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window
from sarseg.training.data import Example, PreparedChips
from sarseg.training.objectives import objective
from sarseg.training.objectives.base import Objective


def judge(
    model: LoadedModel, data: DatasetData | SceneData, part: str, *, batch_size: int
) -> Judgement:
    """Count what ``model`` makes of the ``part`` of ``data``.

    Scenes are mapped whole, as ``sarseg predict`` does, chips one by one. Raises DatasetError or
    InputError where nothing of that part is labelled.
    """
    split = cast("Split", part)
    if isinstance(data, SceneData):
        return _judged_scene(model, data, split, batch_size)
    return _judged_chips(model, data, split, batch_size)


def fields(truth: NDArray[np.uint8]) -> tuple[NDArray[np.int32], int]:
    """Number (H, W) of the field that each pixel lies in, -1 for none, and how many there are.

    A field is a 4-connected area of one class in ``truth`` (H, W), class indices, 255 for none.
    """
    numbers = np.full(truth.shape, -1, np.int32)
    found = 0
    for index in np.unique(truth[truth != NODATA]):
        areas, count = ndimage.label(truth == index)
        inside = areas > 0
        numbers[inside] = areas[inside] - 1 + found
        found += count
    return numbers, found


class UnitCounts:
    """Pixels of each unit, class in the reference and class in the map, of what occurs."""

    def __init__(self, num_classes: int) -> None:
        self._classes = num_classes
        self._cells: dict[int, int] = {}

    def add(
        self, units: NDArray[np.integer], truth: NDArray[np.uint8], mapped: NDArray[np.uint8]
    ) -> None:
        """Count pixels where ``truth`` is a class; all arrays are alike in shape. What is mapped as
        no class is an error, as in ``confusion_matrix``."""
        judged = truth < self._classes
        guess = np.minimum(mapped[judged], self._classes).astype(np.int64)
        cells = units[judged].astype(np.int64) * self._classes + truth[judged]
        codes, pixels = np.unique(cells * (self._classes + 1) + guess, return_counts=True)
        for code, count in zip(codes.tolist(), pixels.tolist(), strict=True):
            self._cells[code] = self._cells.get(code, 0) + count

    def judgement(self, unit: Unit, units: int, classes: Sequence[str]) -> Judgement:
        """What has been counted of ``units`` in all."""
        counts = []
        for code, pixels in sorted(self._cells.items()):
            cell, mapped = divmod(code, self._classes + 1)
            number, reference = divmod(cell, self._classes)
            counts.append((number, reference, mapped, pixels))
        return Judgement(unit=unit, units=units, classes=tuple(classes), counts=tuple(counts))


def _judged_scene(model: LoadedModel, data: SceneData, part: Split, batch_size: int) -> Judgement:
    card = model.card
    settings = PredictSettings(batch_size=batch_size)
    files = reference_of(data, part)
    with (
        Scene.open(data.scene, reading_of(data)) as scene,
        open_reference(files, scene) as reference,
    ):
        legend = shared_legend(card.classes, reference.classes)
        whole = Window(0, 0, scene.height, scene.width)
        truth = legend.of_reference[reference.read(whole)]
        numbers, units = fields(truth)
        counts = UnitCounts(len(legend.classes))
        rows = map_rows(scene, model, settings)
        grid = checked_grid(scene, card, settings, None)
        with bounded_cache(scene, grid, card, grid.width), closing(rows):
            for each in rows:
                here = slice(each.row, each.row + len(each.classes))
                counts.add(numbers[here], truth[here], legend.of_map[each.classes])
    return counts.judgement("field", units, [entry.name for entry in legend.classes])


@torch.inference_mode()
def _judged_chips(model: LoadedModel, data: DatasetData, part: Split, batch_size: int) -> Judgement:
    card = model.card
    source = open_as_trained(data.dataset, data.data, card)
    refs = source.splits.get(part, ())
    if not refs:
        held = ", ".join(name for name, some in source.splits.items() if some) or "none"
        raise DatasetError(
            f"{source.name} has no chips in its {part} part; it has: {held}. Choose another part."
        )
    legend = shared_legend(card.classes, source.classes)
    of_channel = legend.of_map[class_ids(card.classes)]
    of_label = legend.of_reference[class_ids(source.classes)]
    chips = _WholeLabels(PreparedChips(source, refs, card.preparation, card.tile_size))
    counts, units = UnitCounts(len(legend.classes)), 0
    asked = _asked(card).to(model.device)
    for bands, labels in DataLoader(chips, batch_size):
        logits = asked.logits(model.segmenter, bands.to(model.device), labels.to(model.device))
        channels = logits.argmax(1).to(torch.uint8).cpu().numpy()
        for truth, mapped in _labelled(of_label[labels.numpy()], of_channel[channels]):
            counts.add(np.full(truth.shape, units), truth, mapped)
            units += 1
    if not units:
        raise DatasetError(f"The {part} part of {source.name} has no labelled pixel to judge by.")
    return counts.judgement("chip", units, [entry.name for entry in legend.classes])


class _WholeLabels(Dataset[Example]):
    """Prepared chips with all labels that they have.

    Those of ``PreparedChips`` end where the window of the model's own filter is cut off, so that
    runs with different filters would be judged on different pixels.
    """

    def __init__(self, chips: PreparedChips) -> None:
        self.chips = chips

    def __len__(self) -> int:
        return len(self.chips)

    def __getitem__(self, number: int) -> Example:
        bands, _ = self.chips[number]
        chip = self.chips.source.read(self.chips.refs[number])
        labels = torch.from_numpy(np.where(chip.valid, chip.labels, IGNORE)).long()
        missing = self.chips.size - labels.shape[-1]
        return bands, functional.pad(labels, (0, missing, 0, missing), value=IGNORE)


def _labelled(
    truth: NDArray[np.uint8], mapped: NDArray[np.uint8]
) -> Iterable[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Chips that have a labelled pixel; the others are nothing that could be drawn."""
    for one, other in zip(truth, mapped, strict=True):
        if (one != NODATA).any():
            yield one, other


def _asked(card: ModelCard) -> Objective[Any]:
    weights = (1.0,) * len(card.classes)
    return objective(decoder(card.decoder, card.decoder_settings), weights)
