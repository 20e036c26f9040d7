import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sarseg.scenes.validity import DataOutline
from sarseg.scenes.window import Window


def outline_of(values: np.ndarray, rows: int) -> DataOutline:
    height, width = values.shape
    windows = [Window(row, 0, min(rows, height - row), width) for row in range(0, height, rows)]
    strips = ((window, values[window.row : window.row_end]) for window in windows)
    return DataOutline.of_strips(height, width, strips)


def inside_by_definition(values: np.ndarray) -> np.ndarray:
    """A zero is data where there is data on all four sides of it."""
    data = np.isfinite(values) & (values != 0)
    above = np.maximum.accumulate(data, 0)
    below = np.maximum.accumulate(data[::-1], 0)[::-1]
    left = np.maximum.accumulate(data, 1)
    right = np.maximum.accumulate(data[:, ::-1], 1)[:, ::-1]
    return np.logical_and.reduce([above, below, left, right])


@given(
    values=arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.sampled_from([0.0, 0.0, 1.0, np.nan]),
    ),
    rows=st.integers(1, 9),
)
def test_zeros_between_the_edge_and_the_data_are_outside(values: np.ndarray, rows: int) -> None:
    outline = outline_of(values, rows)
    height, width = values.shape
    found = outline.inside(Window(0, 0, height, width))
    np.testing.assert_array_equal(found, inside_by_definition(values))
    part = Window(height // 3, width // 2, height - height // 3, width - width // 2)
    np.testing.assert_array_equal(outline.inside(part), found[part.row :, part.col :])


def test_dark_pixels_within_a_scene_are_data() -> None:
    values = np.ones((5, 5), np.float32)
    values[2, 2] = 0.0
    values[:, 0] = 0.0
    inside = outline_of(values, 5).inside(Window(0, 0, 5, 5))
    assert inside[2, 2]
    assert not inside[:, 0].any()
    assert inside[:, 1:].all()
