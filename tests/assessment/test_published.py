"""Published variants against a case counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from sarseg.assessment.confusion import scores
from sarseg.assessment.published import published_scores


def test_fusar_map_1_as_counted_by_hand() -> None:
    # Reference in rows: building, vegetation, water, road, background; the last column: no class.
    matrix = np.array(
        [
            [60, 10, 0, 5, 20, 0],
            [4, 80, 2, 0, 30, 0],
            [0, 1, 90, 0, 8, 0],
            [6, 2, 0, 12, 10, 0],
            [40, 50, 7, 3, 500, 0],
        ]
    )
    found = published_scores(matrix, left_out=4)
    # Left: 75, 86, 91, 20 pixels in the reference; 70, 93, 92, 17 on the map; 272 in all.
    iou = (60 / 85, 80 / 99, 90 / 93, 12 / 25)
    assert found.iou == pytest.approx(iou)
    assert found.miou == pytest.approx(sum(iou) / 4)
    assert found.oa == pytest.approx(242 / 272)
    assert found.fwiou == pytest.approx(
        (75 * iou[0] + 86 * iou[1] + 91 * iou[2] + 20 * iou[3]) / 272
    )
    assert found.precision == pytest.approx((60 / 70, 80 / 93, 90 / 92, 12 / 17))
    assert found.recall == pytest.approx((60 / 75, 80 / 86, 90 / 91, 12 / 20))
    assert found.f1 == pytest.approx((120 / 145, 160 / 179, 180 / 183, 24 / 37))


def test_any_class_may_be_the_background_and_no_class_stays_an_error() -> None:
    matrix = np.array([[9, 9, 9, 9], [9, 6, 1, 3], [9, 2, 8, 0]])
    found = published_scores(matrix, left_out=0)
    assert found.recall == (6 / 10, 8 / 10)
    assert found.precision == (6 / 8, 8 / 9)


@given(arrays(np.int64, (3, 4), elements=st.integers(0, 9)), st.integers(0, 2))
def test_no_class_looks_worse_than_it_is(matrix: NDArray[np.int64], left_out: int) -> None:
    published = published_scores(matrix, left_out)
    honest = scores(matrix)
    for figure in ("iou", "precision", "recall", "f1"):
        ours = np.delete(getattr(honest, figure), left_out)
        theirs = np.array(getattr(published, figure))
        judged = ~np.isnan(theirs)
        assert (theirs[judged] >= ours[judged] - 1e-12).all()


@pytest.mark.parametrize("left_out", [-1, 3])
def test_a_class_that_there_is_not_is_refused(left_out: int) -> None:
    with pytest.raises(ValueError, match="there are 3"):
        published_scores(np.ones((3, 4), int), left_out)
