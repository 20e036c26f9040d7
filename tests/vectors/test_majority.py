from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from sarseg.vectors.majority import majority
from sarseg.vectors.rows import NO_CLASS, Rows

FAR = 2**31 - 1
rasters = arrays(
    np.int32,
    array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.sampled_from([NO_CLASS, 0, 3, 4, FAR]),
    fill=st.nothing(),
)


def whole(raster: NDArray[np.int32], size: int, block: int = 100) -> NDArray[np.int32]:
    blocks = iter([raster[row : row + block] for row in range(0, len(raster), block)])
    return np.concatenate(list(majority(blocks, size)))


def voted(raster: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """The same, pixel by pixel."""
    reach = size // 2
    result = raster.copy()
    for row, col in np.argwhere(raster != NO_CLASS):
        window = raster[max(row - reach, 0) : row + reach + 1, max(col - reach, 0) :][
            :, : min(col, reach) + reach + 1
        ]
        counts = Counter(window[window != NO_CLASS].tolist())
        most = [key for key, count in counts.items() if count == max(counts.values())]
        result[row, col] = raster[row, col] if raster[row, col] in most else min(most)
    return result


@settings(deadline=None)  # the first call compiles
@given(raster=rasters, size=st.sampled_from([3, 5, 7, 21]), block=st.integers(1, 10))
def test_agrees_with_a_count_of_every_window(
    raster: NDArray[np.int32], size: int, block: int
) -> None:
    found = whole(raster, size, block)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, voted(raster, size))


@pytest.mark.parametrize("size", [3, 7])
def test_a_high_raster_in_uneven_blocks(size: int) -> None:
    raster = np.random.default_rng(1).integers(-1, 4, (210, 40), np.int32)
    blocks = iter(np.split(raster, [1, 2, 90, 91, 180]))
    found = np.concatenate(list(majority(blocks, size)))
    np.testing.assert_array_equal(found, voted(raster, size))


def test_a_pixel_keeps_its_class_in_a_tie_and_goes_to_the_smallest_of_others() -> None:
    assert whole(np.array([[5, 2]], np.int32), 3).tolist() == [[5, 2]]
    raster = np.array([[8, 6, 6], [8, 9, NO_CLASS], [NO_CLASS, 7, NO_CLASS]], np.int32)
    assert whole(raster, 3)[1, 1] == 6


def test_blocks_are_given_as_soon_as_the_rows_below_are_known() -> None:
    read = 0

    def rows() -> Rows:
        nonlocal read
        for _ in range(8):
            read += 1
            yield np.zeros((4, 6), np.int32)

    given_rows = majority(rows(), 5)
    assert len(next(given_rows)) == 2
    assert read == 1
    assert sum(map(len, given_rows)) == 30


def test_nothing_stays_nothing() -> None:
    assert list(majority(iter([]), 3)) == []


@pytest.mark.parametrize("size", [-3, 1, 4])
def test_windows_without_a_middle_or_neighbours_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="odd and at least 3"):
        majority(iter([]), size)
