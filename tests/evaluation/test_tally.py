from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sarseg.classes import NODATA, unnamed_class
from sarseg.datasets.fusar import RELEASES
from sarseg.evaluation.result import Accuracy, accuracy_of
from sarseg.evaluation.tally import JudgedRows, Tally

CLASSES = tuple(map(unnamed_class, range(3)))


def accuracy(reference: NDArray, mapped: NDArray, confidence: NDArray | None = None) -> Accuracy:
    tally = Tally(len(CLASSES), 1)
    if confidence is None:
        confidence = np.full(reference.shape, NODATA, np.uint8)
    tally.add_rows(JudgedRows(0, reference, mapped, confidence))
    return accuracy_of(tally, CLASSES)


def test_figures_by_hand() -> None:
    reference = np.array([[0, 0, 0, 0, 1, 1, 255, 255]], np.uint8)
    mapped = np.array([[0, 0, 1, 255, 1, 2, 0, 2]], np.uint8)
    found = accuracy(reference, mapped, np.array([[90, 90, 60, 255, 60, 60, 1, 1]], np.uint8))
    assert found.confusion == ((2, 1, 0, 1), (0, 1, 1, 0), (0, 0, 0, 0))
    assert (found.pixels, found.unmapped) == (6, 1)
    first, second, third = found.classes
    assert (first.iou, first.precision, first.recall) == (2 / 4, 1.0, 2 / 4)
    assert (second.iou, second.precision, second.recall) == (1 / 3, 1 / 2, 1 / 2)
    assert (third.iou, third.precision, third.recall) == (None, 0.0, None)
    assert (third.reference_pixels, third.mapped_pixels) == (0, 1)
    assert found.figures.oa == 3 / 6
    assert found.figures.miou == (1 / 2 + 1 / 3) / 2
    assert found.reliability is not None
    assert [each.pixels for each in found.reliability.bins] == [3, 2]
    assert found.published is None


def test_without_confidence_there_is_no_calibration() -> None:
    same = np.zeros((2, 2), np.uint8)
    assert accuracy(same, same).reliability is None


def test_figures_of_what_does_not_occur_are_null_in_json() -> None:
    same = np.zeros((2, 2), np.uint8)
    told = accuracy(same, same).model_dump_json()
    assert "NaN" not in told
    assert '"kappa":null' in told


def test_fusar_is_also_told_as_published() -> None:
    classes = RELEASES["fusar"].classes
    names = [entry.name for entry in classes]
    tally = Tally(len(classes), 0)
    for row, _ in enumerate(names):
        for column, _ in enumerate(names):
            tally.confusion[row, column] = 10 if row == column else 1
    published = accuracy_of(tally, classes).published
    assert published is not None
    assert published.left_out == "background"
    assert list(published.iou) == [name for name in names if name != "background"]
    assert all(iou == 10 / 16 for iou in published.iou.values())  # 13 + 13 - 10 of 4 classes


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), cuts=st.sets(st.integers(1, 39), max_size=6))
def test_how_the_rows_come_makes_no_difference(seed: int, cuts: set[int]) -> None:
    generator = np.random.default_rng(seed)
    values = np.array([0, 1, 2, NODATA], np.uint8)
    reference, mapped = generator.choice(values, (2, 40, 13))
    confidence = generator.integers(0, 101, (40, 13)).astype(np.uint8)
    whole, parts = Tally(3, 2), Tally(3, 2)
    whole.add_rows(JudgedRows(0, reference, mapped, confidence))
    edges = [0, *sorted(cuts), 40]
    for start, end in pairwise(edges):
        rows = slice(start, end)
        parts.add_rows(JudgedRows(start, reference[rows], mapped[rows], confidence[rows]))
    assert accuracy_of(parts, CLASSES) == accuracy_of(whole, CLASSES)
