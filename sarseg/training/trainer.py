"""Lightning's trainer without what sarseg does itself: checkpoints, bars, advice."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning import Trainer
from lightning.pytorch.strategies import DDPStrategy

_TALKERS = ("lightning", "lightning.pytorch", "lightning.fabric")


def bare_trainer(*, devices: int = 1, num_nodes: int = 1, **options: Any) -> Trainer:
    """A trainer that only optimises, validates and calls ``callbacks``.

    More than one of ``devices`` times ``num_nodes`` are data-parallel processes (DDP). ``options``
    are those of Lightning's ``Trainer``.
    """
    # SAM's decoder has heads that no step runs, and a mixture of experts runs some of its experts:
    # processes must not wait for the gradients of either. No buffer ever changes.
    parallel = DDPStrategy(find_unused_parameters=True, broadcast_buffers=False)
    return Trainer(
        **{
            "devices": devices,
            "num_nodes": num_nodes,
            "strategy": parallel if devices * num_nodes > 1 else "auto",
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "use_distributed_sampler": False,  # each process is given its own chips
            **options,
        }
    )


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's banners and advice off the terminal; its errors still come through."""
    loggers = [logging.getLogger(name) for name in _TALKERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
