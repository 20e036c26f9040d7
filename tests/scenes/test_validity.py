import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sarseg.scenes.validity import DataOutline, inner_windows, noise_ceiling
from sarseg.scenes.window import Window

CEILING = 5.0


def outline_of(values: np.ndarray, rows: int, ceiling: float = 0.0) -> DataOutline:
    height, width = values.shape
    windows = [Window(row, 0, min(rows, height - row), width) for row in range(0, height, rows)]
    everything = Window(0, 0, height, width)
    return DataOutline.of(
        height,
        width,
        windows,
        lambda window: values[window.slices_in(everything)],
        lambda: ceiling,
    )


def inside_of(values: np.ndarray, ceiling: float = 0.0, rows: int = 50) -> np.ndarray:
    return outline_of(values, rows, ceiling).inside(Window(0, 0, *values.shape))


def inside_by_definition(values: np.ndarray) -> np.ndarray:
    """A zero is data where there is data on all four sides of it."""
    data = np.isfinite(values) & (values != 0)
    above = np.maximum.accumulate(data, 0)
    below = np.maximum.accumulate(data[::-1], 0)[::-1]
    left = np.maximum.accumulate(data, 1)
    right = np.maximum.accumulate(data[:, ::-1], 1)[:, ::-1]
    return np.logical_and.reduce([above, below, left, right])


def inside_of_line(line: np.ndarray, ceiling: float) -> tuple[int, int]:
    """First and last pixel with data, walking inwards from both ends; far apart where none is."""

    def begin(walked: np.ndarray) -> int:
        for at, value in enumerate(walked):
            next_few = walked[at : at + 8]
            if value > ceiling and 2 * (next_few > ceiling).sum() > len(next_few):
                return at
        return len(walked)

    return begin(line), len(line) - 1 - begin(line[::-1])


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


@given(
    values=arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, max_side=30),
        elements=st.sampled_from([0.0, 2.0, 9.0, 90.0]),
    ),
    rows=st.integers(1, 30),
)
def test_noise_between_the_edge_and_the_data_is_outside(values: np.ndarray, rows: int) -> None:
    height, width = values.shape
    expected = np.zeros((height, width), bool)
    for row in range(height):
        first, last = inside_of_line(values[row], CEILING)
        expected[row, first : last + 1] = True
    for col in range(width):
        first, last = inside_of_line(values[:, col], CEILING)
        expected[:first, col] = expected[last + 1 :, col] = False
    edge = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    if (edge != 0).all():
        expected[:] = True
    np.testing.assert_array_equal(inside_of(values, CEILING, rows), expected)


def test_dark_pixels_within_a_scene_are_data() -> None:
    values = np.ones((5, 5), np.float32)
    values[2, 2] = 0.0
    values[:, 0] = 0.0
    inside = outline_of(values, 5).inside(Window(0, 0, 5, 5))
    assert inside[2, 2]
    assert not inside[:, 0].any()
    assert inside[:, 1:].all()


def grd_scene(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Digital numbers of a GRD scene with slanted borders of zeros and noise, and where it is data.

    Land of 4.4 looks at a mean amplitude of 230, with a lake at the noise floor that reaches the
    right edge of the swath, and a few zeros in the middle.
    """
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:400, :600]
    power = np.full((400, 600), 230.0**2)
    power[150:300, 470:] = 24.0**2
    values = np.sqrt(power * rng.gamma(4.4, 1 / 4.4, power.shape))
    values[200:203, 300:305] = 0
    left, right = 30 + rows * 0.1, 560 - rows * 0.05
    top, bottom = 12 + cols * 0.02, 380 + cols * 0.01
    data = (cols >= left) & (cols < right) & (rows >= top) & (rows < bottom)
    noise = rng.rayleigh(1.5, power.shape)
    zeros = (cols < left - 25) | (cols > right + 20) | (rows < top - 9)
    values = np.where(data, values, np.where(zeros, 0, noise))
    return np.round(values).astype(np.float32), data


@pytest.mark.parametrize("seed", range(3))
def test_a_slanted_border_with_noise(seed: int) -> None:
    values, data = grd_scene(seed)
    windows = inner_windows(*values.shape)
    ceiling = noise_ceiling(values[w.row : w.row_end, w.col : w.col_end] for w in windows)
    assert 4 < ceiling < 15
    inside = inside_of(values, ceiling)
    lost = data & ~inside
    assert lost.sum() < 1e-4 * data.sum()
    assert (inside & ~data).sum() < 2e-3 * (~data).sum()
    assert inside[200:203, 300:305].all()
    zeros_only = inside_of(values)
    assert (zeros_only & ~data).sum() > 0.2 * (~data).sum()


def test_dark_water_at_the_edge_of_a_swath_survives() -> None:
    """Also where nothing else in the scene is as dark, so that the land sets the ceiling."""
    rng = np.random.default_rng(4)
    power = np.full((300, 500), 400.0**2)
    power[100:140, :6] = 20.0**2
    values = np.sqrt(power * rng.gamma(4.4, 1 / 4.4, power.shape)).round().astype(np.float32)
    framed = np.pad(values, ((0, 0), (5, 0)))
    inside = inside_of(framed, noise_ceiling([framed]))
    assert inside[:, 5:].mean() > 0.9998
    assert inside[100:140, 5:].mean() > 0.99
    assert not inside[:, :5].any()


def test_a_scene_without_a_zero_at_its_edge_is_left_as_it_is() -> None:
    values = np.random.default_rng(1).integers(1, 9, (90, 70)).astype(np.float32)
    values[3:9, 4:8] = 0
    assert inside_of(values, CEILING).all()


def test_the_ceiling_of_what_cannot_tell() -> None:
    assert noise_ceiling([]) == 0
    assert noise_ceiling([np.zeros((64, 64), np.float32)]) == 0
    assert noise_ceiling([np.full((64, 5), 9, np.float32)]) == 0
    assert noise_ceiling([np.full((64, 64), 8, np.float32)]) == 4
    assert noise_ceiling([np.full((64, 64), 8000, np.float32)]) == 10
