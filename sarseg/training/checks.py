"""What a training run refuses before any work, and what it warns of."""

from collections.abc import Iterator
from pathlib import Path

from sarseg.datasets.fusar import RELEASES
from sarseg.datasets.source import ChipSource, Split
from sarseg.decoders.base import Decoder
from sarseg.decoders.boxes import FOREGROUND
from sarseg.errors import DatasetError, OutputError, UsageError
from sarseg.sam.architecture import architecture
from sarseg.scenes.output import check_output
from sarseg.training.settings import TrainSettings

RARE = 0.02
"""Pixels of a class, as a share of the commonest one's, below which the imbalance is told."""


def check_place(output: Path, settings: TrainSettings, *, overwrite: bool) -> None:
    """Raise OutputError where the model file ``output`` could not or should not be written."""
    weights = [settings.backbone_weights] if settings.backbone_weights else []
    check_output(output, overwrite=overwrite, inputs=weights)
    for data in (Path(settings.dataset), settings.data):
        if data is not None and data.resolve() in output.resolve().parents:
            raise OutputError(f"The model {output} would lie among the training data; move it out.")


def check_class_weights(settings: TrainSettings) -> None:
    """Raise UsageError where the class weights that were chosen have no meaning."""
    if settings.class_weights == "published" and settings.foreground is not None:
        raise UsageError(
            "The published class weights are for all classes, not for one against the rest: with "
            "--foreground, choose --class-weights none or frequency."
        )


def check_trainable(source: ChipSource, decoding: Decoder) -> None:
    """Raise DatasetError without training chips, UsageError where the classes are too many."""
    needed: Split = "train"
    if not source.splits.get(needed):
        found = ", ".join(source.splits) or "no chips at all"
        raise DatasetError(
            f"{source.name} has no chips of the split 'train' (found: {found}). "
            "Give sarseg tile a label raster that covers the scene, and a split raster in which "
            "1 marks training pixels."
        )
    if decoding.takes_boxes and len(source.classes) != 2:
        raise UsageError(
            f"The decoder {decoding.name} tells one class from the rest, and {source.name} has "
            f"{len(source.classes)}: choose one of them by --foreground: "
            f"{', '.join(entry.name for entry in source.classes)}."
        )


def check_margin(source: ChipSource, margin: int) -> None:
    """Raise DatasetError where filters that look ``margin`` pixels far leave nothing of a chip."""
    if 2 * margin >= source.tile_size:
        raise DatasetError(
            f"The filters look {margin} pixels far, which leaves no pixel of the chips of "
            f"{source.name}, {source.tile_size} x {source.tile_size}: filter the scene when the "
            "chips are cut (the same options of sarseg tile), or cut larger chips."
        )


def doubts(
    settings: TrainSettings,
    decoding: Decoder,
    source: ChipSource,
    counts: tuple[int, ...],
    validation_counts: tuple[int, ...],
    size: int,
    *,
    measured: bool,
) -> Iterator[str]:
    """Sentences about what a person should know before a long training.

    ``counts`` are the training pixels of each class, ``validation_counts`` those that choose the
    epoch, ``size`` the pixels of a side of what the model is shown; ``measured`` says whether
    epochs are compared on a validation split.
    """
    yield from source.remarks
    absent = [c.name for c, count in zip(source.classes, counts, strict=True) if count == 0]
    if absent:
        yield f"No training pixel is labelled {', '.join(absent)}; no map will show it."
    rare = [
        f"{entry.name} ({count / sum(counts):.2%})"
        for entry, count in zip(source.classes, counts, strict=True)
        if 0 < count < RARE * max(counts)
    ]
    if rare and settings.class_weights == "none":
        yield (
            f"Far fewer training pixels than of the commonest class are labelled {', '.join(rare)};"
            " --class-weights frequency gives them more weight."
        )
    if decoding.takes_boxes and settings.foreground is None:
        rest, foreground = source.classes
        yield (
            f"The model will map {foreground.name}, the second class of {source.name}; to map "
            f"{rest.name}, choose it by --foreground."
        )
    unjudged = [
        entry.name
        for entry, count, judged in zip(source.classes, counts, validation_counts, strict=True)
        if count and not judged
    ]
    if measured and unjudged and not decoding.takes_boxes:
        yield (
            f"No validation pixel is labelled {', '.join(unjudged)}: the epoch is chosen without "
            "regard to them."
        )
    if settings.patience is not None and not measured:
        yield "Without a validation split to measure on, --patience has no effect."
    if settings.augmentation.speckle_looks and source.filters.despeckle is not None:
        yield (
            f"The chips of {source.name} are despeckled, so the speckle of augment.speckle_looks "
            "is more than the model will ever see of a scene: leave it out, or the filter when "
            "chips are cut."
        )
    if source.splits.get("validation") and not measured:
        missing = f" {source.classes[FOREGROUND].name}" if decoding.takes_boxes else ""
        yield (
            f"No validation pixel is labelled{missing}, so epochs cannot be compared: the last one "
            "is kept."
        )
    made_for = architecture(settings.backbone).image_size
    if size != made_for and settings.dataset not in RELEASES:
        yield (
            f"{settings.backbone} was made for {made_for} x {made_for} pixels, but these chips "
            f"have {size}: its position tables are resized. Better: sarseg tile --size {made_for}."
        )
