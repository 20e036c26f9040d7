import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from sarseg.assessment.confusion import confusion_matrix
from sarseg.comparison.judging import UnitCounts, fields


def test_fields_are_connected_by_their_sides() -> None:
    truth = np.array(
        [
            [0, 0, 1, 255],
            [255, 1, 1, 0],
            [1, 255, 0, 0],
        ],
        np.uint8,
    )
    numbers, count = fields(truth)
    assert count == 4
    assert (numbers == -1).tolist() == (truth == 255).tolist()
    assert numbers[0, 0] == numbers[0, 1] != numbers[1, 3] == numbers[2, 2]
    assert numbers[0, 2] == numbers[1, 1] != numbers[2, 0]


labels = arrays(np.uint8, (6, 8), elements=st.sampled_from([0, 1, 2, 255]))


@given(labels, labels)
def test_units_add_up_to_the_confusion_matrix(
    truth: NDArray[np.uint8], mapped: NDArray[np.uint8]
) -> None:
    numbers, units = fields(truth)
    counts = UnitCounts(3)
    for row in range(0, 6, 4):  # in parts, as a map comes
        part = slice(row, row + 4)
        counts.add(numbers[part], truth[part], mapped[part])
    dense = counts.judgement("field", units, ["a", "b", "c"]).by_unit()
    assert dense.shape == (units, 3, 4)
    assert (dense.sum(axis=0) == confusion_matrix(truth, mapped, 3)).all()
    assert (dense.sum(axis=(1, 2)) == np.bincount(numbers[numbers >= 0], minlength=units)).all()
    assert ((dense.sum(axis=2) > 0).sum(axis=1) == 1).all()  # a field is of one class
