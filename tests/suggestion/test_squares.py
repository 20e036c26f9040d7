from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sarseg.classes import NODATA
from sarseg.prediction.mapping import FinishedRows
from sarseg.suggestion.squares import squares_of


@settings(deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    side=st.integers(1, 45),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_means_are_those_of_the_valid_pixels(
    height: int, width: int, side: int, seed: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    bands = rng.integers(0, 101, (4, height, width), np.uint8)
    bands[:, rng.random((height, width)) < 0.3] = NODATA
    cuts = sorted({0, height, *data.draw(st.sets(st.integers(0, height)))})
    blocks = [FinishedRows(first, bands[:, first:end]) for first, end in pairwise(cuts)]
    found = squares_of(blocks, (height, width), side)
    rows, cols = -(-height // side), -(-width // side)
    assert found.valid.shape == found.entropy.shape == (rows, cols)
    assert found.probabilities.shape == (2, rows, cols)
    for row in range(rows):
        for col in range(cols):
            place = slice(row * side, (row + 1) * side), slice(col * side, (col + 1) * side)
            inside = bands[:, *place]
            known = inside[:, inside[0] != NODATA]
            assert found.valid[row, col] == known.shape[1] / inside[0].size
            expected = known[1:].mean(axis=1) / 100 if known.size else np.zeros(3)
            np.testing.assert_allclose(found.entropy[row, col], expected[0], atol=1e-12)
            np.testing.assert_allclose(found.probabilities[:, row, col], expected[1:], atol=1e-12)


def test_blocks_are_not_changed() -> None:
    bands = np.full((3, 4, 4), NODATA, np.uint8)
    squares_of([FinishedRows(0, bands)], (4, 4), 2)
    assert (bands == NODATA).all()
