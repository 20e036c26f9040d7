"""A map counted against its reference while its rows go by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarseg.assessment.boundary import BoundaryF1
from sarseg.assessment.calibration import Calibration
from sarseg.assessment.confusion import confusion_matrix
from sarseg.classes import NODATA


@dataclass(frozen=True)
class JudgedRows:
    """Rows (h, W) of a map beside its reference, both as class indices of one legend, or 255.

    ``confidence`` is in percent, 255 where there is none; ``row`` is the first row.
    """

    row: int
    reference: NDArray[np.uint8]
    mapped: NDArray[np.uint8]
    confidence: NDArray[np.uint8]


class Tally:
    """Confusion matrix, boundaries and calibration of K classes; see ``confusion_matrix``,
    ``BoundaryF1`` and ``Calibration``, which say what counts."""

    def __init__(self, num_classes: int, tolerance: int) -> None:
        self.confusion = np.zeros((num_classes, num_classes + 1), np.int64)
        self.boundary = BoundaryF1(num_classes, tolerance)
        self.calibration = Calibration()

    def add_rows(self, rows: JudgedRows) -> None:
        """Count the next rows of an image."""
        judged = rows.reference != NODATA
        self.confusion += confusion_matrix(rows.reference, rows.mapped, len(self.confusion))
        self.boundary.add_rows(rows.reference, rows.mapped)
        right = rows.reference[judged] == rows.mapped[judged]
        self.calibration.add(rows.confidence[judged], right)

    def next_image(self) -> None:
        """The next rows are those of another image."""
        self.boundary.next_image()
