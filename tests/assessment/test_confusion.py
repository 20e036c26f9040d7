"""Scores against counts by hand and against torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_jaccard_index

from sarseg.assessment.confusion import confusion_matrix, scores


def test_a_hand_counted_case() -> None:
    reference = np.array([[0, 0, 1], [1, 255, 1]], np.uint8)
    predicted = np.array([[0, 2, 1], [1, 0, 255]], np.uint8)
    matrix = confusion_matrix(reference, predicted, 3)
    assert matrix.tolist() == [[1, 0, 1, 0], [0, 2, 0, 1], [0, 0, 0, 0]]
    result = scores(matrix)
    assert result.oa == 3 / 5
    assert result.iou[:2] == (1 / 2, 2 / 3)
    assert np.isnan(result.iou[2])
    assert result.miou == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_agrees_with_torchmetrics_where_every_class_occurs() -> None:
    generator = np.random.default_rng(5)
    reference, predicted = generator.integers(0, 4, (2, 100, 100))
    expected = multiclass_jaccard_index(
        torch.from_numpy(predicted), torch.from_numpy(reference), num_classes=4
    )
    assert scores(confusion_matrix(reference, predicted, 4)).miou == pytest.approx(float(expected))
