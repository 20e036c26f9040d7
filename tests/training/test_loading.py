"""Batches do not depend on who prepares them."""

import pytest
import torch
from torch.utils.data import DataLoader

from sarseg.datasets.sample import IGNORE
from sarseg.training.data import Example, PreparedChips
from sarseg.training.loading import ChipLoading
from sarseg.training.plan import plan
from sarseg.training.sampling import Draw
from sarseg.training.settings import TrainSettings
from sarseg.training.trainer import bare_trainer
from tests.training.chips import two_band_chips

EVERYTHING = {
    "augment.zoom": 1.5,
    "augment.speckle_looks": [2, 4],
    "augment.shift_db": 1.0,
    "augment.band_dropout": 0.5,
}


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> tuple[PreparedChips, PreparedChips]:
    """Training chips with all that is random, and validation chips."""
    folder = two_band_chips(tmp_path_factory.mktemp("loading"))
    planned = plan(TrainSettings(dataset=str(folder), set=EVERYTHING, seed=11))
    assert planned.validation is not None
    return planned.training, planned.validation


def loading(
    chips: tuple[PreparedChips, PreparedChips],
    *,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
    first_step: int = 0,
) -> ChipLoading:
    made = ChipLoading(
        *chips,
        batch_size=2,
        accumulate=1,
        rank=rank,
        world=world,
        seed=11,
        first_step=first_step,
        workers=workers,
    )
    made.trainer = bare_trainer(accelerator="cpu", max_epochs=1)
    return made


def batches(loader: DataLoader[Example] | list[DataLoader[Example]]) -> list[Example]:
    assert isinstance(loader, DataLoader)
    return list(loader)


def equal(some: list[Example], others: list[Example]) -> bool:
    return len(some) == len(others) and all(
        torch.equal(one, other)
        for pair in zip(some, others, strict=True)
        for one, other in zip(*pair, strict=True)
    )


def test_workers_prepare_the_very_same_batches(chips: tuple[PreparedChips, PreparedChips]) -> None:
    alone = batches(loading(chips).train_dataloader())
    helped = batches(loading(chips, workers=2).train_dataloader())
    assert [bands.shape for bands, _ in alone] == [(2, 2, 64, 64)] * 3
    assert equal(alone, helped)
    later = batches(loading(chips, first_step=3).train_dataloader())
    assert not equal(alone, later)  # the next epoch: another order, other draws


def test_a_run_that_goes_on_takes_the_batches_that_are_left(
    chips: tuple[PreparedChips, PreparedChips],
) -> None:
    whole = batches(loading(chips, first_step=3).train_dataloader())
    resumed = loading(chips, first_step=4)
    assert (resumed.first_epoch, resumed.first_step) == (1, 1)
    assert equal(batches(resumed.train_dataloader()), whole[1:])


@pytest.mark.parametrize("world", [1, 2, 3])
def test_validation_counts_every_chip_once(
    chips: tuple[PreparedChips, PreparedChips], world: int
) -> None:
    """Of three processes one has no chip of its own, and shows one whose labels do not count."""
    labels = torch.cat(
        [
            some_labels
            for rank in range(world)
            for _, some_labels in batches(loading(chips, rank=rank, world=world).val_dataloader())
        ]
    )
    counted = [chip for chip in labels if (chip != IGNORE).any()]
    validation = chips[1]
    assert len(counted) == len(validation) == 2
    assert all(torch.equal(counted[number], validation[number][1]) for number in range(2))
    assert len(labels) == max(world, 2)


def test_labels_of_a_blank_do_not_count(chips: tuple[PreparedChips, PreparedChips]) -> None:
    bands, labels = chips[0][Draw(4, epoch=1, blank=True)]
    same, counted = chips[0][Draw(4, epoch=1)]
    assert torch.equal(bands, same)
    assert (labels == IGNORE).all()
    assert (counted != IGNORE).any()
