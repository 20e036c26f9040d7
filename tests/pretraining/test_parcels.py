"""The loss of what there is to see: smallest where all of it is seen."""

import numpy as np
import pytest
import torch
from torch import Tensor

from sarseg.pretraining.bank import PatchBank, Truth
from sarseg.pretraining.parcels import EMBEDDING, classes_apart, parcel_loss


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def stripes(embedding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Six parcels in columns of 8 pixels, of two classes by turns; ``embedding`` (2,) of these."""
    parcels = torch.arange(48).div(8, rounding_mode="floor").expand(16, 48)
    classes = parcels % 2
    values = torch.zeros(EMBEDDING, 16, 48)
    values[5] = embedding[classes]
    return values, classes, parcels


def test_classes_that_look_different_are_told_apart() -> None:
    far = [float(classes_apart(*stripes(torch.tensor([-5.0, 5.0])), generator())) for _ in range(3)]
    assert max(far) < 1e-6
    alike = float(classes_apart(*stripes(torch.tensor([1.0, 1.0])), generator()))
    assert alike == pytest.approx(np.log(2), abs=1e-6)


def test_the_wrong_way_round_is_worse_than_not_knowing() -> None:
    """One class's parcels are as far from each other as from the other class's."""
    values, classes, parcels = stripes(torch.tensor([0.0, 0.0]))
    values[5] = torch.where(parcels % 4 < 2, 3.0, -3.0)
    assert float(classes_apart(values, classes, parcels, generator())) > np.log(2)


def test_one_class_alone_has_a_gradient_of_zero() -> None:
    values, classes, parcels = stripes(torch.tensor([0.0, 0.0]))
    values.requires_grad_()
    loss = classes_apart(values, torch.zeros_like(classes), parcels, generator())
    loss.backward()
    assert float(loss.detach()) == 0
    assert values.grad is not None
    assert not values.grad.any()


def seen(truth: Truth) -> Tensor:
    """The answer of a network that sees everything."""
    count, _, height, width = truth.level.shape
    answer = torch.zeros(count, EMBEDDING, height, width)
    answer[:, :3], answer[:, 3] = truth.level, truth.texture
    answer[:, 4] = (truth.boundary - 0.5) * 40
    return answer


def test_each_term_is_zero_for_what_is_seen_and_grows_with_errors(bank: PatchBank) -> None:
    _, truth = bank.draw(2, np.random.default_rng(0))
    right = parcel_loss(seen(truth), truth, generator())
    assert [float(term) for term in right[:3]] == pytest.approx([0, 0, 0], abs=1e-6)
    for place, term in ((0, "level"), (3, "texture"), (4, "boundary")):
        answer = seen(truth)
        answer[:, place] -= 30
        wrong = parcel_loss(answer, truth, generator())
        assert float(getattr(wrong, term)) > 0.1
        weighted = zip((1.0, 0.3, 0.1, 0.3), wrong, strict=True)
        assert float(wrong.total) == pytest.approx(sum(w * float(t) for w, t in weighted), rel=1e-5)
