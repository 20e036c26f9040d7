"""What a model sees at invalid pixels."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt


def fill_gaps(bands: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """``bands`` (C, h, w) with the valid pixels mirrored into those where ``valid`` (h, w) is not.

    An invalid pixel gets what lies as far on the other side of the valid pixel nearest to it, or,
    where that is invalid or outside, what the nearest holds. Beside a straight edge this is the
    mirror image, the edge pixel not repeated. Valid pixels are unchanged; where none is valid, all
    become 0.
    """
    if valid.all():
        return bands
    if not valid.any():
        return np.zeros_like(bands)
    nearest = distance_transform_edt(~valid, return_distances=False, return_indices=True)
    mirrored = 2 * nearest - np.indices(valid.shape, nearest.dtype)
    last = np.array(valid.shape, nearest.dtype)[:, None, None] - 1
    np.copyto(mirrored, nearest, where=((mirrored < 0) | (mirrored > last)).any(axis=0))
    np.copyto(mirrored, nearest, where=~valid[*mirrored])
    return bands[:, *mirrored]
