"""A segmenter of a few thousand weights and noise to train it on, without files."""

import torch
from lightning import Callback
from torch import Tensor
from torch.utils.data import DataLoader

from sarseg.adapters import method
from sarseg.decoders import decoder
from sarseg.model.bands import exact_inputs
from sarseg.model.segmenter import Segmenter
from sarseg.training.lightning_module import SegmentationTask
from sarseg.training.losses import loss
from sarseg.training.objectives import objective
from sarseg.training.objectives.base import Objective
from sarseg.training.schedule import Schedule
from sarseg.training.trainer import bare_trainer, quiet_lightning
from tests.sam.test_encoder import SMALL

CLASSES = 3
Chips = tuple[Tensor, Tensor]


def small_segmenter() -> Segmenter:
    torch.manual_seed(0)
    return Segmenter(SMALL, method("cwsam"), decoder("classwise"), exact_inputs(["VV"]), CLASSES)


def noise(step: int, chips: int = 4) -> Chips:
    """Chips of squares of noise; of each chip less is labelled, and of the last hardly any."""
    generator = torch.Generator().manual_seed(step)
    bands = torch.randn(chips, 1, 5, 5, generator=generator)
    bands = bands.repeat_interleave(16, -2).repeat_interleave(16, -1)
    labels = (bands[:, 0] > -0.4).long() + (bands[:, 0] > 0.4)
    for number in range(chips):
        labels[number, : 78 * number // (chips - 1)] = 255
    return bands, labels


def judged_by(name: str, weights: tuple[float, ...] = (0.3, 1.0, 2.5)) -> Objective:
    return objective(decoder("classwise"), weights, loss(name))


def task(
    segmenter: Segmenter,
    judge: Objective | None = None,
    *,
    batch_size: int = 4,
    learning_rate: float = 1e-3,
    clip: float | None = None,
    ema: float | None = None,
    steps: int = 4,
) -> SegmentationTask:
    return SegmentationTask(
        segmenter,
        judge or judged_by("cross-entropy"),
        learning_rate=learning_rate,
        weight_decay=0.01,
        schedule=Schedule("poly", steps, 1, 0.1),
        batch_size=batch_size,
        clip=clip,
        ema=ema,
    )


def fit(
    trained: SegmentationTask,
    steps: list[Chips],
    *callbacks: Callback,
    validation: list[Chips] | None = None,
    epochs: int = 1,
) -> None:
    """Train ``trained``, each of ``steps`` the chips of one optimisation step."""
    with quiet_lightning():
        trainer = bare_trainer(
            accelerator="cpu",
            max_epochs=epochs,
            callbacks=list(callbacks),
        )
        loaders = [DataLoader(part, batch_size=None) for part in (steps, validation) if part]  # type: ignore[arg-type, var-annotated]
        trainer.fit(trained, *loaders)
