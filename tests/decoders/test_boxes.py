"""Boxes round masks: which pixels they hold, and what enlarging does."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from sarseg.decoders.boxes import box_of, scaled

masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.bool_, shape)
)


@given(mask=masks)
def test_a_box_is_the_smallest_that_holds_every_true_pixel(mask: NDArray[np.bool_]) -> None:
    box = box_of(mask)
    if box is None:
        assert not mask.any()
        return
    x0, y0, x1, y1 = (int(corner) for corner in box)
    inside = mask[y0 : y1 + 1, x0 : x1 + 1]
    assert inside.sum() == mask.sum()
    assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))


@given(mask=masks, scale=st.floats(1, 5))
def test_enlarging_holds_the_box_and_stays_in_the_image(
    mask: NDArray[np.bool_], scale: float
) -> None:
    box = box_of(mask)
    if box is None:
        return
    assert scaled(box, 1.0, mask.shape) == box
    x0, y0, x1, y1 = scaled(box, scale, mask.shape)
    assert 0 <= x0 <= box[0] <= box[2] <= x1 <= mask.shape[1] - 1
    assert 0 <= y0 <= box[1] <= box[3] <= y1 <= mask.shape[0] - 1


def test_scale_counts_pixels_and_keeps_the_centre() -> None:
    # 4 x 2 pixels become 6 x 3, one pixel becomes 3 x 3; the image's edge cuts
    assert scaled((10.0, 20.0, 13.0, 21.0), 1.5, (100, 100)) == (9.0, 19.5, 14.0, 21.5)
    assert scaled((5.0, 5.0, 5.0, 5.0), 3.0, (100, 100)) == (4.0, 4.0, 6.0, 6.0)
    assert scaled((0.0, 0.0, 5.0, 3.0), 2.0, (4, 8)) == (0.0, 0.0, 7.0, 3.0)
