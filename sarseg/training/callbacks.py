"""What happens beside the optimisation: keeping the best weights, stopping, saving, reporting."""

import math
import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from sarseg.assessment.confusion import Scores
from sarseg.errors import OutputError
from sarseg.model.file import trained_state
from sarseg.model.memory import peak_memory
from sarseg.training.averaging import copy_into
from sarseg.training.lightning_module import SegmentationTask
from sarseg.training.state import StateFile

STOPPING = (signal.SIGINT, signal.SIGTERM)


class KeepBest(Callback):
    """Remembers the trained weights of the epoch that does best on the validation split.

    After ``patience`` epochs without a better one, training is told to stop.
    """

    def __init__(self, steps_per_epoch: int, patience: int | None = None) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.patience = patience
        self.scores: Scores | None = None
        self.score = -math.inf
        self.epoch = 0
        self.weights: dict[str, Tensor] | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the weights where this epoch is better than all before."""
        task = _task(pl_module)
        latest = task.validation_scores[-1]
        score = task.objective.score(latest)
        epoch = task.steps // self.steps_per_epoch
        if self.scores is None or score > self.score:
            self.score, self.scores, self.epoch = score, latest, epoch
            state = trained_state(task.segmenter)
            self.weights = {name: tensor.to("cpu", copy=True) for name, tensor in state.items()}
        elif self.out_of_patience(task):
            trainer.should_stop = True

    def out_of_patience(self, task: SegmentationTask) -> bool:
        """Whether training has gone on for long enough since its best epoch."""
        since = len(task.validation_scores) - self.epoch
        return self.patience is not None and since >= self.patience

    def restore(self, task: SegmentationTask) -> None:
        """Put the remembered weights back; without validation the last ones, or their average."""
        if self.scores is None:
            self.epoch = math.ceil(task.steps / self.steps_per_epoch)
            if task.average is not None:
                self.weights = task.average.state
        if self.weights is not None:
            copy_into(trained_state(task.segmenter), self.weights)

    def state(self) -> dict[str, Any]:
        """What ``load`` takes."""
        scores = None if self.scores is None else self.scores.__dict__
        return {
            "scores": scores,
            "score": self.score,
            "epoch": self.epoch,
            "weights": self.weights,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Remember what another run remembered."""
        self.scores = None if state["scores"] is None else Scores(**state["scores"])
        self.score, self.epoch, self.weights = state["score"], state["epoch"], state["weights"]


class ValidateAverage(Callback):
    """Validation judges the moving average of the weights, where there is one.

    To stand after ``KeepBest``, which copies what has been judged.
    """

    def __init__(self) -> None:
        self._swapped: AbstractContextManager[None] = nullcontext()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the average in."""
        average = _task(pl_module).average
        self._swapped = nullcontext() if average is None else average.in_place()
        self._swapped.__enter__()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the latest weights back."""
        self._swapped.__exit__(None, None, None)


class SaveState(Callback):
    """Writes what ``--resume`` goes on from: after each epoch, and every few minutes.

    To stand last, so that what other callbacks remember of the epoch is saved too. The last step
    of an epoch is saved once it has been validated. Where the state cannot be written, ``warn`` is
    told, and training goes on.
    """

    def __init__(
        self,
        file: StateFile,
        keep_best: KeepBest,
        steps_per_epoch: int,
        minutes: float,
        warn: Callable[[str], None],
    ) -> None:
        self.file = file
        self.warn = warn
        self.keep_best = keep_best
        self.steps_per_epoch = steps_per_epoch
        self.seconds = minutes * 60
        self._last = time.monotonic()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on from what was saved, if anything was."""
        state = self.file.state
        if state is None:
            return
        task = _task(pl_module)
        task.steps = state["steps"]
        task.validation_scores = [Scores(**scores) for scores in state["validation_scores"]]
        copy_into(trained_state(task.segmenter), state["weights"])
        trainer.optimizers[0].load_state_dict(state["optimiser"])
        for config in trainer.lr_scheduler_configs:
            config.scheduler.load_state_dict(state["scheduler"])
        if task.average is not None:
            task.average.steps = state["average_steps"]
            copy_into(task.average.state, state["average"])
        trainer.precision_plugin.load_state_dict(state["precision"])
        self.keep_best.load(state["best"])
        trainer.should_stop = self.keep_best.out_of_patience(task)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Save when it is time."""
        due = time.monotonic() - self._last >= self.seconds
        if due and _task(pl_module).steps % self.steps_per_epoch:
            self._save(trainer, _task(pl_module))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the epoch, which has been validated by now."""
        self._save(trainer, _task(pl_module))

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Save what an interruption would lose."""
        task = _task(pl_module)
        interrupted = isinstance(exception, KeyboardInterrupt | SystemExit)
        if interrupted and not task.updating and task.steps % self.steps_per_epoch:
            self._save(trainer, task)

    def _save(self, trainer: Trainer, task: SegmentationTask) -> None:
        self._last = time.monotonic()
        if not trainer.is_global_zero:
            return
        state = {
            "steps": task.steps,
            "validation_scores": [scores.__dict__ for scores in task.validation_scores],
            "weights": trained_state(task.segmenter),
            "optimiser": trainer.optimizers[0].state_dict(),
            "scheduler": trainer.lr_scheduler_configs[0].scheduler.state_dict(),
            "average": None if task.average is None else task.average.state,
            "average_steps": 0 if task.average is None else task.average.steps,
            "precision": trainer.precision_plugin.state_dict(),
            "best": self.keep_best.state(),
        }
        try:
            self.file.write(state)
        except OutputError as error:
            self.warn(f"{error} Training goes on, but could not be resumed from here.")


class ObeySignals(Callback):
    """Signals stop a run in the way that they stop the program, with its sentence.

    Lightning's own handling of SIGTERM talks to the other processes, which may be waiting for
    something else.
    """

    def __init__(self) -> None:
        self._handlers = {number: signal.getsignal(number) for number in STOPPING}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put back what handled them before Lightning's handlers, which are in force by now."""
        if threading.current_thread() is threading.main_thread():  # others may not
            for number, handler in self._handlers.items():
                signal.signal(number, handler)


class StepProgress(Callback):
    """Reports optimisation steps to a function ``(done, total, note)``."""

    def __init__(self, report: Callable[[int, int, str], None], total: int) -> None:
        self._report = report
        self._total = total

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """One step more; the last one is told when it has been validated."""
        if _task(pl_module).steps < self._total:
            self._tell(_task(pl_module), trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """All is done."""
        self._tell(_task(pl_module), trainer)

    def _tell(self, task: SegmentationTask, trainer: Trainer) -> None:
        notes = [f"{peak_memory(task.device) / 1e9:.1f} GB"]
        if task.validation_scores:
            notes.insert(0, f"mIoU {task.validation_scores[-1].miou:.3f}")
        if "train_loss" in trainer.callback_metrics:  # resumed runs may have no step left
            notes.insert(0, f"loss {float(trainer.callback_metrics['train_loss']):.3f}")
        self._report(task.steps, self._total, ", ".join(notes))


def _task(module: LightningModule) -> SegmentationTask:
    assert isinstance(module, SegmentationTask)
    return module
