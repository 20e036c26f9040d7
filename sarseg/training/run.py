"""Training from a dataset to a model file."""

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning import Trainer, seed_everything
from torch.utils.data import DataLoader

from sarseg.adapters import method
from sarseg.assessment.confusion import scores_by_name
from sarseg.datasets.fusar import RELEASES
from sarseg.datasets.source import ChipSource, Split, open_dataset
from sarseg.errors import DatasetError, ModelError, OutputError, UsageError
from sarseg.filters.preparation import Preparation
from sarseg.model.backbone import backbone_file, file_sha256, load_backbone
from sarseg.model.bands import MAX_BANDS, exact_inputs
from sarseg.model.card import ModelCard
from sarseg.model.device import choose_device
from sarseg.model.file import save_model
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import architecture
from sarseg.scenes.output import check_output
from sarseg.training.callbacks import KeepBest, StepProgress
from sarseg.training.data import Example, PreparedChips, padded_size, training_statistics
from sarseg.training.lightning_module import SegmentationTask
from sarseg.training.settings import TrainSettings
from sarseg.training.trainer import bare_trainer, quiet_lightning

Progress = Callable[[int, int], None]

_PLACES = {"dataset", "data", "backbone_weights", "device"}
"""Settings that say where things lie on one machine: not for the model file."""


@dataclass(frozen=True)
class TrainingSummary:
    """What a training run did; ``metrics`` are those of the validation split, empty without one."""

    output: Path
    method: str
    backbone: str
    parameters: int
    trainable_parameters: int
    class_pixels: dict[str, int]
    chips: dict[str, int]
    best_epoch: int
    metrics: dict[str, float]
    seconds: float


def train(
    settings: TrainSettings,
    output: Path,
    *,
    overwrite: bool,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> TrainingSummary:
    """Train as ``settings`` say and write the model file ``output``.

    Weights of the epoch with the best validation mIoU are kept; without a validation split those
    of the last epoch. ``progress(done, total)`` counts optimisation steps; ``warn`` is told, before
    the first of them, what a person should know.

    Raises DatasetError, ModelError, UsageError or OutputError; ``output`` appears only when all is
    done.
    """
    started = time.monotonic()
    device = choose_device(settings.device)
    _check_output(output, settings, overwrite=overwrite)
    source = open_dataset(settings.dataset, settings.data)
    _check_trainable(source)
    adaptation = method(settings.method, settings.method_settings)
    sizes = architecture(settings.backbone)
    weights = backbone_file(settings.backbone, settings.backbone_weights)

    train_refs = source.splits["train"]
    validation_refs = source.splits.get("validation", ())
    scaling, counts = training_statistics(source, train_refs, settings.despeckle)
    preparation = Preparation(despeckle=settings.despeckle, scaling=scaling)
    if sum(count > 0 for count in counts) < 2:
        raise DatasetError(
            f"The training part of {source.name} holds labelled pixels of fewer than two classes; "
            "there is nothing to tell apart. Check the labels and the split."
        )

    size = padded_size(source.tile_size, sizes)
    for doubt in _doubts(source, counts, size, settings):
        if warn:
            warn(doubt)

    seed_everything(settings.seed, verbose=False)
    inputs = exact_inputs(source.bands)
    segmenter = Segmenter(sizes, adaptation, inputs, len(source.classes))
    load_backbone(segmenter, weights, settings.backbone)

    augment_seed = settings.seed if settings.augment else None
    chips = PreparedChips(source, train_refs, preparation, size, augment_seed=augment_seed)
    held_back = PreparedChips(source, validation_refs, preparation, size)
    keep_best = KeepBest()
    task = SegmentationTask(
        segmenter,
        learning_rate=settings.learning_rate,
        final_learning_rate=settings.final_learning_rate,
        weight_decay=settings.weight_decay,
        class_weights=class_weights(settings, counts),
    )
    with quiet_lightning():
        trainer = bare_trainer(
            max_epochs=settings.epochs,
            accelerator={"cpu": "cpu", "cuda": "gpu"}[device],
            callbacks=[keep_best, StepProgress(progress)],
        )
        shuffling = torch.Generator().manual_seed(settings.seed)
        _fit(
            trainer,
            task,
            DataLoader(chips, settings.batch_size, shuffle=True, generator=shuffling),
            DataLoader(held_back, settings.batch_size) if validation_refs else None,
        )
    keep_best.restore(segmenter)

    names = [entry.name for entry in source.classes]
    metrics = scores_by_name(keep_best.scores, names) if keep_best.scores else {}
    class_pixels = dict(zip(names, counts, strict=True))
    chip_counts = {str(split): len(refs) for split, refs in source.splits.items()}
    card = ModelCard(
        backbone=settings.backbone,
        backbone_sha256=file_sha256(weights),
        method=settings.method,
        method_settings=adaptation.model_dump(mode="json"),
        classes=source.classes,
        inputs=inputs,
        preparation=preparation,
        tile_size=size,
        training={
            "dataset": source.name,
            "split_digest": source.digest(),
            "chips": chip_counts,
            "class_pixels": class_pixels,
            "settings": settings.model_dump(mode="json", exclude=_PLACES),
        },
        metrics=metrics,
    )
    save_model(output, segmenter, card)
    return TrainingSummary(
        output=output,
        method=settings.method,
        backbone=settings.backbone,
        parameters=sum(p.numel() for p in segmenter.parameters()),
        trainable_parameters=sum(p.numel() for p in segmenter.parameters() if p.requires_grad),
        class_pixels=class_pixels,
        chips=chip_counts,
        best_epoch=keep_best.epoch,
        metrics=metrics,
        seconds=time.monotonic() - started,
    )


def _fit(
    trainer: Trainer,
    task: SegmentationTask,
    training: DataLoader[Example],
    validation: DataLoader[Example] | None,
) -> None:
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(task, training, validation)
    except SystemExit as stop:  # what Lightning makes of Ctrl-C, which it then ignores
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from stop
    except torch.OutOfMemoryError as error:
        raise UsageError(
            f"Batches of {training.batch_size} chips do not fit the memory of the GPU: choose a "
            "smaller --batch-size."
        ) from error


def class_weights(settings: TrainSettings, counts: tuple[int, ...]) -> tuple[float, ...] | None:
    """Weight of each class in the loss, or None for equal ones.

    ``frequency``: inverse to the square root of the class's pixels, mean 1 over the classes that
    occur; classes that do not occur weigh 0. ``published``: those of the dataset's authors.
    """
    if settings.class_weights == "none":
        return None
    if settings.class_weights == "published":
        if settings.dataset not in RELEASES:
            raise DatasetError(
                f"There are no published class weights for {settings.dataset}; "
                f"only for {', '.join(RELEASES)}. Choose --class-weights none or frequency."
            )
        return RELEASES[settings.dataset].published_weights
    raw = [count**-0.5 if count else 0.0 for count in counts]
    mean = sum(raw) / sum(count > 0 for count in counts)
    return tuple(weight / mean for weight in raw)


def _check_output(output: Path, settings: TrainSettings, *, overwrite: bool) -> None:
    weights = [settings.backbone_weights] if settings.backbone_weights else []
    check_output(output, overwrite=overwrite, inputs=weights)
    for data in (Path(settings.dataset), settings.data):
        if data is not None and data.resolve() in output.resolve().parents:
            raise OutputError(f"The model {output} would lie among the training data; move it out.")


def _doubts(
    source: ChipSource, counts: tuple[int, ...], size: int, settings: TrainSettings
) -> Iterator[str]:
    """Sentences about what a person should know before a long training."""
    absent = [c.name for c, count in zip(source.classes, counts, strict=True) if count == 0]
    if absent:
        yield f"No training pixel is labelled {', '.join(absent)}; no map will show it."
    made_for = architecture(settings.backbone).image_size
    if size != made_for and settings.dataset not in RELEASES:
        yield (
            f"{settings.backbone} was made for {made_for} x {made_for} pixels, but these chips "
            f"have {size}: its position tables are resized. Better: sarseg tile --size {made_for}."
        )


def _check_trainable(source: ChipSource) -> None:
    needed: Split = "train"
    if not source.splits.get(needed):
        found = ", ".join(source.splits) or "no chips at all"
        raise DatasetError(
            f"{source.name} has no chips of the split 'train' (found: {found}). "
            "Give sarseg tile a label raster that covers the scene, and a split raster in which "
            "1 marks training pixels."
        )
    if len(source.bands) > MAX_BANDS:
        raise ModelError(
            f"The chips of {source.name} have {len(source.bands)} bands; at most {MAX_BANDS} can "
            "be used. Make a scene of fewer bands (gdal_translate -b) and tile that."
        )
