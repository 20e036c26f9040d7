"""How well the boundaries of classes are placed, counted row by row.

The boundary F-measure of Csurka, Larlus and Perronnin (2013), "What is a good evaluation measure
for semantic segmentation?", BMVC, class by class; matching within a disk as Perazzi et al. (2016),
"A benchmark dataset and evaluation methodology for video object segmentation", CVPR. Ours are: a
tolerance in pixels instead of a share of the image's diagonal, which says nothing of a scene; sums
over all pixels instead of means over images; what counts as a boundary beside pixels that are not
judged.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarseg.kernels import compiled, over_rows

_NOTHING = -1  # of an unjudged pixel, and of one that lies on no boundary


@dataclass(frozen=True)
class BoundaryScores:
    """Agreement of boundaries; one entry a class, in 0..1.

    ``precision`` is NaN for classes without a predicted boundary, ``recall`` and ``f1`` for those
    without one in the reference; ``mean`` is that of ``f1`` over the others, NaN without any.
    """

    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    mean: float


class BoundaryF1:
    """Counts of boundary pixels that have their like within ``tolerance`` pixels.

    A pixel lies on the boundary of its class if one of its four neighbours is of another class.
    Pixels whose reference is no class are not judged: nothing that is predicted there counts, and
    they make no boundary, and neither does the edge of the image. A predicted boundary pixel is
    right if the centre of a reference boundary pixel of the same class lies at most ``tolerance``
    pixels from its own; the other way round for recall.

    Rows come in their order, in pieces of any height, which does not change the result. About
    2 * (tolerance + 1) of them are held.
    """

    def __init__(self, num_classes: int, tolerance: int) -> None:
        if tolerance < 0:
            raise ValueError(f"a tolerance of {tolerance} pixels: it has to be 0 or more")
        self.num_classes = num_classes
        self.tolerance = tolerance
        reach = np.arange(-tolerance, tolerance + 1)
        down, right = (axis.ravel() for axis in np.meshgrid(reach, reach, indexing="ij"))
        squared = down**2 + right**2
        # Nearest first, so that most searches end early.
        order = np.argsort(squared, kind="stable")[: np.count_nonzero(squared <= tolerance**2)]
        self._disk = np.stack([down[order], right[order]], axis=1)
        # [of the map or of the reference, all or matched, class]
        self._counts = np.zeros((2, 2, num_classes), np.int64)
        # Of the image so far, (map and reference, rows, W), and how many of the rows are counted.
        self._rows: NDArray[np.int16] | None = None
        self._settled = 0

    def add_rows(self, reference: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> None:
        """The next rows of an image, ``(h, W)`` class indices each; K and more is no class.

        Raises ValueError if the shapes differ from each other or from the width so far.
        """
        if reference.shape != predicted.shape:
            raise ValueError(f"reference {reference.shape} and map {predicted.shape} differ")
        if self._rows is not None and reference.shape[1] != self._rows.shape[2]:
            raise ValueError(f"rows of {reference.shape[1]} pixels after {self._rows.shape[2]}")
        judged = reference < self.num_classes
        labels = np.stack([np.minimum(predicted, self.num_classes), reference]).astype(np.int16)
        labels[:, ~judged] = _NOTHING
        rows = labels if self._rows is None else np.concatenate([self._rows, labels], axis=1)
        # A row is settled when the disk's lowest row has its lower neighbour.
        settled = max(rows.shape[1] - self.tolerance - 1, self._settled)
        self._counts += self._counted(rows, self._settled, settled)
        # The disk's highest row needs its upper neighbour.
        first = max(settled - self.tolerance - 1, 0)
        self._rows = rows[:, first:].copy()
        self._settled = settled - first

    def next_image(self) -> None:
        """End the image: the next rows are those of another one, of any width."""
        self._counts += self._pending()
        self._rows = None
        self._settled = 0

    def scores(self) -> BoundaryScores:
        """Figures of all rows so far, the last one taken for the image's last; more may follow."""
        (predicted, right), (in_reference, found) = self._counts + self._pending()
        precision = _shares(right, predicted)
        recall = _shares(found, in_reference)
        # Without a predicted boundary nothing is found: F1 is 0, as where none is right.
        right_or_none = np.nan_to_num(precision)
        total = right_or_none + recall
        f1 = np.where(np.isnan(recall), np.nan, 0.0)
        np.divide(2 * right_or_none * recall, total, out=f1, where=total > 0)
        present = in_reference > 0
        return BoundaryScores(
            precision=tuple(precision.tolist()),
            recall=tuple(recall.tolist()),
            f1=tuple(f1.tolist()),
            mean=float(f1[present].mean()) if present.any() else math.nan,
        )

    def _pending(self) -> NDArray[np.int64]:
        if self._rows is None:
            return np.zeros_like(self._counts)
        return self._counted(self._rows, self._settled, self._rows.shape[1])

    def _counted(self, rows: NDArray[np.int16], first: int, last: int) -> NDArray[np.int64]:
        edges = _boundaries(rows)
        edges[edges == self.num_classes] = _NOTHING
        counts = np.zeros_like(self._counts)
        for side, (own, other) in enumerate([(edges[0], edges[1]), (edges[1], edges[0])]):
            counted = own[first:last]
            matched = self._matched(own, other, first, last)
            counts[side] = [
                np.bincount(counted[chosen], minlength=self.num_classes)
                for chosen in (counted != _NOTHING, matched)
            ]
        return counts

    def _matched(
        self, own: NDArray[np.int16], other: NDArray[np.int16], first: int, last: int
    ) -> NDArray[np.bool_]:
        matched = np.zeros((last - first, own.shape[1]), np.bool_)

        def fill(top: int, bottom: int) -> None:
            _match(own, other, self._disk, first, top, bottom, matched)

        over_rows(last - first, fill)
        return matched


def _boundaries(labels: NDArray[np.int16]) -> NDArray[np.int16]:
    """The class of pixels ``(…, H, W)`` that have a judged neighbour of another; else nothing."""
    differs = np.zeros(labels.shape, np.bool_)
    for before, after in (
        (np.s_[..., :-1, :], np.s_[..., 1:, :]),
        (np.s_[..., :-1], np.s_[..., 1:]),
    ):
        one, other = labels[before], labels[after]
        step = (one != other) & (one != _NOTHING) & (other != _NOTHING)
        differs[before] |= step
        differs[after] |= step
    return np.where(differs, labels, np.int16(_NOTHING))


@compiled
def _match(
    own: NDArray[np.int16],
    other: NDArray[np.int16],
    disk: NDArray[np.int64],
    first: int,
    top: int,
    bottom: int,
    matched: NDArray[np.bool_],
) -> None:
    """Mark boundary pixels of ``own`` that have their like in ``other`` within the disk.

    Rows ``top`` to ``bottom`` of ``matched`` are filled; its row 0 is row ``first`` of the others.
    """
    height, width = own.shape
    for row in range(top, bottom):
        for column in range(width):
            label = own[first + row, column]
            if label < 0:
                continue
            for step in range(len(disk)):
                y = first + row + disk[step, 0]
                x = column + disk[step, 1]
                if 0 <= y < height and 0 <= x < width and other[y, x] == label:
                    matched[row, column] = True
                    break


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    shares = np.full(len(part), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares
