"""Accuracy figures from a confusion matrix."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scores:
    """Agreement of a map with a reference; ``kappa`` lies in -1..1, all other figures in 0..1.

    Tuples hold one entry a class. ``iou``, ``dice`` and ``recall`` are NaN for classes that the
    reference does not contain, ``precision`` for classes that were never predicted; ``miou`` is
    the mean of ``iou`` over the classes that the reference contains, ``fwiou`` the same weighted
    by their pixels; ``oa`` is the share of right pixels, ``kappa`` how far it is above chance
    (Cohen 1960). Figures of nothing are NaN, and so is ``kappa`` where chance alone is always
    right.
    """

    iou: tuple[float, ...]
    dice: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    miou: float
    fwiou: float
    oa: float
    kappa: float

    @property
    def f1(self) -> tuple[float, ...]:
        """Harmonic mean of precision and recall: of pixels, the same figure as Dice."""
        return self.dice


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
    """Figures of a matrix from ``confusion_matrix``; several may be added up before.

    A matrix ``(K, K)`` is one without predictions of no class.
    """
    counts = confusion.astype(float)
    hits = np.diagonal(counts)
    in_reference = counts.sum(axis=1)
    predicted = counts.sum(axis=0)[: len(hits)]
    total = in_reference.sum()
    present = in_reference > 0
    iou = _ratio(hits, in_reference + predicted - hits, present)
    frequency = _ratio(in_reference, np.full_like(hits, total), present)
    oa = hits.sum() / total if total else math.nan
    chance = (in_reference / total) @ (predicted / total) if total else math.nan
    return Scores(
        iou=tuple(iou.tolist()),
        dice=tuple(_ratio(2 * hits, in_reference + predicted, present).tolist()),
        precision=tuple(_ratio(hits, predicted, predicted > 0).tolist()),
        recall=tuple(_ratio(hits, in_reference, present).tolist()),
        miou=float(iou[present].mean()) if total else math.nan,
        fwiou=float(frequency[present] @ iou[present]) if total else math.nan,
        oa=float(oa),
        kappa=float((oa - chance) / (1 - chance)) if chance < 1 else math.nan,
    )


def scores_by_name(result: Scores, names: Sequence[str]) -> dict[str, float]:
    """The main figures under the names of the classes, rounded: ``{"mIoU": 0.71, …}``.

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


def _ratio(
    part: NDArray[np.floating], whole: NDArray[np.floating], defined: NDArray[np.bool_]
) -> NDArray[np.float64]:
    ratio = np.full(len(part), np.nan)
    np.divide(part, whole, out=ratio, where=defined)
    return ratio
