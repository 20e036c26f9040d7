"""Prepared chips in batches, for the processes that train."""

import signal
from collections.abc import Sequence
from typing import Any

from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset, default_collate

from sarseg.errors import SarsegError
from sarseg.training.data import Example, PreparedChips
from sarseg.training.lightning_module import Batch
from sarseg.training.sampling import Draw, StepSampler, share, steps_per_epoch


class ChipLoading(LightningDataModule):
    """Batches of the training chips, one a step, and of the validation chips, for one process.

    ``batch_size`` chips go through the model at once; a step takes ``accumulate`` times as many
    from each of ``world`` processes. Training begins at ``first_step``, counted over all epochs.
    """

    def __init__(
        self,
        training: PreparedChips,
        validation: PreparedChips | None,
        *,
        batch_size: int,
        accumulate: int,
        rank: int,
        world: int,
        seed: int,
        first_step: int = 0,
        workers: int = 0,
        pinned: bool = False,
    ) -> None:
        super().__init__()
        self.training, self.validation = training, validation
        self.batch_size = batch_size
        self.step_size = batch_size * accumulate * world
        self.rank, self.world = rank, world
        self.seed = seed
        self.workers = workers
        self.pinned = pinned
        self.steps_per_epoch = steps_per_epoch(len(training), self.step_size)
        self.first_epoch, self.first_step = divmod(first_step, self.steps_per_epoch)

    def train_dataloader(self) -> DataLoader[Any]:
        """The steps of the trainer's epoch; of the first one, those that are left."""
        assert self.trainer is not None
        started = self.trainer.current_epoch > 0
        sampler = StepSampler(
            len(self.training),
            self.step_size,
            seed=self.seed,
            epoch=self.first_epoch + self.trainer.current_epoch,
            first_step=0 if started else self.first_step,
            rank=self.rank,
            world=self.world,
        )
        return self._loader(self.training, sampler)

    def val_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        """This process's part of the validation chips."""
        if self.validation is None:
            return []
        mine = share(list(range(len(self.validation))), 0, self.rank, self.world)
        batches = [
            mine[start : start + self.batch_size] for start in range(0, len(mine), self.batch_size)
        ]
        return self._loader(self.validation, batches)

    def _loader(
        self, chips: PreparedChips, batches: StepSampler | Sequence[list[Draw]]
    ) -> DataLoader[Any]:
        return DataLoader(
            _Told(chips),
            batch_sampler=batches,
            num_workers=self.workers,
            pin_memory=self.pinned,
            collate_fn=_collated,
            worker_init_fn=_leave_signals_to_the_parent,
        )

    def on_before_batch_transfer(self, batch: Batch | SarsegError, dataloader_idx: int) -> Batch:
        """Raise what a worker met, in the process that trains."""
        if isinstance(batch, SarsegError):
            raise batch
        return batch


class _Told(Dataset[Example | SarsegError]):
    """Chips, or why one cannot be had: what a worker raises comes out as its traceback."""

    def __init__(self, chips: PreparedChips) -> None:
        self.chips = chips

    def __getitem__(self, draw: Draw) -> Example | SarsegError:
        try:
            return self.chips[draw]
        except SarsegError as error:
            return error


def _collated(examples: list[Example | SarsegError]) -> Batch | SarsegError:
    for one in examples:
        if isinstance(one, SarsegError):
            return one
    batch: Batch = tuple(default_collate(examples))
    return batch


def _leave_signals_to_the_parent(worker: int) -> None:
    """Ctrl-C reaches all processes of a terminal; the one that trains ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
