"""The parts of a run that settings and data make together, whatever the network is."""

import torch

from sarseg.errors import UsageError
from sarseg.model.network import Network
from sarseg.training.lightning_module import SegmentationTask
from sarseg.training.loading import ChipLoading
from sarseg.training.objectives import objective
from sarseg.training.plan import Plan
from sarseg.training.processes import Processes
from sarseg.training.schedule import Schedule
from sarseg.training.settings import TrainSettings


def chip_loading(
    settings: TrainSettings, planned: Plan, team: Processes, device: str, *, first_step: int = 0
) -> ChipLoading:
    """The batches of this process, from ``first_step`` on."""
    return ChipLoading(
        planned.training,
        planned.validation,
        batch_size=settings.batch_size,
        accumulate=settings.accumulate,
        rank=team.rank,
        world=team.world,
        seed=settings.seed,
        first_step=first_step,
        workers=settings.workers,
        pinned=device == "cuda",
    )


def segmentation_task(
    settings: TrainSettings, planned: Plan, network: Network, steps: int
) -> SegmentationTask:
    """What optimises ``network`` in ``steps``."""
    return SegmentationTask(
        network,
        objective(planned.decoding, planned.class_weights, planned.loss),
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        schedule=Schedule(
            settings.schedule,
            steps,
            settings.warmup,
            settings.final_learning_rate / settings.learning_rate,
        ),
        batch_size=settings.batch_size,
        clip=settings.clip,
        ema=settings.ema,
        seed=settings.seed,
    )


def trainer_precision(settings: TrainSettings, device: str) -> str:
    """Lightning's name for the precision; by itself bfloat16 where a GPU has it.

    Raises UsageError for float16 on the CPU.
    """
    if settings.precision == "16" and device == "cpu":
        raise UsageError("--precision 16 is for GPUs: choose bf16 or 32 on the CPU.")
    if settings.precision == "auto":
        return "bf16-mixed" if device == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    return {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[settings.precision]
