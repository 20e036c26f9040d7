"""One trial, in a process of its own: train, judge, write the record."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from lightning import seed_everything

from sarseg.baselines.base import Baseline, Classifier
from sarseg.comparison.begun import Begun, read_begun, write_begun
from sarseg.comparison.config import DatasetData, SceneData
from sarseg.comparison.judging import judge
from sarseg.comparison.machine import machine
from sarseg.comparison.record import TrialRecord, write_record
from sarseg.comparison.trials import Trial, chosen_baseline
from sarseg.errors import ModelError, SarsegError, UsageError
from sarseg.model.backbone import read_state
from sarseg.model.bands import exact_inputs
from sarseg.model.card import ModelCard, library_versions
from sarseg.model.device import choose_device
from sarseg.model.file import LoadedModel, load_model
from sarseg.model.memory import peak_memory
from sarseg.model.network import Network
from sarseg.model.parameters import parameters_of
from sarseg.model.tensors import write_tensors
from sarseg.sam.architecture import architecture
from sarseg.training.assembly import chip_loading, segmentation_task, trainer_precision
from sarseg.training.callbacks import KeepBest, StepProgress, ValidateAverage
from sarseg.training.plan import Plan, plan
from sarseg.training.processes import processes
from sarseg.training.run import train
from sarseg.training.settings import TrainSettings
from sarseg.training.state import StateFile
from sarseg.training.temperature import fitted_temperature
from sarseg.training.trainer import bare_trainer, quiet_lightning

Report = Callable[[int, int, str], None]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """Where a trial leaves things: its ``record``, and its ``model``, which other comparisons may
    start from."""

    record: Path
    model: Path


@dataclass(frozen=True)
class _Trained:
    """What training gave; see ``TrialRecord``."""

    model: LoadedModel
    by_gradient: bool
    seconds: float
    peak_memory: int
    packages: tuple[str, ...] = ()
    best_epoch: int | None = None
    validation_miou: float | None = None


def run_trial(
    trial: Trial, data: DatasetData | SceneData, part: str, place: Place, report: Report, tell: Tell
) -> None:
    """Train and judge ``trial`` and write its record, last of all.

    ``report(done, total, note)`` counts optimisation steps; ``tell`` takes sentences. Raises
    SarsegError of any kind.
    """
    seed_everything(trial.seed, verbose=False)
    if trial.baseline is None:
        trained = _method(trial, place.model, report, tell)
    else:
        trained = _baseline(trial, chosen_baseline(trial), place.model, report, tell)
    model, settings = trained.model, trial.settings
    count = parameters_of(model.segmenter)
    validated = trained.validation_miou is not None
    epochs, plateau = length_of(trained.best_epoch, settings, validated=validated)
    record = TrialRecord(
        key=trial.key,
        run=trial.run,
        value=trial.value,
        seed=trial.seed,
        by_gradient=trained.by_gradient,
        epochs=epochs,
        best_epoch=trained.best_epoch,
        plateau=plateau,
        validation_miou=trained.validation_miou,
        parameters=count.total,
        trainable_parameters=count.trainable,
        peak_memory=trained.peak_memory,
        seconds=trained.seconds,
        machine=machine(model.device),
        versions={**library_versions(), **{name: version(name) for name in trained.packages}},
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=trial.described(),
        judgement=judge(model, data, part, batch_size=settings.batch_size),
    )
    write_record(place.record, record)


def length_of(
    best_epoch: int | None, settings: TrainSettings, *, validated: bool
) -> tuple[int | None, bool | None]:
    """Epochs that were trained, and whether patience ended them; None for a classifier, which has
    no ``best_epoch``.

    Patience ends training at the epoch that lies so many behind the best one, and at no other;
    never where epochs were not ``validated``.
    """
    if best_epoch is None:
        return None, None
    if settings.patience is None or not validated:
        return settings.epochs, False
    last = best_epoch + settings.patience
    return min(last, settings.epochs), last <= settings.epochs


def _method(trial: Trial, output: Path, report: Report, tell: Tell) -> _Trained:
    """A method of sarseg, trained as ``sarseg train`` does; a run that was stopped goes on."""
    started = time.monotonic()
    folder, kept = output.with_suffix(".run"), output.with_suffix(".begun")
    state, before = StateFile(folder, {}), read_begun(kept, trial.key)
    begun = before if before is not None and state.path.is_file() else None
    if begun is None:
        # what another run left goes first: stopped before its first save, this one would have it
        state.remove()
        write_begun(kept, Begun(key=trial.key))
    seconds = 0.0 if begun is None else begun.seconds
    try:
        summary = train(
            trial.settings,
            output,
            overwrite=True,
            resume=begun is not None,
            progress=report,
            warn=tell,
        )
    except (KeyboardInterrupt, SarsegError):  # it may go on from here
        spent = seconds + time.monotonic() - started
        write_begun(kept, Begun(key=trial.key, seconds=spent))
        raise
    assert summary is not None  # one process trains
    kept.unlink()
    with suppress(OSError):  # where something is left in it, that is somebody's
        folder.rmdir()
    device = choose_device(trial.settings.device)
    model = load_model(
        output, backbone_weights=trial.settings.backbone_weights, any_backbone=True, device=device
    )
    return _Trained(
        model=model,
        by_gradient=True,
        seconds=seconds + summary.seconds,
        peak_memory=summary.peak_memory,
        best_epoch=summary.best_epoch,
        validation_miou=summary.metrics.get("mIoU"),
    )


def _baseline(trial: Trial, chosen: Baseline, output: Path, report: Report, tell: Tell) -> _Trained:
    started = time.monotonic()
    settings = trial.settings
    # what is fitted without gradients gains nothing by a GPU, and its memory is not there
    device = choose_device(settings.device) if chosen.by_gradient else "cpu"
    planned = plan(settings)
    for doubt in _doubts(planned, settings, chosen):
        tell(doubt)
    network = chosen.build(len(planned.source.bands), len(planned.source.classes))
    best: KeepBest | None = None
    if isinstance(network, Classifier):
        network.fit(planned.training)
    else:
        if trial.weights is not None:
            start_from(network, trial.weights, tell)
        best = _optimise(network, settings, planned, device, report)
    temperature = 1.0
    if planned.validation is not None:
        temperature = fitted_temperature(
            network,
            planned.validation,
            device,
            batch_size=settings.batch_size,
            seed=settings.seed,
        )
    if best is not None:
        state = network.state_dict()
        write_tensors(output, {name: each.cpu().contiguous() for name, each in state.items()})
    seconds = time.monotonic() - started
    memory = peak_memory(torch.device(device))
    card = ModelCard(
        backbone="none",
        backbone_sha256="",
        method=chosen.name,
        classes=planned.source.classes,
        inputs=exact_inputs(planned.source.bands),
        preparation=planned.preparation,
        tile_size=planned.size,
        pixel_size=planned.source.pixel_size,
        temperature=temperature,
        training={"settings": settings.recorded()},
    )
    return _Trained(
        model=LoadedModel(network.eval().to(device), card, "", device),
        by_gradient=chosen.by_gradient,
        seconds=seconds,
        peak_memory=memory,
        packages=chosen.packages,
        best_epoch=None if best is None else best.epoch,
        validation_miou=None if best is None or best.scores is None else best.scores.miou,
    )


def _doubts(planned: Plan, settings: TrainSettings, chosen: Baseline) -> Iterator[str]:
    """What a person should know of the data and, of what is trained, of the settings."""
    if chosen.by_gradient:
        # it has no position tables, so that no size of chips is a wrong one
        size = architecture(settings.backbone).image_size
        yield from replace(planned, size=size).doubts(settings)
    else:
        yield from planned.source.remarks


def start_from(network: Network, path: Path, tell: Tell) -> None:
    """Give ``network`` the weights in ``path``, under its own names.

    Of the last layer, what differs in shape stays as it began (other data have other classes), and
    ``tell`` is told. Raises ModelError where anything else does not fit.
    """
    state, own = read_state(path), network.state_dict()
    misfits = [
        *(f"it has no {name}" for name in own if name not in state),
        *(f"it has {name}, which the network has not" for name in state if name not in own),
    ]
    differing = [name for name in own if name in state and state[name].shape != own[name].shape]
    layers = [name for name, module in network.named_modules() if _has_own_weights(module)]
    last = [name for name in differing if name.rpartition(".")[0] == layers[-1]]
    misfits += [
        f"{name} has the shape {tuple(state[name].shape)}, not {tuple(own[name].shape)}"
        for name in differing
        if name not in last
    ]
    if misfits:
        more = f" ({len(misfits)} differences in all)" if len(misfits) > 1 else ""
        raise ModelError(f"{path} does not hold weights of this network: {misfits[0]}{more}.")
    network.load_state_dict({n: t for n, t in state.items() if n not in last}, strict=False)
    if last:
        tell(f"{', '.join(last)} of {path} are of another shape: the last layer begins at random.")


def _has_own_weights(module: torch.nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False))


def _optimise(
    network: Network, settings: TrainSettings, planned: Plan, device: str, report: Report
) -> KeepBest:
    """Train ``network`` as ``sarseg train`` trains its own, and leave it at its best epoch.

    Raises UsageError where batches do not fit the memory of the GPU.
    """
    team = processes(settings.devices)
    loading = chip_loading(settings, planned, team, device)
    steps = settings.epochs * loading.steps_per_epoch
    task = segmentation_task(settings, planned, network, steps)
    best = KeepBest(loading.steps_per_epoch, settings.patience)
    with quiet_lightning():
        trainer = bare_trainer(
            accelerator={"cpu": "cpu", "cuda": "gpu"}[device],
            precision=trainer_precision(settings, device),
            reload_dataloaders_every_n_epochs=1,
            max_epochs=settings.epochs,
            callbacks=[best, ValidateAverage(), StepProgress(report, steps)],
        )
        try:
            trainer.fit(task, datamodule=loading)
        except torch.OutOfMemoryError as error:
            raise UsageError(
                f"Batches of {settings.batch_size} chips do not fit the memory of the GPU: give "
                "the run a smaller batch_size (and accumulate, for steps of the same size)."
            ) from error
    best.restore(task)
    return best
