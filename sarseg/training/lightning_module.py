"""One optimisation step and one validation step of a network, for Lightning's trainer."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics.classification import MulticlassConfusionMatrix

from sarseg.assessment.confusion import Scores, scores
from sarseg.classes import NODATA
from sarseg.errors import ModelError
from sarseg.model.network import Network
from sarseg.training.averaging import WeightAverage
from sarseg.training.objectives.base import Objective, normalised
from sarseg.training.schedule import Schedule

Batch = tuple[Tensor, Tensor]
"""Bands ``(B, C, S, S)`` as the segmenter takes them, class indices ``(B, S, S)`` (255: ignore)."""


class SegmentationTask(LightningModule):
    """An objective, AdamW and a schedule of its learning rate.

    A batch from the loader is all that this process contributes to one optimisation step; it goes
    through the model ``batch_size`` chips at a time, and gradients add up. Each term of the loss
    is divided by its weight in the whole step, over all processes: however the chips of a step are
    shared out, the step is the same. ``seed`` and the number of the step determine what the model
    itself draws at random.
    """

    def __init__(
        self,
        segmenter: Network,
        objective: Objective[Any],
        *,
        learning_rate: float,
        weight_decay: float,
        schedule: Schedule,
        batch_size: int,
        clip: float | None = None,
        ema: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.segmenter = segmenter
        self.objective = objective
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.batch_size = batch_size
        self.clip = clip
        self.seed = seed
        self.ema = ema
        self.average: WeightAverage | None = None
        self.steps = 0
        self.updating = False
        self.confusion = MulticlassConfusionMatrix(segmenter.num_classes, ignore_index=NODATA)
        self.validation_scores: list[Scores] = []

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """Gradients of all chips of the step, then the update."""
        torch.manual_seed(_mixed(self.seed, self.steps, self.global_rank))
        bands, labels = batch
        weights = self._over_processes(self.objective.weights(labels))
        starts = range(0, len(bands), self.batch_size)
        parts = [(bands[i : i + self.batch_size], labels[i : i + self.batch_size]) for i in starts]
        loss = torch.zeros((), device=bands.device)
        for number, (some_bands, some_labels) in enumerate(parts, start=1):
            last = number == len(parts)
            with nullcontext() if last else self._without_exchange():
                totals = self.objective.totals(self.segmenter, some_bands, some_labels)
                # data-parallel gradients are means over the processes, and these are to be sums
                own = normalised(totals, weights) * self.trainer.world_size
                own = own + self.segmenter.auxiliary_loss() / len(parts)
                self.manual_backward(own)
            loss += own.detach()
        loss = self._over_processes(loss) / self.trainer.world_size
        if not torch.isfinite(loss):
            raise ModelError(
                f"The loss of step {self.steps + 1} is no number: training has diverged. Choose a "
                "smaller --learning-rate, or --clip 1."
            )
        self._update()
        self.log("step", float(self.steps))  # of the whole run, also where this one resumed it
        self.log("train_loss", loss)
        self.log("learning_rate", self.learning_rate * self.schedule.factor(self.steps - 1))

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Gradients are unscaled here, whatever the precision: the place to clip them."""
        if self.clip is not None:
            trained = (p for group in optimizer.param_groups for p in group["params"])
            torch.nn.utils.clip_grad_norm_(trained, self.clip)

    def _update(self) -> None:
        optimiser, scheduler = self.optimizers(), self.lr_schedulers()
        assert isinstance(optimiser, LightningOptimizer)
        assert isinstance(scheduler, LambdaLR)
        # an interruption in here would leave half an update: what is saved then is known to be bad
        self.updating = True
        optimiser.step()
        optimiser.zero_grad()
        scheduler.step()
        if self.average is not None:
            self.average.update()
        self.steps += 1
        self.updating = False

    def _without_exchange(self) -> AbstractContextManager[None]:
        """Gradients stay in this process: they are exchanged once, with those of the last part."""
        strategy = self.trainer.strategy
        if isinstance(strategy, DDPStrategy):
            return strategy.block_backward_sync()
        return nullcontext()

    def _over_processes(self, values: Tensor) -> Tensor:
        summed: Tensor = self.trainer.strategy.reduce(values, reduce_op="sum")
        return summed

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Count agreement with the labels."""
        bands, labels = batch
        logits = self.objective.logits(self.segmenter, bands, labels)
        self.confusion.update(logits.argmax(1), labels)

    def on_validation_epoch_end(self) -> None:
        """Turn the counts of the epoch into scores."""
        counts = self.confusion.compute().cpu().numpy()
        self.confusion.reset()
        self.validation_scores.append(scores(counts))
        self.log("step", float(self.steps))
        self.log("val_miou", self.validation_scores[-1].miou)
        self.log("val_oa", self.validation_scores[-1].oa)

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LambdaLR]]:
        """AdamW on what trains, its schedule by step, and the average of what it makes."""
        if self.ema is not None:  # by now the weights lie on the device
            self.average = WeightAverage(self.segmenter, self.ema)
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimiser = AdamW(trained, lr=self.learning_rate, weight_decay=self.weight_decay)
        return [optimiser], [LambdaLR(optimiser, self.schedule.factor)]


def _mixed(*numbers: int) -> int:
    """One seed from several, unlike that of neighbouring numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
