"""Scores against counts by hand and against torchmetrics."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from torchmetrics.functional.classification import (
    multiclass_cohen_kappa,
    multiclass_f1_score,
    multiclass_jaccard_index,
    multiclass_precision,
    multiclass_recall,
)

from sarseg.assessment.confusion import confusion_matrix, scores, scores_by_name

matrices = arrays(np.int64, (3, 4), elements=st.integers(0, 5))


def test_a_hand_counted_case() -> None:
    reference = np.array([[0, 0, 1], [1, 255, 1]], np.uint8)
    predicted = np.array([[0, 2, 1], [1, 0, 255]], np.uint8)
    matrix = confusion_matrix(reference, predicted, 3)
    assert matrix.tolist() == [[1, 0, 1, 0], [0, 2, 0, 1], [0, 0, 0, 0]]
    result = scores(matrix)
    assert result.oa == 3 / 5
    assert result.iou[:2] == (1 / 2, 2 / 3)
    assert result.dice[:2] == (2 / 3, 4 / 5)
    assert result.recall[:2] == (1 / 2, 2 / 3)
    assert result.precision == (1, 1, 0)
    assert np.isnan([result.iou[2], result.dice[2], result.recall[2]]).all()
    assert result.miou == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert result.fwiou == pytest.approx(2 / 5 * 1 / 2 + 3 / 5 * 2 / 3)
    # By chance 2/5 · 1/5 + 3/5 · 2/5 are right: no class is right by chance where none is mapped.
    assert result.kappa == pytest.approx((3 / 5 - 8 / 25) / (1 - 8 / 25))


def test_agrees_with_torchmetrics_where_every_class_occurs() -> None:
    generator = np.random.default_rng(5)
    reference = generator.choice(4, (100, 100), p=[0.5, 0.3, 0.15, 0.05])
    predicted = np.where(generator.random((100, 100)) < 0.6, reference, reference[::-1])
    tensors = torch.from_numpy(predicted), torch.from_numpy(reference)
    found = scores(confusion_matrix(reference, predicted, 4))
    assert found.miou == pytest.approx(float(multiclass_jaccard_index(*tensors, num_classes=4)))
    weighted = multiclass_jaccard_index(*tensors, num_classes=4, average="weighted")
    assert found.fwiou == pytest.approx(float(weighted))
    assert found.kappa == pytest.approx(
        float(multiclass_cohen_kappa(*tensors, num_classes=4)), abs=1e-6
    )
    for figure, theirs in (
        (found.f1, multiclass_f1_score),
        (found.precision, multiclass_precision),
        (found.recall, multiclass_recall),
    ):
        assert figure == pytest.approx(theirs(*tensors, num_classes=4, average=None).tolist())


@given(matrices)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(matrix: NDArray[np.int64]) -> None:
    found = scores(matrix)
    for precision, recall, f1, iou in zip(
        found.precision, found.recall, found.f1, found.iou, strict=True
    ):
        if np.isnan(recall):
            assert np.isnan([f1, iou]).all()
        elif np.isnan(precision) or precision + recall == 0:
            assert f1 == iou == 0
        else:
            assert f1 == pytest.approx(2 * precision * recall / (precision + recall))
            assert iou == pytest.approx(f1 / (2 - f1))


@given(matrices, st.permutations(range(3)))
def test_figures_do_not_depend_on_the_order_of_the_classes(
    matrix: NDArray[np.int64], order: list[int]
) -> None:
    found = scores(matrix)
    again = scores(matrix[order][:, [*order, 3]])
    for figure in ("miou", "fwiou", "oa", "kappa"):
        assert getattr(again, figure) == pytest.approx(getattr(found, figure), nan_ok=True)
    assert again.iou == pytest.approx([found.iou[index] for index in order], nan_ok=True)


@given(matrices)
def test_a_class_without_a_pixel_changes_no_other_figure(matrix: NDArray[np.int64]) -> None:
    found = scores(matrix)
    wider = scores(np.insert(np.insert(matrix, 3, 0, axis=0), 3, 0, axis=1))
    for figure in ("miou", "fwiou", "oa", "kappa"):
        assert getattr(wider, figure) == pytest.approx(getattr(found, figure), nan_ok=True)
    assert wider.iou[:3] == pytest.approx(found.iou, nan_ok=True)


def test_background_predicted_where_there_is_none_lowers_the_mean() -> None:
    # Class 2 is not in the reference: its false alarms are misses of the others, not a class.
    clean = scores(np.array([[10, 0, 0, 0], [0, 10, 0, 0], [0, 0, 0, 0]]))
    alarms = scores(np.array([[8, 0, 2, 0], [0, 5, 0, 5], [0, 0, 0, 0]]))
    assert clean.miou == 1
    assert alarms.miou == pytest.approx((0.8 + 0.5) / 2)


def test_figures_of_nothing_are_not_defined() -> None:
    nothing = scores(np.zeros((2, 3), int))
    assert np.isnan([nothing.miou, nothing.fwiou, nothing.oa, nothing.kappa]).all()
    # One class alone, everywhere right: so would chance be.
    assert np.isnan(scores(np.array([[7, 0], [0, 0]])).kappa)


def test_large_scenes_do_not_overflow() -> None:
    matrix = np.array([[30, 10, 0], [5, 55, 0]])
    assert scores(matrix * 10**11).kappa == pytest.approx(scores(matrix).kappa)


def test_dice_is_told_of_two_classes_and_only_of_those_that_occur() -> None:
    both = scores(np.array([[5, 1], [1, 3]]))
    assert scores_by_name(both, ["rest", "water"]) == {
        "mIoU": round((5 / 7 + 3 / 5) / 2, 4),
        "OA": 0.8,
        "IoU rest": round(5 / 7, 4),
        "IoU water": 0.6,
        "Dice rest": round(10 / 12, 4),
        "Dice water": 0.75,
    }
    one = scores(np.array([[5, 1], [0, 0]]))
    assert scores_by_name(one, ["rest", "water"]).keys() == {"mIoU", "OA", "IoU rest", "Dice rest"}
    three = scores(np.eye(3, dtype=int))
    assert not any("Dice" in name for name in scores_by_name(three, ["a", "b", "c"]))
