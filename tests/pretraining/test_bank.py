"""Simulated patches as they are shown: picture and truth are changed alike."""

from copy import copy

import numpy as np
import torch

from sarseg.datasets.synthetic.randomised import draw_patch
from sarseg.pretraining.bank import PatchBank
from sarseg.pretraining.kept import COARSE
from tests.pretraining.conftest import FIRST, PATCHES, SIZE


def test_as_many_patches_as_asked_for(bank: PatchBank) -> None:
    assert len(bank) == PATCHES
    bands, truth = bank.draw(5, np.random.default_rng(0))
    assert bands.shape == (5, 3, SIZE, SIZE)
    assert bands.dtype == torch.float32
    cells = SIZE // COARSE
    assert truth.level.shape == (5, 3, cells, cells)
    for each in truth[1:]:
        assert each.shape == (5, cells, cells)
    assert set(truth.boundary.unique().tolist()) <= {0.0, 1.0}


def test_equal_random_numbers_show_the_same(bank: PatchBank) -> None:
    one, other = (bank.draw(2, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(one[0], other[0])
    assert all(torch.equal(a, b) for a, b in zip(one[1], other[1], strict=True))


def test_picture_and_truth_are_changed_alike(bank: PatchBank) -> None:
    """A level is the mean of what is seen where neither speckle nor a hidden block is in the way,
    whatever was turned, exchanged, mixed or shifted."""
    patch, still = draw_patch(FIRST, SIZE), copy(bank)
    still._kept = [bank._kept[0]._replace(bands=patch.level.astype(np.float16))]  # no speckle
    seen = 0
    for seed in range(40):
        bands, truth = still.draw(1, np.random.default_rng(seed))
        means = bands.unfold(2, COARSE, COARSE).unfold(3, COARSE, COARSE).mean((-1, -2))
        shown = (bands != 0).unfold(2, COARSE, COARSE).unfold(3, COARSE, COARSE).all(-1).all(-1)
        assert torch.allclose(means[shown], truth.level[shown], atol=0.02)
        seen += int(shown.sum())
    assert seen > 1000


def test_blocks_and_bands_are_hidden_now_and_then(bank: PatchBank) -> None:
    bands, _ = bank.draw(200, np.random.default_rng(1))
    hidden = (bands == 0).flatten(2).float().mean(-1)
    assert 0.05 < float((hidden == 1).any(1).float().mean()) < 0.3  # one band
    partly = ((hidden > 0.05) & (hidden < 1)).any(1).float().mean()
    assert 0.3 < float(partly) < 0.7


def test_some_show_fewer_bands(bank: PatchBank) -> None:
    bands, _ = bank.draw(200, np.random.default_rng(2))
    alike = (bands[:, 0] == bands[:, 1]).flatten(1).all(1)
    assert 0.1 < float(alike.float().mean()) < 0.3
