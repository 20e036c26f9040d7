"""Calibration against cases by hand and torchmetrics; the temperature against its definition."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from torchmetrics.functional.classification import binary_calibration_error

from sarseg.assessment.calibration import (
    Calibration,
    CalibrationBin,
    PixelSample,
    fit_temperature,
)

percentages = arrays(np.uint8, st.integers(1, 40), elements=st.integers(0, 100))


def of(percent: list[int], correct: list[bool]) -> Calibration:
    calibration = Calibration()
    calibration.add(np.array(percent, np.uint8), np.array(correct))
    return calibration


def test_a_hand_counted_case() -> None:
    found = of([20, 40, 90, 100, 255], [False, True, True, True, False])
    assert found.curve(bins=2) == [
        CalibrationBin(0.0, 0.5, pytest.approx(0.3), 0.5, 2),
        CalibrationBin(0.5, 1.0, pytest.approx(0.95), 1.0, 2),
    ]
    assert found.ece(bins=2) == pytest.approx(0.5 * 0.2 + 0.5 * 0.05)
    assert found.mce(bins=2) == pytest.approx(0.2)


def test_the_upper_end_belongs_to_a_bin() -> None:
    found = of([0, 20, 21, 40, 100], [True] * 5)
    assert [(entry.upper, entry.count) for entry in found.curve(bins=5)] == [
        (0.2, 2),
        (0.4, 2),
        (1.0, 1),
    ]


# Seven and thirteen bins end on no whole percentage but 0 and 100, where conventions differ.
@settings(max_examples=50, deadline=None)
@given(
    arrays(np.uint8, st.integers(1, 40), elements=st.integers(1, 99)),
    st.sampled_from([7, 13]),
    st.data(),
)
def test_agrees_with_torchmetrics(
    percent: NDArray[np.uint8], bins: int, data: st.DataObject
) -> None:
    correct = data.draw(arrays(np.bool_, len(percent)))
    found = of(percent.tolist(), correct.tolist())
    theirs = torch.from_numpy(percent / 100), torch.from_numpy(correct.astype(int))
    for figure, norm in ((found.ece(bins), "l1"), (found.mce(bins), "max")):
        assert figure == pytest.approx(
            float(binary_calibration_error(*theirs, n_bins=bins, norm=norm)), abs=1e-6
        )


@given(percentages, st.integers(1, 100))
def test_every_pixel_is_in_the_bin_of_its_confidence(percent: NDArray[np.uint8], bins: int) -> None:
    curve = of(percent.tolist(), [True] * len(percent)).curve(bins)
    assert sum(entry.count for entry in curve) == len(percent)
    for entry in curve:
        assert entry.lower - 1e-12 <= entry.confidence <= entry.upper + 1e-12
        # In whole hundredths of a bin's width, so that no rounding decides.
        position = percent.astype(int) * bins
        inside = (position > 100 * round(entry.lower * bins)) | (
            (percent == 0) & (entry.lower == 0)
        )
        inside &= position <= 100 * round(entry.upper * bins)
        assert entry.count == inside.sum()


@given(percentages, st.data())
def test_pieces_add_up(percent: NDArray[np.uint8], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(percent)))
    correct = percent % 2 == 0
    pieces = Calibration()
    pieces.add(percent[:cut], correct[:cut])
    pieces.add(percent[cut:], correct[cut:])
    assert pieces.curve() == of(percent.tolist(), correct.tolist()).curve()


def test_without_a_pixel_there_is_no_error() -> None:
    nothing = of([255], [True])
    assert nothing.curve() == []
    assert math.isnan(nothing.ece())
    assert math.isnan(nothing.mce())


def test_more_than_certain_is_refused() -> None:
    with pytest.raises(ValueError, match="101 %"):
        of([101], [True])


def drawn(temperature: float, count: int = 40000) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits that are ``temperature`` times those that the labels are drawn from."""
    generator = np.random.default_rng(3)
    true = generator.normal(0, 1.5, (count, 4))
    labels = (softmax(true, axis=1).cumsum(axis=1) < generator.random((count, 1))).sum(axis=1)
    return (true * temperature).astype(np.float32), np.minimum(labels, 3)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_that_spoilt_the_logits_is_found(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.03)


def test_the_fit_mends_the_calibration_error() -> None:
    logits, labels = drawn(3.0)

    def error(temperature: float) -> float:
        probabilities = softmax(logits / temperature, axis=1)
        percent = np.rint(100 * probabilities.max(axis=1)).astype(np.uint8)
        calibration = Calibration()
        calibration.add(percent, probabilities.argmax(axis=1) == labels)
        return calibration.ece()

    assert error(1.0) > 0.2
    assert error(fit_temperature(logits, labels)) < 0.015


@settings(deadline=None, max_examples=50)
@given(
    arrays(np.float32, (6, 3), elements=st.floats(-8, 8, width=32)),
    arrays(np.int64, 6, elements=st.integers(0, 2)),
)
def test_no_temperature_is_likelier(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    own = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    found = fit_temperature(logits, labels)
    if (own >= logits.max(axis=1)).all():
        assert found == 1
        return

    def loss(temperature: float) -> float:
        likelihood = log_softmax(logits.astype(float) / temperature, axis=1)
        return float(-likelihood[np.arange(6), labels].mean())

    assert 0.05 <= found <= 20
    assert loss(found) <= min(loss(other) for other in np.geomspace(0.05, 20, 50)) + 1e-4


def test_where_all_is_wrong_nothing_is_sure() -> None:
    assert fit_temperature(np.array([[5.0, 0.0], [3.0, 0.0]]), np.array([1, 1])) > 19.9


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), "without a labelled pixel"),
        (np.array([[np.nan, 0.0]]), np.array([0]), "not finite"),
        (np.zeros((2, 3)), np.array([0, 3]), "labels 0..3 for 3 classes"),
        (np.zeros((2, 3)), np.array([-1, 0]), "labels -1..0 for 3 classes"),
        (np.zeros((2, 3)), np.array([0]), "do not fit"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    logits: NDArray[np.float64], labels: NDArray[np.int64], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fit_temperature(logits, labels)


def numbered(count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pixels that carry their number in their logits; every third has no label."""
    number = np.arange(count)
    logits = np.stack([number, -number], axis=1).astype(np.float32)
    return logits, np.where(number % 3 == 0, 255, number % 2)


@given(st.integers(0, 60), st.integers(1, 30), st.lists(st.integers(0, 60)))
def test_a_sample_does_not_depend_on_the_batches(count: int, limit: int, cuts: list[int]) -> None:
    logits, labels = numbered(count)
    whole = PixelSample(2, limit, seed=4)
    whole.add(logits, labels)
    assert len(whole.labels) == min(limit, np.count_nonzero(labels < 2))
    number = whole.logits[:, 0].astype(int)
    assert len(set(number)) == len(number)
    np.testing.assert_array_equal(whole.labels, labels[number])
    np.testing.assert_array_equal(whole.logits, logits[number])

    bounds = sorted(min(cut, count) for cut in cuts)
    pieces = PixelSample(2, limit, seed=4)
    for first, last in zip([0, *bounds], [*bounds, count], strict=True):
        pieces.add(logits[first:last], labels[first:last])
    np.testing.assert_array_equal(pieces.logits, whole.logits)
    np.testing.assert_array_equal(pieces.labels, whole.labels)


def test_images_are_sampled_pixel_by_pixel() -> None:
    logits, labels = numbered(24)
    flat = PixelSample(2, 7, seed=1)
    flat.add(logits, labels)
    images = PixelSample(2, 7, seed=1)
    images.add(np.moveaxis(logits.reshape(2, 3, 4, 2), -1, 1), labels.reshape(2, 3, 4))
    np.testing.assert_array_equal(images.logits, flat.logits)
    np.testing.assert_array_equal(images.labels, flat.labels)


def test_every_pixel_is_as_likely_to_be_sampled() -> None:
    logits = np.stack([np.arange(30)] * 2, axis=1).astype(np.float32)
    labels = np.zeros(30, int)
    times = np.zeros(30)
    for seed in range(2000):
        sample = PixelSample(2, 6, seed)
        sample.add(logits[:10], labels[:10])
        sample.add(logits[10:], labels[10:])
        times[sample.logits[:, 0].astype(int)] += 1
    # 400 of 2000 times, give or take five standard deviations of 18.
    assert np.abs(times - 400).max() < 90


def test_a_sample_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 0"):
        PixelSample(2, 0, seed=0)
    sample = PixelSample(3, 5, seed=0)
    with pytest.raises(ValueError, match="do not fit"):
        sample.add(np.zeros((4, 2), np.float32), np.zeros(4, int))
