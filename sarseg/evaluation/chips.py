"""How well a model does on the chips of a dataset."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from sarseg.classes import class_ids
from sarseg.datasets.foreground import OneAgainstRest
from sarseg.datasets.sample import ChipSource, Split
from sarseg.datasets.source import open_dataset
from sarseg.decoders import decoder
from sarseg.errors import DatasetError, ModelError, UsageError
from sarseg.evaluation.classes import shared_legend
from sarseg.evaluation.judging import Outcome, Progress, model_facts, version_facts
from sarseg.evaluation.leaks import dataset_leaks
from sarseg.evaluation.result import Evaluation, accuracy_of
from sarseg.evaluation.tally import JudgedRows, Tally
from sarseg.filters.chain import NO_FILTERS, Filters
from sarseg.model.bands import select_bands
from sarseg.model.card import ModelCard
from sarseg.model.file import LoadedModel
from sarseg.prediction.forward import class_probabilities, numbers
from sarseg.training.data import PreparedChips
from sarseg.training.objectives import objective


def open_as_trained(dataset: str, data: Path | None, card: ModelCard) -> ChipSource:
    """Open a dataset (see ``open_dataset``); for a model of one class against the rest, with these
    two classes."""
    source = open_dataset(dataset, data)
    foreground = card.training.get("settings", {}).get("foreground")
    return source if foreground is None else OneAgainstRest(source, foreground)


def evaluate_chips(
    model: LoadedModel,
    path: Path,
    source: ChipSource,
    part: Split,
    *,
    tolerance: int = 2,
    batch_size: int = 4,
    progress: Progress | None = None,
) -> Outcome:
    """Judge the model of the file ``path`` by one ``part`` of a dataset, as validation does.

    Chips are prepared as the training chips were, one by one, and not blended with neighbours. A
    model that looks into boxes gets those of the labels. ``progress(done, total)`` counts chips.

    Raises DatasetError where the part is empty or the chips are too large, ModelError where their
    bands are not the model's, InputError where no class matches.
    """
    card = model.card
    refs = source.splits.get(part, ())
    _check(card, source, part)
    legend = shared_legend(card.classes, source.classes)
    tally = Tally(len(legend.classes), tolerance)
    of_channel = legend.of_map[class_ids(card.classes)]
    of_label = legend.of_reference[class_ids(source.classes)]
    chips = PreparedChips(source, refs, card.preparation, card.tile_size)
    done = 0
    for bands, labels in DataLoader(chips, batch_size):
        channels, confidence = _predicted(model, bands, labels)
        for indices, mapped, percent in zip(labels.numpy(), channels, confidence, strict=True):
            rows = JudgedRows(0, of_label[indices], of_channel[mapped], percent)
            tally.add_rows(rows)
            tally.next_image()
        done += len(labels)
        if progress:
            progress(done, len(refs))
    if not tally.confusion.any():
        raise DatasetError(
            f"The {part} part of {source.name} has no labelled pixel, so there is nothing to judge "
            "by. Check the labels and the split."
        )
    doubts, notes = legend.told(tally.confusion.sum(axis=1))
    if decoder(card.decoder, card.decoder_settings).takes_boxes:
        notes = (*notes, "The boxes that the model looked into were taken from the labels.")
    digest = source.digest()
    evaluation = Evaluation(
        subject=path.name,
        kind="model",
        reference=source.name,
        part=part,
        accuracy=accuracy_of(tally, legend.classes),
        areas=None,
        warnings=(
            *dataset_leaks(card, source.name, digest, source.scenes, part),
            *doubts,
        ),
        notes=notes,
        provenance={
            **model_facts(model, path),
            "Dataset": f"{source.name}, part {part}",
            "Chips": f"{len(refs)} of {source.tile_size} x {source.tile_size} pixels",
            "Division": source.division,
            "Division SHA-256": digest,
            "Tolerance of boundaries": f"{tolerance} pixels",
            **version_facts(),
        },
    )
    return Outcome(evaluation)


def _check(card: ModelCard, source: ChipSource, part: Split) -> None:
    if not source.splits.get(part):
        held = ", ".join(name for name, refs in source.splits.items() if refs) or "none"
        raise DatasetError(
            f"{source.name} has no chips in its {part} part; it has: {held}. Choose another --part."
        )
    picks = select_bands(card.inputs, source.bands, source.name)
    if picks != tuple(range(len(source.bands))):
        raise ModelError(
            f"{source.name} has the bands {', '.join(source.bands)}, but the model takes "
            f"{', '.join(slot.name for slot in card.inputs.slots)}, in this order and no others. "
            "Tile the scenes with the bands of the model."
        )
    own = Filters(despeckle=card.preparation.despeckle, frequency=card.preparation.frequency)
    # looks are each scene's own
    if source.filters.without_looks() not in (NO_FILTERS, own.without_looks()):
        raise ModelError(
            f"The chips of {source.name} were filtered when they were cut, in another way than the "
            "model's training chips. Tile the scenes without filters, or as those were."
        )
    if source.tile_size > card.tile_size:
        raise DatasetError(
            f"The chips of {source.name} have {source.tile_size} x {source.tile_size} pixels, more "
            f"than the model's {card.tile_size}. Tile the scenes with --size {card.tile_size}."
        )


@torch.inference_mode()
def _predicted(
    model: LoadedModel, bands: Tensor, labels: Tensor
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Channel and confidence in percent (B, S, S) of each pixel."""
    card = model.card
    weights = (1.0,) * len(card.classes)
    asked = objective(decoder(card.decoder, card.decoder_settings), weights).to(model.device)
    try:
        logits = asked.logits(model.segmenter, bands.to(model.device), labels.to(model.device))
        probabilities = numbers(class_probabilities(logits, card))
    except torch.OutOfMemoryError as error:
        raise UsageError(
            f"{len(bands)} chips at once do not fit the memory of {model.device}: choose a smaller "
            "--batch-size."
        ) from error
    confidence, channels = probabilities.max(dim=1)
    percent = (confidence * 100).round().to(torch.uint8)
    return channels.to(torch.uint8).cpu().numpy(), percent.cpu().numpy()
