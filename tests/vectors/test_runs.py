import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from sarseg.vectors.rows import NO_CLASS
from sarseg.vectors.runs import Runs

rasters = arrays(
    np.int32,
    array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.integers(-1, 2),
    fill=st.nothing(),
)


@settings(deadline=None)  # the first call compiles
@given(raster=rasters, read=st.integers(1, 10), block=st.integers(1, 10))
def test_rows_come_back_whatever_the_blocks(
    raster: NDArray[np.int32], read: int, block: int
) -> None:
    height, width = raster.shape
    runs = Runs.of(iter([raster[row : row + read] for row in range(0, height, read)]), width)
    blocks = list(runs.rows(block))
    np.testing.assert_array_equal(np.concatenate(blocks), raster)
    assert blocks[0].dtype == np.int32
    assert [len(rows) for rows in blocks[:-1]] == [block] * (len(blocks) - 1)


def test_runs_are_as_long_as_they_can_be_and_end_with_their_row() -> None:
    raster = np.array([[3, 3, NO_CLASS, NO_CLASS], [7, 7, 7, 7], [7, 1, 7, 7]], np.int32)
    runs = Runs.of(iter([raster[:1], raster[1:]]), 4)
    assert runs.height == 3
    assert runs.starts.tolist() == [0, 2, 0, 0, 1, 2]
    assert runs.class_ids.tolist() == [3, NO_CLASS, 7, 7, 1, 7]
    assert runs.offsets.tolist() == [0, 2, 3, 6]


def test_a_high_raster_of_more_rows_than_a_thread_gets() -> None:
    raster = np.random.default_rng(0).integers(-1, 3, (300, 70), np.int32)
    runs = Runs.of(iter([raster]), 70)
    np.testing.assert_array_equal(np.concatenate(list(runs.rows(170))), raster)


def test_nothing_stays_nothing() -> None:
    assert list(Runs.of(iter([]), 5).rows(2)) == []


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="rows of 4 pixels in a raster of 5"):
        Runs.of(iter([np.zeros((1, 4), np.int32)]), 5)
