"""One trial, in a process of its own: train, judge, write the record."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from lightning import LightningModule, Trainer, seed_everything
from torch import Tensor

from sarseg.baselines.base import Baseline, Classifier
from sarseg.comparison.config import DatasetData, SceneData
from sarseg.comparison.judging import judge
from sarseg.comparison.machine import machine
from sarseg.comparison.record import TrialRecord, write_record
from sarseg.comparison.trials import Trial, chosen_baseline
from sarseg.errors import ModelError
from sarseg.model.backbone import read_state
from sarseg.model.bands import exact_inputs
from sarseg.model.card import ModelCard, library_versions
from sarseg.model.device import choose_device
from sarseg.model.file import LoadedModel, load_model
from sarseg.model.memory import peak_memory
from sarseg.model.network import Network
from sarseg.model.parameters import parameters_of
from sarseg.model.tensors import write_tensors
from sarseg.scenes.output import replacing
from sarseg.training.assembly import chip_loading, segmentation_task, trainer_precision
from sarseg.training.callbacks import KeepBest, StepProgress, ValidateAverage
from sarseg.training.plan import Plan, plan
from sarseg.training.processes import processes
from sarseg.training.run import train
from sarseg.training.settings import TrainSettings
from sarseg.training.state import StateFile
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
        trained = _method(trial, place.model, report)
    else:
        trained = _baseline(trial, chosen_baseline(trial), place.model, report, tell)
    model, settings = trained.model, trial.settings
    count = parameters_of(model.segmenter)
    epochs, plateau = _length(trained, settings)
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
        versions=library_versions(),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=trial.described(),
        judgement=judge(model, data, part, batch_size=settings.batch_size),
    )
    write_record(place.record, record)


def _length(trained: _Trained, settings: TrainSettings) -> tuple[int | None, bool | None]:
    """Epochs that were trained, and whether patience ended them; None for a classifier.

    Patience ends training at the epoch that lies so many behind the best one, and at no other.
    """
    if trained.best_epoch is None:
        return None, None
    if settings.patience is None or trained.validation_miou is None:
        return settings.epochs, False
    last = trained.best_epoch + settings.patience
    return min(last, settings.epochs), last <= settings.epochs


def _method(trial: Trial, output: Path, report: Report) -> _Trained:
    """A method of sarseg, trained as ``sarseg train`` does; a run that was stopped goes on."""
    folder, begun = output.with_suffix(".run"), output.with_suffix(".begun")
    resume = (
        StateFile(folder, {}).path.is_file()
        and begun.is_file()
        and begun.read_text(encoding="utf-8") == trial.key
    )
    with replacing(begun) as temporary:
        temporary.write_text(trial.key, encoding="utf-8")
    summary = train(trial.settings, output, overwrite=True, resume=resume, progress=report)
    assert summary is not None  # one process trains
    begun.unlink()
    with suppress(OSError):  # where something is left in it, that is somebody's
        folder.rmdir()
    device = choose_device(trial.settings.device)
    model = load_model(
        output, backbone_weights=trial.settings.backbone_weights, any_backbone=True, device=device
    )
    return _Trained(
        model=model,
        by_gradient=True,
        seconds=summary.seconds,
        peak_memory=summary.peak_memory,
        best_epoch=summary.best_epoch,
        validation_miou=summary.metrics.get("mIoU"),
    )


def _baseline(trial: Trial, chosen: Baseline, output: Path, report: Report, tell: Tell) -> _Trained:
    started = time.monotonic()
    settings = trial.settings
    device = choose_device(settings.device)
    planned = plan(settings)
    network = chosen.build(len(planned.source.bands), len(planned.source.classes))
    best: KeepBest | None = None
    if isinstance(network, Classifier):
        network.fit(planned.training)
    else:
        if trial.weights is not None:
            start_from(network, trial.weights, tell)
        best = _optimise(network, settings, planned, device, report)
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
        training={"settings": settings.recorded()},
    )
    if best is not None:
        state = network.state_dict()
        write_tensors(output, {name: each.cpu().contiguous() for name, each in state.items()})
    return _Trained(
        model=LoadedModel(network.eval().to(device), card, "", device),
        by_gradient=chosen.by_gradient,
        seconds=seconds,
        peak_memory=memory,
        best_epoch=None if best is None else best.epoch,
        validation_miou=None if best is None or best.scores is None else best.scores.miou,
    )


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


class _KeepWhole(KeepBest):
    """``KeepBest`` for networks that also remember in buffers, as batch normalisation does."""

    buffers: dict[str, Tensor] | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        before = self.epoch
        super().on_validation_end(trainer, pl_module)
        if self.epoch != before:
            network = pl_module.segmenter
            assert isinstance(network, Network)
            self.buffers = {n: b.to("cpu", copy=True) for n, b in network.named_buffers()}

    def put_back(self, network: Network) -> None:
        """The buffers of the best epoch; without validation the last ones."""
        if self.buffers is not None:
            for name, buffer in network.named_buffers():
                buffer.copy_(self.buffers[name])


def _optimise(
    network: Network, settings: TrainSettings, planned: Plan, device: str, report: Report
) -> KeepBest:
    """Train ``network`` as ``sarseg train`` trains its own, and leave it at its best epoch."""
    team = processes(settings.devices)
    loading = chip_loading(settings, planned, team, device)
    steps = settings.epochs * loading.steps_per_epoch
    task = segmentation_task(settings, planned, network, steps)
    best = _KeepWhole(loading.steps_per_epoch, settings.patience)
    with quiet_lightning():
        trainer = bare_trainer(
            accelerator={"cpu": "cpu", "cuda": "gpu"}[device],
            precision=trainer_precision(settings, device),
            reload_dataloaders_every_n_epochs=1,
            max_epochs=settings.epochs,
            callbacks=[best, ValidateAverage(), StepProgress(report, steps)],
        )
        trainer.fit(task, datamodule=loading)
    best.restore(task)
    best.put_back(network)
    return best
