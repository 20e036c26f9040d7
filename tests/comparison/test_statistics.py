import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from sarseg.assessment.confusion import scores
from sarseg.comparison.statistics import (
    mean_iou,
    paired_difference,
    resample_weights,
    spread,
)

UNITS, CLASSES = 5, 3

counts = arrays(np.int64, (UNITS, CLASSES, CLASSES + 1), elements=st.integers(0, 50)).filter(
    lambda drawn: drawn.any()
)


@given(counts)
def test_the_same_miou_as_elsewhere(units: NDArray[np.int64]) -> None:
    assert mean_iou(units.sum(0)) == pytest.approx(scores(units.sum(0)).miou)
    assert mean_iou(units).shape == (UNITS,)


@given(counts, st.integers(0, CLASSES - 1))
def test_classes_are_left_out_of_the_mean_alone(units: NDArray[np.int64], left_out: int) -> None:
    total = units.sum(0)
    iou = np.array(scores(total).iou)
    others = np.delete(iou, left_out)
    others = others[~np.isnan(others)]
    found = mean_iou(total, [left_out])
    if len(others):
        assert found == pytest.approx(others.mean())
    else:
        assert np.isnan(found)


@given(st.lists(counts, min_size=1, max_size=3))
def test_a_run_does_not_differ_from_itself(seeds: list[NDArray[np.int64]]) -> None:
    found = paired_difference(seeds, seeds, resample_weights(UNITS, 50))
    assert (found.mean, found.low, found.high) == (0, 0, 0)


@given(counts, counts, st.permutations(range(UNITS)))
def test_the_order_of_units_does_not_matter(
    one: NDArray[np.int64], other: NDArray[np.int64], order: list[int]
) -> None:
    weights = resample_weights(UNITS, 50)
    found = paired_difference([one], [other], weights)
    shuffled = paired_difference([one[order]], [other[order]], weights[:, order])
    assert shuffled == found


@given(counts, counts)
def test_differences_change_sign_with_their_order(
    one: NDArray[np.int64], other: NDArray[np.int64]
) -> None:
    weights = resample_weights(UNITS, 50)
    found = paired_difference([one], [other], weights)
    turned = paired_difference([other], [one], weights)
    assert turned.mean == -found.mean
    assert turned.low == pytest.approx(-found.high)
    assert turned.high == pytest.approx(-found.low)


def test_against_a_loop_over_resamples() -> None:
    random = np.random.default_rng(3)
    ours, theirs = (
        [random.integers(1, 40, (UNITS, CLASSES, CLASSES + 1)) for _ in range(2)] for _ in range(2)
    )
    weights = resample_weights(UNITS, 300, seed=5)
    gaps = []
    for draw in weights:
        units = np.repeat(np.arange(UNITS), draw)
        means = [
            np.mean([scores(seed[units].sum(0)).miou for seed in seeds]) for seeds in (ours, theirs)
        ]
        gaps.append(means[0] - means[1])
    found = paired_difference(ours, theirs, weights)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(gaps, [2.5, 97.5])))
    whole = [np.mean([scores(seed.sum(0)).miou for seed in seeds]) for seeds in (ours, theirs)]
    assert found.mean == pytest.approx(whole[0] - whole[1])
    assert found.low < found.mean < found.high


def test_a_resample_that_lacks_a_class_is_judged_by_the_others() -> None:
    units = np.zeros((2, 2, 3), np.int64)
    units[0, 0, 0] = 10  # right
    units[1, 1, 0] = 10  # wrong: the class has no hit, and takes from the other
    nothing = np.zeros_like(units)
    nothing[0, 0, 2] = nothing[1, 1, 2] = 10
    found = paired_difference([units], [nothing], resample_weights(2, 500))
    assert (found.low, found.high) == (0, 1)
    assert found.mean == 0.25


def test_resamples_draw_as_many_units_and_the_same_each_time() -> None:
    weights = resample_weights(7, 100)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(7), abs=0.5)
    assert (weights == resample_weights(7, 100)).all()
    assert (weights != resample_weights(7, 100, seed=1)).any()


def test_many_units_are_drawn_and_weighed_as_a_few_are() -> None:
    units, resamples = 20_000, 500  # more than are held at once
    weights = resample_weights(units, resamples, seed=2)
    whole = np.random.default_rng(2).multinomial(units, np.full(units, 1 / units), resamples)
    assert weights.nbytes == 2 * whole.size
    assert (weights == whole).all()
    run = np.random.default_rng(3).integers(0, 9, (units, 1, 2))
    summed = whole @ run.reshape(units, 2)
    expected = np.percentile(summed[:, 0] / summed.sum(1), [2.5, 97.5])
    none = run * [0, 1]  # nothing is right
    found = paired_difference([run], [none], weights)
    assert (found.low, found.high) == pytest.approx(tuple(expected), rel=1e-12)


def test_spread_is_that_of_a_sample() -> None:
    found = spread([0.5, 0.6, 0.7])
    assert (found.mean, found.deviation) == pytest.approx((0.6, 0.1))
    assert np.isnan(spread([0.5]).deviation)
