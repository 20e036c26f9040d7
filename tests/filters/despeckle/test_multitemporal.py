from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from sarseg.filters.despeckle.multitemporal import Quegan
from tests.filters.despeckle.definition import SHAPES

Stack = tuple[NDArray[np.float32], NDArray[np.bool_]]


def random_stack(seed: int, dates: int, height: int, width: int, invalid: float) -> Stack:
    rng = np.random.default_rng(seed)
    values = rng.exponential(0.1, (dates, 2, height, width)).astype(np.float32)
    values[rng.random(values.shape) < 0.01] = 1e5
    valid = rng.random((dates, height, width)) >= invalid
    values.swapaxes(0, 1)[:, ~valid] = np.nan
    return values, valid


def quegan(stack: NDArray[np.float32], valid: NDArray[np.bool_], size: int) -> NDArray[np.float64]:
    """Quegan & Yu 2001 for one channel (T, h, w), pixel by pixel."""
    result, half = stack.astype(float), size // 2
    for row, col in np.argwhere(valid.any(axis=0)):
        box = np.s_[max(row - half, 0) : row + half + 1, max(col - half, 0) : col + half + 1]
        dates = np.flatnonzero(valid[:, row, col])
        means = {date: stack[date][box][valid[date][box]].astype(float).mean() for date in dates}
        ratio = np.mean([stack[date, row, col] / means[date] for date in dates])
        for date in dates:
            result[date, row, col] = means[date] * ratio
    return result


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("size", "dates", "invalid"), [(5, 3, 0.0), (3, 4, 0.4), (5, 1, 0.2)])
def test_follows_the_definition(
    size: int, dates: int, invalid: float, shape: tuple[int, int]
) -> None:
    stack, valid = random_stack(0, dates, *shape, invalid)
    expected = np.stack([quegan(stack[:, band], valid, size) for band in (0, 1)], axis=1)
    despeckle = Quegan(size=size)
    np.testing.assert_allclose(despeckle(stack, valid), expected, rtol=1e-5)
    np.testing.assert_allclose(despeckle._on_device(stack, valid, "cpu"), expected, rtol=1e-5)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_filtered_window_is_the_window_of_the_filtered_whole(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 80)), data.draw(st.integers(1, 40))
    dates, invalid = data.draw(st.integers(1, 4)), data.draw(st.sampled_from([0.0, 0.1, 0.9]))
    seed = data.draw(st.integers(0, 2**32 - 1))
    stack, valid = random_stack(seed, dates, height, width, invalid)
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom = data.draw(st.integers(row + 1, height))
    right = data.draw(st.integers(col + 1, width))
    despeckle = Quegan(size=data.draw(st.sampled_from([1, 5, 9])))
    top, left = max(row - despeckle.margin, 0), max(col - despeckle.margin, 0)
    source = np.s_[..., top : bottom + despeckle.margin, left : right + despeckle.margin]
    part = despeckle(stack[source], valid[source])
    part = part[..., row - top : bottom - top, col - left : right - left]
    whole = despeckle(stack, valid)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(part, whole[..., row:bottom, col:right], rtol=1e-6)


def test_many_dates_smooth_speckle_and_keep_every_dates_level() -> None:
    levels = np.geomspace(0.01, 1.0, 10, dtype=np.float32)[:, None, None, None]
    stack = levels * np.random.default_rng(0).exponential(1.0, (10, 1, 150, 150)).astype("f4")
    found = Quegan()(stack, np.ones((10, 150, 150), bool))
    means, spreads = found.mean(axis=(1, 2, 3)), found.std(axis=(1, 2, 3))
    np.testing.assert_allclose(means, levels.ravel(), rtol=0.02)
    # Ten looks over the dates at the most, less what the local means vary by.
    assert ((means / spreads) ** 2 > 6.0).all()


def test_a_change_between_dates_stays() -> None:
    stack = np.full((2, 1, 20, 20), 0.1, np.float32)
    stack[1, 0, :, 10:] = 10.0
    found = Quegan(size=5)(stack, np.ones((2, 20, 20), bool))
    np.testing.assert_allclose(found[1, 0, :, 13:], 10.0, rtol=1e-6)
    np.testing.assert_allclose(found[0, 0, :, 13:], 0.1, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1e-30, 0.1, 1e30])
def test_a_constant_stays_as_it_is(value: float) -> None:
    stack = np.full((3, 1, 12, 12), value, np.float32)
    found = Quegan()(stack, np.ones((3, 12, 12), bool))
    np.testing.assert_allclose(found, stack, rtol=1e-6)


def test_a_ratio_to_nothing_is_one() -> None:
    stack = np.full((2, 1, 5, 5), 3.0, np.float32)
    stack[0] = 0.0
    stack[1, 0, 2, 2] = 30.0
    valid = np.ones((2, 5, 5), bool)
    found = Quegan(size=5)(stack, valid)
    mean = (24 * 3.0 + 30.0) / 25
    assert found[1, 0, 2, 2] == pytest.approx(mean * (1.0 + 30.0 / mean) / 2)
    assert (found[0] == 0.0).all()
    np.testing.assert_allclose(Quegan(size=5)._on_device(stack, valid, "cpu"), found, rtol=1e-6)


def test_invalid_pixels_pass_through_and_touch_nothing() -> None:
    stack, valid = random_stack(0, 3, 20, 20, 0.2)
    other = stack.copy()
    other[~valid[:, None].repeat(2, axis=1)] = 1e30
    found = Quegan()(stack, valid)
    kept = valid[:, None].repeat(2, axis=1)
    np.testing.assert_array_equal(found[kept], Quegan()(other, valid)[kept])
    np.testing.assert_array_equal(found[~kept], stack[~kept])


def test_a_bright_target_changes_nothing_beyond_its_reach() -> None:
    stack, valid = random_stack(0, 3, 9, 60, 0.0)
    bright = stack.copy()
    bright[1, :, 4, 5] = 1e12
    found = Quegan(size=5)(bright, valid)[..., 8:]
    np.testing.assert_array_equal(found, Quegan(size=5)(stack, valid)[..., 8:])


@pytest.mark.parametrize("wrong", [{"size": 4}, {"size": 0}, {"looks": 1.0}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Quegan(**wrong)
