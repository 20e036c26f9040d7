"""Scores against counts by hand and against torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_f1_score, multiclass_jaccard_index

from sarseg.assessment.confusion import confusion_matrix, scores, scores_by_name


def test_a_hand_counted_case() -> None:
    reference = np.array([[0, 0, 1], [1, 255, 1]], np.uint8)
    predicted = np.array([[0, 2, 1], [1, 0, 255]], np.uint8)
    matrix = confusion_matrix(reference, predicted, 3)
    assert matrix.tolist() == [[1, 0, 1, 0], [0, 2, 0, 1], [0, 0, 0, 0]]
    result = scores(matrix)
    assert result.oa == 3 / 5
    assert result.iou[:2] == (1 / 2, 2 / 3)
    assert result.dice[:2] == (2 / 3, 4 / 5)
    assert np.isnan([result.iou[2], result.dice[2]]).all()
    assert result.miou == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_agrees_with_torchmetrics_where_every_class_occurs() -> None:
    generator = np.random.default_rng(5)
    reference, predicted = generator.integers(0, 4, (2, 100, 100))
    tensors = torch.from_numpy(predicted), torch.from_numpy(reference)
    found = scores(confusion_matrix(reference, predicted, 4))
    miou = multiclass_jaccard_index(*tensors, num_classes=4)
    dice = multiclass_f1_score(*tensors, num_classes=4, average=None)
    assert found.miou == pytest.approx(float(miou))
    assert found.dice == pytest.approx(dice.tolist())


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
