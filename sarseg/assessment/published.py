"""Figures as papers publish them, where they depart from ``sarseg.assessment.confusion``.

There is one such variant: **background left out of the matrix**. CWSAM (Pu et al. 2024) scores
FUSAR-Map 1.0 like this; FUSAR-Map 2.0, which has no background, is scored with all its classes.
"""

import numpy as np
from numpy.typing import NDArray

from sarseg.assessment.confusion import Scores, scores


def published_scores(confusion: NDArray[np.integer], left_out: int) -> Scores:
    """Figures of the matrix without the row and the column of class ``left_out``; K-1 classes.

    Without the row, pixels whose reference is that class are not judged: what is predicted there
    is no false alarm. Without the column, pixels mapped as that class are not judged either: they
    are no misses. So the figures are never lower in recall, precision and IoU than those of
    ``scores``, and do not compare with them. Raises ValueError if there is no such class.
    """
    if not 0 <= left_out < len(confusion):
        raise ValueError(f"no class has the index {left_out}: there are {len(confusion)}")
    kept = np.delete(np.delete(confusion, left_out, axis=0), left_out, axis=1)
    return scores(kept)
