"""Training from a dataset to a model file."""

import errno
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer, seed_everything

from sarseg.assessment.confusion import scores_by_name
from sarseg.errors import OutputError, UsageError
from sarseg.model.bands import BandInputs, exact_inputs
from sarseg.model.card import ModelCard
from sarseg.model.device import choose_device
from sarseg.model.file import save_model
from sarseg.model.memory import peak_memory
from sarseg.model.parameters import parameters_of
from sarseg.model.segmenter import Segmenter
from sarseg.sam.architecture import architecture
from sarseg.training.assembly import chip_loading, segmentation_task, trainer_precision
from sarseg.training.callbacks import (
    KeepBest,
    ObeySignals,
    SaveState,
    StepProgress,
    ValidateAverage,
)
from sarseg.training.checks import check_place
from sarseg.training.lightning_module import SegmentationTask
from sarseg.training.loading import ChipLoading
from sarseg.training.loggers import loggers
from sarseg.training.plan import Plan, plan
from sarseg.training.processes import Processes, processes
from sarseg.training.run_folder import open_run_folder
from sarseg.training.settings import TrainSettings
from sarseg.training.start import Start, start
from sarseg.training.temperature import fitted_temperature
from sarseg.training.trainer import bare_trainer, quiet_lightning

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

Progress = Callable[[int, int, str], None]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class RunSummary:
    """What a run is: its model, its data, its size.

    ``peak_memory`` is in bytes: of tensors on a GPU, else of the process.
    """

    method: str
    decoder: str
    backbone: str
    parameters: int
    trainable_parameters: int
    class_pixels: dict[str, int]
    chips: dict[str, int]
    steps: int
    peak_memory: int


@dataclass(frozen=True)
class TrainingSummary(RunSummary):
    """What a run did; ``metrics`` are those of the validation split, empty without one."""

    output: Path
    best_epoch: int
    metrics: dict[str, float]
    temperature: float
    seconds: float


@dataclass(frozen=True)
class DryRunSummary(RunSummary):
    """What a run would do, from one step of it; ``step_seconds`` includes reading its chips."""

    loss: float
    step_seconds: float


@dataclass(frozen=True)
class _Parts:
    """What is put together for a run."""

    plan: Plan
    team: Processes
    device: str
    precision: str
    segmenter: Segmenter
    inputs: BandInputs
    start: Start
    task: SegmentationTask
    loading: ChipLoading
    steps: int

    @property
    def class_pixels(self) -> dict[str, int]:
        names = [entry.name for entry in self.plan.source.classes]
        return dict(zip(names, self.plan.counts, strict=True))

    @property
    def chips(self) -> dict[str, int]:
        return {str(split): len(refs) for split, refs in self.plan.source.splits.items()}

    def summary(self, settings: TrainSettings) -> dict[str, Any]:
        """The fields of a ``RunSummary`` but the steps."""
        parameters = parameters_of(self.segmenter)
        return {
            "method": settings.method,
            "decoder": settings.decoder,
            "backbone": settings.backbone,
            "parameters": parameters.total,
            "trainable_parameters": parameters.trainable,
            "class_pixels": self.class_pixels,
            "chips": self.chips,
            "peak_memory": peak_memory(torch.device(self.device)),
        }


def train(
    settings: TrainSettings,
    output: Path,
    *,
    overwrite: bool,
    resume: bool = False,
    progress: Progress | None = None,
    warn: Tell | None = None,
) -> TrainingSummary | None:
    """Train as ``settings`` say and write the model file ``output``.

    Weights of the epoch that does best on the validation split are kept; without one those of the
    last epoch. Beside ``output``, a folder of the same name ending in ``.run`` takes the logs and,
    until all is done, what ``resume`` goes on from. ``progress(done, total, note)`` counts
    optimisation steps; ``warn`` is told, before the first of them, what a person should know.

    None is returned in all processes but the first of those that train together. Raises
    DatasetError, ModelError, UsageError or OutputError; ``output`` appears only when all is done.
    """
    started = time.monotonic()
    team = processes(settings.devices)
    check_place(output, settings, overwrite=overwrite)
    begun = start(settings)
    planned = _planned(settings, team, warn)
    identity = {
        **settings.recorded(),
        "data": planned.source.digest(),
        "preparation": planned.preparation.model_dump(mode="json"),
        "backbone_weights": begun.sha256,
        "processes": team.world,
    }
    folder = open_run_folder(output, identity, resume=resume, overwrite=overwrite)
    parts = _put_together(settings, planned, team, begun, first_step=folder.state.steps)
    keep_best = KeepBest(parts.loading.steps_per_epoch, settings.patience)
    callbacks: list[Callback] = [ObeySignals(), keep_best, ValidateAverage()]
    if progress is not None:
        callbacks.append(StepProgress(progress, parts.steps))
    callbacks.append(
        SaveState(
            folder.state,
            keep_best,
            parts.loading.steps_per_epoch,
            settings.save_minutes,
            warn or (lambda sentence: None),
        )
    )
    with quiet_lightning():
        trainer = _trainer(
            parts,
            max_epochs=settings.epochs - parts.loading.first_epoch,
            callbacks=callbacks,
            logger=loggers(settings.logger, folder.path, settings.recorded()) or False,
            log_every_n_steps=1,
        )
        _fit(trainer, parts)
    if not team.first:
        return None
    keep_best.restore(parts.task)
    names = [entry.name for entry in planned.source.classes]
    metrics = scores_by_name(keep_best.scores, names) if keep_best.scores else {}
    temperature = 1.0
    # where boxes come from labels, what stands outside them is certain, and no guide to confidence
    if planned.validation is not None and not planned.decoding.takes_boxes:
        temperature = fitted_temperature(
            parts.segmenter,
            planned.validation,
            parts.device,
            batch_size=settings.batch_size,
            seed=settings.seed,
        )
    save_model(
        output,
        parts.segmenter,
        _card(settings, parts, metrics, temperature),
        also=begun.also_stored(parts.segmenter),
    )
    folder.state.remove()
    return TrainingSummary(
        **parts.summary(settings),
        steps=parts.task.steps,
        output=output,
        best_epoch=keep_best.epoch,
        metrics=metrics,
        temperature=temperature,
        seconds=time.monotonic() - started,
    )


def dry_run(
    settings: TrainSettings, output: Path, *, overwrite: bool, warn: Tell | None = None
) -> DryRunSummary:
    """Look at data and labels, train one step and write nothing. Raises what ``train`` raises."""
    team = processes(settings.devices)
    check_place(output, settings, overwrite=overwrite)
    begun = start(settings)
    planned = _planned(settings, team, warn)
    parts = _put_together(settings, planned, team, begun)
    with quiet_lightning():
        trainer = _trainer(parts, max_epochs=1, limit_train_batches=1, limit_val_batches=0)
        started = time.monotonic()
        _fit(trainer, parts)
        seconds = time.monotonic() - started
    return DryRunSummary(
        **parts.summary(settings),
        steps=parts.steps,
        loss=float(trainer.callback_metrics["train_loss"]),
        step_seconds=seconds,
    )


def _planned(settings: TrainSettings, team: Processes, warn: Tell | None) -> Plan:
    planned = plan(settings)
    if warn is not None and team.first:
        for doubt in planned.doubts(settings):
            warn(doubt)
    return planned


def _put_together(
    settings: TrainSettings,
    planned: Plan,
    team: Processes,
    begun: Start,
    *,
    first_step: int = 0,
) -> _Parts:
    device = choose_device(settings.device)
    precision = trainer_precision(settings, device)
    seed_everything(settings.seed, verbose=False)
    source = planned.source
    # auxiliary bands are never dropped, so a model that has some has not learned to go without
    dropped = planned.training.augmentation.band_dropout > 0
    inputs = exact_inputs(source.bands, optional=dropped and not any(planned.training.auxiliary))
    segmenter = Segmenter(
        architecture(settings.backbone),
        planned.adaptation,
        planned.decoding,
        inputs,
        len(source.classes),
    )
    segmenter.image_encoder.gradient_checkpointing = settings.gradient_checkpointing
    begun.give(segmenter)
    if settings.compile:
        segmenter.image_encoder.compile()
    loading = chip_loading(settings, planned, team, device, first_step=first_step)
    steps = settings.epochs * loading.steps_per_epoch
    task = segmentation_task(settings, planned, segmenter, steps)
    return _Parts(
        plan=planned,
        team=team,
        device=device,
        precision=precision,
        segmenter=segmenter,
        inputs=inputs,
        start=begun,
        task=task,
        loading=loading,
        steps=steps,
    )


def _trainer(parts: _Parts, **options: object) -> Trainer:
    return bare_trainer(
        devices=parts.team.devices,
        num_nodes=parts.team.nodes,
        accelerator={"cpu": "cpu", "cuda": "gpu"}[parts.device],
        precision=parts.precision,
        reload_dataloaders_every_n_epochs=1,
        **options,
    )


def _fit(trainer: Trainer, parts: _Parts) -> None:
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(parts.task, datamodule=parts.loading)
    except SystemExit as stop:  # what Lightning makes of Ctrl-C, which it then ignores
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt(
            f"{parts.task.steps} of {parts.steps} steps were done; the same command with --resume "
            "goes on."
        ) from stop
    except torch.OutOfMemoryError as error:
        raise UsageError(
            f"Batches of {parts.task.batch_size} chips do not fit the memory of the GPU: choose a "
            "smaller --batch-size (and --accumulate, for steps of the same size), or "
            "--gradient-checkpointing."
        ) from error
    except RuntimeError as error:
        if not _from_a_worker(error):
            raise
        raise UsageError(
            "A process that prepares chips was ended from outside, most likely for want of memory: "
            "choose fewer --workers. The same command with --resume goes on from the last state "
            "that was saved."
        ) from error
    except OSError as error:
        if error.errno not in _FULL_DISK:
            raise
        raise OutputError(
            f"The logs cannot be written after {parts.task.steps} of {parts.steps} steps: {error}. "
            "Make room; the same command with --resume goes on from the last state that was saved."
        ) from error


def _from_a_worker(error: BaseException) -> bool:
    """Whether it began with the end of a process that prepares chips; what it broke comes after."""
    if str(error).startswith("DataLoader worker"):
        return True
    return error.__context__ is not None and _from_a_worker(error.__context__)


def _card(
    settings: TrainSettings, parts: _Parts, metrics: dict[str, float], temperature: float
) -> ModelCard:
    planned, source = parts.plan, parts.plan.source
    return ModelCard(
        backbone=settings.backbone,
        backbone_sha256=parts.start.sha256,
        method=settings.method,
        method_settings=planned.adaptation.model_dump(mode="json"),
        decoder=settings.decoder,
        decoder_settings=planned.decoding.model_dump(mode="json"),
        classes=source.classes,
        inputs=parts.inputs,
        preparation=planned.preparation,
        tile_size=planned.size,
        pixel_size=source.pixel_size,
        temperature=temperature,
        training={
            "dataset": source.name,
            "split_digest": planned.split_digest,
            "division": source.division,
            "scenes": [
                scene.model_dump(mode="json", include={"name", "files", "height", "width"})
                for scene in source.scenes
            ],
            "chips": parts.chips,
            "class_pixels": parts.class_pixels,
            "class_weights": planned.class_weights,
            "settings": settings.recorded(),
        },
        metrics=metrics,
    )
