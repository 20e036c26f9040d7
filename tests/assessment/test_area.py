"""The stratified estimator against the worked example of its paper and against simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from sarseg.assessment.area import Estimate, stratified_estimate

# Olofsson et al. (2014), table 8: deforestation, forest gain, stable forest, stable non-forest.
PAPER_COUNTS = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
PAPER_PIXELS = np.array([200_000, 150_000, 3_200_000, 6_450_000])
HECTARES = 0.09  # of a pixel of 30 m


def values(estimates: tuple[Estimate, ...]) -> list[float]:
    return [estimate.value for estimate in estimates]


def margins(estimates: tuple[Estimate, ...]) -> list[float]:
    return [estimate.margin for estimate in estimates]


def errors(estimates: tuple[Estimate, ...]) -> list[float]:
    return [estimate.standard_error for estimate in estimates]


def test_the_worked_example_of_the_paper() -> None:
    pixels = stratified_estimate(PAPER_COUNTS, PAPER_PIXELS, 1.0)
    assert pixels.area[0].value == pytest.approx(235_086, abs=0.5)
    assert pixels.area[0].margin == pytest.approx(68_418, abs=1)
    found = stratified_estimate(PAPER_COUNTS, PAPER_PIXELS, HECTARES)
    assert values(found.area) == pytest.approx([21_158, 11_686, 285_770, 581_386], abs=0.5)
    assert margins(found.area) == pytest.approx([6_158, 3_756, 15_510, 16_282], abs=0.5)
    low, high = found.area[0].interval
    assert (low, high) == pytest.approx((21_158 - 6_158, 21_158 + 6_158), abs=1)
    assert found.overall_accuracy.value == pytest.approx(0.95, abs=0.005)
    assert found.overall_accuracy.margin == pytest.approx(0.02, abs=0.005)
    assert values(found.users_accuracy) == pytest.approx([0.88, 0.73, 0.93, 0.96], abs=0.005)
    assert margins(found.users_accuracy) == pytest.approx([0.07, 0.10, 0.04, 0.02], abs=0.005)
    assert values(found.producers_accuracy) == pytest.approx([0.75, 0.85, 0.93, 0.96], abs=0.005)
    # Equation 7, term by term, of the second class.
    unadjusted = 0.015**2 * (1 - 0.847156) ** 2 * (55 / 75) * (20 / 75) / 74
    omitted = 0.645**2 * (1 / 325) * (324 / 325) / 324
    variance = (unadjusted + 0.847156**2 * omitted) / 0.0129846**2
    assert found.producers_accuracy[1].standard_error == pytest.approx(variance**0.5, rel=1e-4)
    assert found.undersampled == ()


def drawn(
    proportions: NDArray[np.float64], samples: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    shares = proportions / proportions.sum(axis=1, keepdims=True)
    return np.stack(
        [generator.multinomial(*stratum) for stratum in zip(samples, shares, strict=True)]
    )


def test_confidence_intervals_cover_the_truth_as_often_as_they_say() -> None:
    truth = np.array([[0.08, 0.01, 0.01], [0.02, 0.25, 0.03], [0.03, 0.07, 0.50]])
    pixels = 1e6 * truth.sum(axis=1)
    samples = np.array([150, 200, 400])
    generator = np.random.default_rng(0)
    expected = [
        *truth.sum(axis=0) * 1e6,
        *np.diagonal(truth) / truth.sum(axis=1),
        *np.diagonal(truth) / truth.sum(axis=0),
        np.diagonal(truth).sum(),
    ]
    runs = 3000
    covered = np.zeros(len(expected))
    total = np.zeros(len(expected))
    for _ in range(runs):
        found = stratified_estimate(drawn(truth, samples, generator), pixels, 1.0)
        estimates = [
            *found.area,
            *found.users_accuracy,
            *found.producers_accuracy,
            found.overall_accuracy,
        ]
        for number, (estimate, true) in enumerate(zip(estimates, expected, strict=True)):
            low, high = estimate.interval
            covered[number] += low <= true <= high
            total[number] += estimate.value
    # 0.95, give or take the normal approximation's own error and 0.004 of the simulation.
    assert ((covered / runs > 0.925) & (covered / runs < 0.965)).all(), covered / runs
    assert total / runs == pytest.approx(expected, rel=0.01)


@given(
    arrays(np.int64, (3, 3), elements=st.integers(1, 50)),
    arrays(np.int64, 3, elements=st.integers(1, 10**9)),
)
def test_areas_add_up_to_the_map(counts: NDArray[np.int64], pixels: NDArray[np.int64]) -> None:
    found = stratified_estimate(counts, pixels, 2.5)
    assert sum(values(found.area)) == pytest.approx(2.5 * float(pixels.sum()))
    assert found.proportions.sum() == pytest.approx(1)
    assert found.proportions.sum(axis=1) == pytest.approx(pixels / pixels.sum())
    shares = [*found.users_accuracy, *found.producers_accuracy, found.overall_accuracy]
    assert all(0 <= share.value <= 1 and share.standard_error >= 0 for share in shares)


@given(arrays(np.int64, (3, 3), elements=st.integers(1, 50)), st.permutations(range(3)))
def test_estimates_do_not_depend_on_the_order_of_the_classes(
    counts: NDArray[np.int64], order: list[int]
) -> None:
    pixels = np.array([100, 2000, 30])
    found = stratified_estimate(counts, pixels, 1.0)
    again = stratified_estimate(counts[np.ix_(order, order)], pixels[order], 1.0)
    for figure in ("area", "users_accuracy", "producers_accuracy"):
        theirs = [getattr(found, figure)[index] for index in order]
        assert values(getattr(again, figure)) == pytest.approx(values(tuple(theirs)))
        assert errors(getattr(again, figure)) == pytest.approx(errors(tuple(theirs)))


def test_a_sample_without_a_mistake_gives_the_map_itself() -> None:
    found = stratified_estimate(np.diag([10, 20]), np.array([300, 700]), 1.0)
    assert found.area == (Estimate(300.0, 0.0), Estimate(700.0, 0.0))
    assert found.overall_accuracy == Estimate(1.0, 0.0)


def test_a_class_of_the_reference_alone_has_an_area_and_no_users_accuracy() -> None:
    counts = np.array([[8, 0, 2], [0, 9, 1], [0, 0, 0]])
    found = stratified_estimate(counts, np.array([600, 400, 0]), 1.0)
    assert found.area[2].value == pytest.approx(600 * 0.2 + 400 * 0.1)
    assert math.isnan(found.users_accuracy[2].value)
    assert found.producers_accuracy[2].value == 0
    assert found.undersampled == ()


def test_a_class_that_no_sample_belongs_to_has_no_producers_accuracy() -> None:
    found = stratified_estimate(np.array([[8, 0], [9, 0]]), np.array([600, 400]), 1.0)
    assert found.area[1] == Estimate(0.0, 0.0)
    assert math.isnan(found.producers_accuracy[1].value)
    assert found.users_accuracy[1].value == 0


def test_one_sample_of_a_class_gives_estimates_without_an_error() -> None:
    found = stratified_estimate(np.array([[8, 2], [0, 1]]), np.array([600, 400]), 1.0)
    assert found.undersampled == (1,)
    assert values(found.area) == pytest.approx([480, 520])
    assert np.isnan(errors(found.area)).all()
    assert math.isnan(found.overall_accuracy.standard_error)
    assert found.users_accuracy[0].standard_error == pytest.approx((0.8 * 0.2 / 9) ** 0.5)
    assert math.isnan(found.users_accuracy[1].standard_error)


def test_a_class_without_a_sample_leaves_all_that_needs_it_open() -> None:
    found = stratified_estimate(np.array([[8, 2], [0, 0]]), np.array([600, 400]), 1.0)
    assert found.undersampled == (1,)
    assert np.isnan([*values(found.area), found.overall_accuracy.value]).all()
    assert np.isnan(values(found.producers_accuracy)).all()
    assert found.users_accuracy[0].value == 0.8
    assert math.isnan(found.users_accuracy[1].value)


@pytest.mark.parametrize(
    ("counts", "pixels", "message"),
    [
        (np.ones((2, 3), int), np.ones(2, int), "do not fit"),
        (np.ones((2, 2), int), np.ones(3, int), "do not fit"),
        (-np.ones((2, 2), int), np.ones(2, int), "0 or more"),
        (np.zeros((2, 2), int), np.zeros(2, int), "has to have pixels"),
        (np.ones((2, 2), int), np.array([1, 0]), "no pixel on the map"),
    ],
)
def test_what_makes_no_sense_is_refused(
    counts: NDArray[np.int64], pixels: NDArray[np.int64], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        stratified_estimate(counts, pixels, 1.0)
