"""Zooming a chip: against means taken pixel by pixel, and where it has to be exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarseg.datasets.sample import IGNORE, ChipData
from sarseg.datasets.zoom import zoomed
from tests.rasters import speckle


def made_chip(side: int, seed: int, invalid: float = 0.0) -> ChipData:
    drawn = np.random.default_rng(seed)
    valid = drawn.random((side, side)) >= invalid
    labels = drawn.integers(0, 5, (side, side)).astype(np.uint8)
    return ChipData(speckle(2, side, side, seed=seed) * valid, valid, labels)


def covered(low: float, high: float, pixel: int) -> float:
    return max(0.0, min(high, pixel + 1) - max(low, pixel))


def mean_over(chip: ChipData, weights: np.ndarray) -> np.ndarray:
    """Of each band, over valid pixels, with ``weights`` (h, w)."""
    weights = weights * chip.valid
    result: np.ndarray = (chip.intensity * weights).sum(axis=(1, 2)) / weights.sum()
    return result


@settings(max_examples=40, deadline=None)
@given(
    side=st.integers(1, 14),
    factor=st.floats(0.05, 1, exclude_max=True),
    places=st.tuples(*[st.floats(0, 1, exclude_max=True)] * 2),
    seed=st.integers(0, 999),
)
def test_a_shrunk_chip_holds_means_over_areas(
    side: int, factor: float, places: tuple[float, float], seed: int
) -> None:
    chip = made_chip(side, seed, invalid=0.3)
    result = zoomed(chip, factor, *places)
    length = max(1, round(side * factor))
    step = side / length
    row, col = (int(place * (side - length + 1)) for place in places)
    outside = np.ones((side, side), bool)
    outside[row : row + length, col : col + length] = False
    assert not result.valid[outside].any()
    assert (result.labels[outside] == IGNORE).all()
    assert not result.intensity[:, ~result.valid].any()
    for r, c in np.ndindex(length, length):
        middle = int((r + 0.5) * step), int((c + 0.5) * step)
        target = row + r, col + c
        assert result.labels[target] == chip.labels[middle]
        assert result.valid[target] == chip.valid[middle]
        if result.valid[target]:
            down = [covered(r * step, (r + 1) * step, pixel) for pixel in range(side)]
            across = [covered(c * step, (c + 1) * step, pixel) for pixel in range(side)]
            expected = mean_over(chip, np.outer(down, across))
            np.testing.assert_allclose(result.intensity[:, *target], expected, rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    side=st.integers(1, 14),
    factor=st.floats(1, 20),
    places=st.tuples(*[st.floats(0, 1, exclude_max=True)] * 2),
    seed=st.integers(0, 999),
)
def test_an_enlarged_chip_is_interpolated_bilinearly(
    side: int, factor: float, places: tuple[float, float], seed: int
) -> None:
    chip = made_chip(side, seed, invalid=0.3)
    result = zoomed(chip, factor, *places)
    assert not result.intensity[:, ~result.valid].any()
    row, col = (place * (side - side / factor) for place in places)
    pixels = np.arange(side) + 0.5
    for r, c in np.ndindex(side, side):
        y, x = row + (r + 0.5) / factor, col + (c + 0.5) / factor
        assert 0 <= y <= side
        if min(abs(y - round(y)), abs(x - round(x))) < 1e-9:
            continue  # on the line between two pixels either is the nearest
        assert result.labels[r, c] == chip.labels[int(y), int(x)]
        assert result.valid[r, c] == chip.valid[int(y), int(x)]
        if result.valid[r, c]:
            down, across = (np.maximum(1 - np.abs(pixels - at), 0) for at in (y, x))
            expected = mean_over(chip, np.outer(down, across))
            np.testing.assert_allclose(result.intensity[:, r, c], expected, rtol=1e-4)


def test_a_factor_of_one_changes_nothing() -> None:
    chip = made_chip(17, 0, invalid=0.2)
    result = zoomed(chip, 1.0, 0.3, 0.9)
    np.testing.assert_array_equal(result.intensity, chip.intensity)
    np.testing.assert_array_equal(result.valid, chip.valid)
    np.testing.assert_array_equal(result.labels, chip.labels)


@pytest.mark.parametrize("factor", [0.5, 0.25])
def test_whole_blocks_keep_the_mean_of_the_chip(factor: float) -> None:
    chip = made_chip(64, 3)
    result = zoomed(chip, factor, 0.5, 0.5)
    assert result.valid.sum() == (64 * factor) ** 2
    np.testing.assert_allclose(
        result.intensity[:, result.valid].mean(axis=1, dtype=float),
        chip.intensity.mean(axis=(1, 2), dtype=float),
        rtol=1e-5,
    )


def test_a_bright_invalid_neighbour_shines_nowhere() -> None:
    """What an invalid pixel holds is not read."""
    valid = np.ones((16, 16), bool)
    valid[5:9, 6] = False
    intensity = np.where(valid, np.float32(1), np.float32(1e30))[None]
    chip = ChipData(intensity, valid, np.zeros((16, 16), np.uint8))
    for factor in (0.4, 0.7, 1.3, 3.0):
        result = zoomed(chip, factor, 0.5, 0.4)
        np.testing.assert_allclose(result.intensity[0, result.valid], 1, rtol=1e-6)
