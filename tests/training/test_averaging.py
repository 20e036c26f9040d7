"""The moving average of the weights: what it is, and that it is what counts."""

from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from sarseg.assessment.confusion import scores
from sarseg.model.file import trained_state
from sarseg.model.segmenter import Segmenter
from sarseg.training.averaging import WeightAverage, copy_into
from sarseg.training.callbacks import KeepBest, ValidateAverage
from tests.training.small import CLASSES, fit, noise, small_segmenter, task


def copied(segmenter: Segmenter) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in trained_state(segmenter).items()}


@torch.no_grad()
def jolt(segmenter: Segmenter) -> None:
    for weight in trained_state(segmenter).values():
        weight.add_(torch.randn_like(weight))


def equal(some: dict[str, Tensor], others: dict[str, Tensor]) -> bool:
    return some.keys() == others.keys() and all(torch.equal(some[n], others[n]) for n in some)


@pytest.mark.parametrize("decay", [0.05, 0.5, 0.999])
def test_it_is_that_of_a_plain_loop(decay: float) -> None:
    segmenter = small_segmenter()
    average = WeightAverage(segmenter, decay)
    expected = {name: weight.double() for name, weight in copied(segmenter).items()}
    for step in range(1, 8):
        jolt(segmenter)
        average.update()
        share = min(decay, (1 + step) / (10 + step))
        for name, weight in copied(segmenter).items():
            expected[name] = share * expected[name] + (1 - share) * weight.double()
    for name, weight in expected.items():
        torch.testing.assert_close(average.state[name].double(), weight, rtol=1e-5, atol=1e-6)


def test_only_what_trains_is_averaged() -> None:
    segmenter = small_segmenter()
    frozen = {name for name, p in segmenter.named_parameters() if not p.requires_grad}
    assert frozen
    assert not frozen & WeightAverage(segmenter, 0.9).state.keys()


class JudgingError(Exception):
    pass


@pytest.mark.parametrize("fails", [False, True])
def test_the_latest_weights_come_back_exactly(fails: bool) -> None:
    segmenter = small_segmenter()
    average = WeightAverage(segmenter, 0.9)
    jolt(segmenter)
    average.update()
    latest, kept = copied(segmenter), {n: w.clone() for n, w in average.state.items()}
    assert not equal(latest, kept)

    def judge() -> None:
        with average.in_place():
            assert equal(copied(segmenter), kept)
            if fails:
                raise JudgingError

    if fails:
        with pytest.raises(JudgingError):
            judge()
    else:
        judge()
    assert equal(copied(segmenter), latest)
    assert equal(average.state, kept)


class AfterEachEpoch(Callback):
    """Remembers weights and average."""

    def __init__(self) -> None:
        self.latest: list[dict[str, Tensor]] = []
        self.average: list[dict[str, Tensor]] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        learner: Any = pl_module
        self.latest.append(copied(learner.segmenter))
        self.average.append({name: w.clone() for name, w in learner.average.state.items()})


@torch.inference_mode()
def judged(weights: dict[str, Tensor], chips: tuple[Tensor, Tensor]) -> float:
    segmenter = small_segmenter().eval()
    with torch.inference_mode(False):
        copy_into(trained_state(segmenter), weights)
    bands, labels = chips
    found = segmenter(bands).argmax(1)[labels != 255]
    counts = torch.bincount(labels[labels != 255] * CLASSES + found, minlength=CLASSES**2)
    return scores(counts.view(CLASSES, CLASSES).numpy()).miou


def test_validation_judges_the_average_and_the_best_average_is_kept() -> None:
    segmenter = small_segmenter()
    learner = task(segmenter, learning_rate=5e-3, ema=0.8, steps=40)
    steps = [noise(step) for step in range(10)]
    seen, keep_best = AfterEachEpoch(), KeepBest(len(steps))
    fit(
        learner,
        steps,
        *(keep_best, ValidateAverage(), seen),
        validation=[noise(99)],
        epochs=4,
    )
    found = [scores.miou for scores in learner.validation_scores]
    assert found == pytest.approx([judged(w, noise(99)) for w in seen.average], abs=1e-3)
    assert found != pytest.approx([judged(w, noise(99)) for w in seen.latest], abs=1e-3)
    assert keep_best.epoch == 1 + found.index(max(found))
    assert equal(copied(segmenter), seen.latest[-1])
    keep_best.restore(learner)
    assert equal(copied(segmenter), seen.average[keep_best.epoch - 1])


def test_without_validation_the_last_average_is_kept() -> None:
    segmenter = small_segmenter()
    learner = task(segmenter, ema=0.8)
    seen, keep_best = AfterEachEpoch(), KeepBest(2)
    fit(learner, [noise(0), noise(1)], keep_best, ValidateAverage(), seen, epochs=2)
    keep_best.restore(learner)
    assert keep_best.epoch == 2
    assert equal(copied(segmenter), seen.average[-1])
    assert not equal(copied(segmenter), seen.latest[-1])
