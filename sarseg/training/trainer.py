"""Lightning's trainer without what sarseg does itself: logs, checkpoints, bars, advice."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning import Trainer


def bare_trainer(**options: Any) -> Trainer:
    """A trainer on one device that only optimises, validates and calls ``callbacks``.

    ``options`` are those of Lightning's ``Trainer``.
    """
    return Trainer(
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **options,
    )


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's banners and advice off the terminal; its errors still come through."""
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch")]
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
