"""Training from a dataset to a model file."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning import Trainer, seed_everything
from torch.utils.data import DataLoader

from sarseg.adapters import method
from sarseg.assessment.confusion import scores_by_name
from sarseg.datasets.foreground import OneAgainstRest
from sarseg.datasets.fusar import RELEASES
from sarseg.datasets.source import IGNORE, open_dataset
from sarseg.decoders import decoder
from sarseg.decoders.base import Decoder
from sarseg.decoders.boxes import FOREGROUND
from sarseg.errors import DatasetError, UsageError
from sarseg.filters.preparation import Preparation
from sarseg.model.backbone import backbone_file, backbone_sha256, load_backbone
from sarseg.model.bands import exact_inputs
from sarseg.model.card import ModelCard
from sarseg.model.device import choose_device
from sarseg.model.file import save_model
from sarseg.model.parameters import parameters_of
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import architecture
from sarseg.training.callbacks import KeepBest, StepProgress
from sarseg.training.checks import (
    check_class_weights,
    check_margin,
    check_place,
    check_trainable,
    doubts,
)
from sarseg.training.data import (
    Example,
    PreparedChips,
    choose_filters,
    filters_left,
    padded_size,
    training_statistics,
)
from sarseg.training.lightning_module import SegmentationTask
from sarseg.training.objectives import objective
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
    decoder: str
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

    Weights of the epoch that does best on the validation split are kept; without one those of the
    last epoch. ``progress(done, total)`` counts optimisation steps; ``warn`` is told, before
    the first of them, what a person should know.

    Raises DatasetError, ModelError, UsageError or OutputError; ``output`` appears only when all is
    done.
    """
    started = time.monotonic()
    device = choose_device(settings.device)
    check_place(output, settings, overwrite=overwrite)
    adaptation = method(settings.method, settings.method_settings)
    decoding = decoder(settings.decoder, settings.decoder_settings)
    check_class_weights(settings, decoding)
    source = open_dataset(settings.dataset, settings.data)
    if settings.foreground is not None:
        source = OneAgainstRest(source, settings.foreground)
    check_trainable(source, decoding)
    sizes = architecture(settings.backbone)
    weights = backbone_file(settings.backbone, settings.backbone_weights)
    weights_sha256 = backbone_sha256(settings.backbone, weights)

    train_refs = source.splits["train"]
    filters = choose_filters(settings.filters, source, train_refs)
    check_margin(source, filters_left(source, filters).margin)
    scaling, counts = training_statistics(source, train_refs, filters_left(source, filters))
    preparation = Preparation(
        despeckle=filters.despeckle, frequency=filters.frequency, scaling=scaling
    )
    labelled = [c.name for c, count in zip(source.classes, counts, strict=True) if count]
    if len(labelled) < 2:
        raise DatasetError(
            f"The training part of {source.name} holds labelled pixels of fewer than two classes "
            f"(found: {', '.join(labelled) or 'none'}); there is nothing to tell apart. Check the "
            "labels and the split."
        )

    size = padded_size(source.tile_size, sizes)
    validation_refs = source.splits.get("validation", ())
    held_back = _held_back(PreparedChips(source, validation_refs, preparation, size), decoding)
    for doubt in doubts(settings, decoding, source, counts, size, measured=held_back is not None):
        if warn:
            warn(doubt)

    seed_everything(settings.seed, verbose=False)
    inputs = exact_inputs(source.bands)
    segmenter = Segmenter(sizes, adaptation, decoding, inputs, len(source.classes))
    segmenter.image_encoder.gradient_checkpointing = settings.gradient_checkpointing
    load_backbone(segmenter, weights, settings.backbone)

    augment_seed = settings.seed if settings.augment else None
    chips = PreparedChips(source, train_refs, preparation, size, augment_seed=augment_seed)
    keep_best = KeepBest()
    task = SegmentationTask(
        segmenter,
        objective(decoding, class_weights(settings, counts)),
        learning_rate=settings.learning_rate,
        final_learning_rate=settings.final_learning_rate,
        weight_decay=settings.weight_decay,
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
            DataLoader(held_back, settings.batch_size) if held_back else None,
        )
    keep_best.restore(segmenter)

    names = [entry.name for entry in source.classes]
    metrics = scores_by_name(keep_best.scores, names) if keep_best.scores else {}
    class_pixels = dict(zip(names, counts, strict=True))
    chip_counts = {str(split): len(refs) for split, refs in source.splits.items()}
    card = ModelCard(
        backbone=settings.backbone,
        backbone_sha256=weights_sha256,
        method=settings.method,
        method_settings=adaptation.model_dump(mode="json"),
        decoder=settings.decoder,
        decoder_settings=decoding.model_dump(mode="json"),
        classes=source.classes,
        inputs=inputs,
        preparation=preparation,
        tile_size=size,
        pixel_size=source.pixel_size,
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
    parameters = parameters_of(segmenter)
    return TrainingSummary(
        output=output,
        method=settings.method,
        decoder=settings.decoder,
        backbone=settings.backbone,
        parameters=parameters.total,
        trainable_parameters=parameters.trainable,
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


def class_weights(settings: TrainSettings, counts: tuple[int, ...]) -> tuple[float, ...]:
    """Weight of each class in the loss.

    ``frequency``: inverse to the square root of the class's pixels, mean 1 over the classes that
    occur; classes that do not occur weigh 0. ``published``: those of the dataset's authors.
    """
    if settings.class_weights == "none":
        return (1.0,) * len(counts)
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


def _held_back(chips: PreparedChips, decoding: Decoder) -> PreparedChips | None:
    """``chips`` of the validation split, or None where they cannot tell one epoch from another."""
    labels = (chips[number][1] for number in range(len(chips)))
    if decoding.takes_boxes:
        judged = any(bool((of_one == FOREGROUND).any()) for of_one in labels)
    else:
        judged = any(bool((of_one != IGNORE).any()) for of_one in labels)
    return chips if judged else None
