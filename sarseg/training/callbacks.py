"""What happens beside the optimisation: keeping the best weights, reporting progress."""

import math
from collections.abc import Callable

from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from sarseg.assessment.confusion import Scores
from sarseg.model.file import trained_state
from sarseg.model.segmenter import Segmenter
from sarseg.training.lightning_module import SegmentationTask


class KeepBest(Callback):
    """Remembers the trained weights of the epoch that does best on the validation split."""

    def __init__(self) -> None:
        self.scores: Scores | None = None
        self._best = -math.inf
        self.epoch = 0
        self._state: dict[str, Tensor] | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the weights where this epoch is better than all before."""
        assert isinstance(pl_module, SegmentationTask)
        latest = pl_module.validation_scores[-1]
        score = pl_module.objective.score(latest)
        if self.scores is None or score > self._best:
            self._best, self.scores, self.epoch = score, latest, trainer.current_epoch + 1
            state = trained_state(pl_module.segmenter)
            self._state = {name: tensor.to("cpu", copy=True) for name, tensor in state.items()}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Without validation the last epoch counts."""
        if self.scores is None:
            self.epoch = trainer.current_epoch

    def restore(self, segmenter: Segmenter) -> None:
        """Put the remembered weights back; nothing to do where there was no validation."""
        if self._state is not None:
            segmenter.load_state_dict(self._state, strict=False)


class StepProgress(Callback):
    """Reports optimisation steps to a function ``(done, total)``."""

    def __init__(self, report: Callable[[int, int], None] | None) -> None:
        self._report = report

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """One step more."""
        if self._report is not None:
            self._report(trainer.global_step, int(trainer.estimated_stepping_batches))
