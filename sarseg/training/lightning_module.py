"""One optimisation step and one validation step of a segmenter, for Lightning's trainer."""

import math

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from sarseg.assessment.confusion import Scores, scores
from sarseg.classes import NODATA
from sarseg.model.segmenter import Segmenter
from sarseg.training.objectives.base import Objective

Batch = tuple[Tensor, Tensor]
"""Bands ``(B, C, S, S)`` as the segmenter takes them, class indices ``(B, S, S)`` (255: ignore)."""


class SegmentationTask(LightningModule):
    """An objective, AdamW, linear warm-up and cosine decay by step."""

    def __init__(
        self,
        segmenter: Segmenter,
        objective: Objective,
        *,
        learning_rate: float,
        final_learning_rate: float,
        weight_decay: float,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.objective = objective
        self.learning_rate = learning_rate
        self.final_learning_rate = final_learning_rate
        self.weight_decay = weight_decay
        self.warmup_steps = warmup_steps
        self.confusion = MulticlassConfusionMatrix(segmenter.num_classes, ignore_index=NODATA)
        self.validation_scores: list[Scores] = []

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The objective's loss, and what the layers of the method add to it."""
        loss = self.objective.loss(self.segmenter, *batch)
        loss = loss + self.segmenter.image_encoder.auxiliary_loss()
        self.log("train_loss", loss, prog_bar=True)
        return loss

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
        self.log("val_miou", self.validation_scores[-1].miou, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW on what trains, decayed over all steps of the run."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimiser = torch.optim.AdamW(
            trained, lr=self.learning_rate, weight_decay=self.weight_decay
        )
        total_steps = max(int(self.trainer.estimated_stepping_batches), 1)
        floor = self.final_learning_rate / self.learning_rate

        def factor(step: int) -> float:
            if step < self.warmup_steps:
                return (step + 1) / self.warmup_steps
            done = (step - self.warmup_steps) / max(total_steps - self.warmup_steps, 1)
            return floor + (1 - floor) * (1 + math.cos(math.pi * min(done, 1))) / 2

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }
