"""Accuracy figures from a confusion matrix."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scores:
    """Agreement of a map with a reference; all figures lie in 0..1.

    ``iou`` and ``dice`` hold one entry a class, NaN for classes that the reference does not
    contain; ``miou`` is the mean over the classes that it does contain; ``oa`` is the share of
    right pixels.
    """

    iou: tuple[float, ...]
    dice: tuple[float, ...]
    miou: float
    oa: float


def confusion_matrix(
    reference: NDArray[np.integer], predicted: NDArray[np.integer], num_classes: int
) -> NDArray[np.int64]:
    """Counts ``[reference, predicted]``, shape ``(K, K + 1)``, of class indices 0..K-1.

    Pixels whose reference is no class are left out. The last column counts predictions that are
    no class: they are errors, not gaps in the count.
    """
    judged = reference < num_classes
    truth = reference[judged].astype(np.int64)
    guess = np.minimum(predicted[judged], num_classes).astype(np.int64)
    cells = np.bincount(
        truth * (num_classes + 1) + guess, minlength=num_classes * (num_classes + 1)
    )
    return cells.reshape(num_classes, num_classes + 1)


def scores(confusion: NDArray[np.integer]) -> Scores:
    """Figures of a matrix from ``confusion_matrix``; several may be added up before."""
    hits = np.diagonal(confusion).astype(float)
    in_reference = confusion.sum(axis=1)
    predicted = confusion.sum(axis=0)[: len(hits)]
    union = in_reference + predicted - hits
    present = in_reference > 0
    absent = np.full(len(hits), np.nan)
    iou = np.divide(hits, union, out=absent.copy(), where=present)
    dice = np.divide(2 * hits, in_reference + predicted, out=absent.copy(), where=present)
    return Scores(
        iou=tuple(iou.tolist()),
        dice=tuple(dice.tolist()),
        miou=float(iou[present].mean()) if present.any() else float("nan"),
        oa=float(hits.sum() / max(in_reference.sum(), 1)),
    )


def scores_by_name(result: Scores, names: Sequence[str]) -> dict[str, float]:
    """Figures under the names of the classes, rounded for people: ``{"mIoU": 0.71, …}``.

    Classes that the reference does not contain are left out. Dice is told of two classes only, as
    is the custom where one class is mapped against the rest.
    """
    figures = {"IoU": result.iou, "Dice": result.dice}
    if len(names) != 2:
        del figures["Dice"]
    by_class = {
        f"{figure} {name}": round(value, 4)
        for figure, values in figures.items()
        for name, value in zip(names, values, strict=True)
        if not math.isnan(value)
    }
    return {"mIoU": round(result.miou, 4), "OA": round(result.oa, 4), **by_class}
