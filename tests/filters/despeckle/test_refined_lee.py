from collections.abc import Callable
from math import fsum

import numpy as np
import pytest
from numpy.typing import NDArray

from sarseg.filters.despeckle.refined_lee import RefinedLee
from tests.filters.despeckle.definition import SHAPES, mixed_scene
from tests.rasters import speckle

LOOKS = 3.0

COMPASS: dict[str, Callable[[int, int], int]] = {
    "down": lambda down, across: int(np.sign(across)),
    "across": lambda down, across: int(np.sign(down)),
    "falling": lambda down, across: int(np.sign(down - across)),
    "rising": lambda down, across: int(np.sign(down + across)),
}
"""On which side of each edge a pixel (down, across) from the middle lies; 0 is on the edge.

Of sub-windows, it is their weight in the gradient."""

FARTHEST = {"down": (0, 1), "across": (1, 0), "falling": (1, -1), "rising": (1, 1)}
"""The sub-window in the middle of the side 1."""


def refined_lee(values: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Lee 1981, pixel by pixel."""
    result = values.copy()
    for row, col in np.argwhere(valid):
        pixels = {
            (down, across): values[row + down, col + across]
            for down in range(-3, 4)
            for across in range(-3, 4)
            if 0 <= row + down < values.shape[0] and 0 <= col + across < values.shape[1]
            if valid[row + down, col + across]
        }
        half = np.array(_half_window(pixels))
        mean, variance = half.mean(), half.var()
        signal = max((variance + mean**2) / (1 + 1 / LOOKS) - mean**2, 0.0)
        gain = signal / (mean**2 / LOOKS + signal)
        result[row, col] = mean + gain * (values[row, col] - mean)
    return result


def _half_window(pixels: dict[tuple[int, int], float]) -> list[float]:
    nine = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1)]
    means = {}
    for down, across in nine:
        near = [
            value
            for (row, col), value in pixels.items()
            if abs(row - 2 * down) <= 1 and abs(col - 2 * across) <= 1
        ]
        if near:
            means[down, across] = np.mean(near)
    middle = means[0, 0]

    def gradient(edge: str) -> float:
        # Exact, so that ties are ties.
        return abs(fsum(COMPASS[edge](*each) * means.get(each, middle) for each in nine))

    edge = max(COMPASS, key=gradient)
    down, across = FARTHEST[edge]
    after = abs(means.get((down, across), np.inf) - middle)
    before = abs(means.get((-down, -across), np.inf) - middle)
    sign = 1 if after < before else -1
    return [value for place, value in pixels.items() if sign * COMPASS[edge](*place) >= 0]


@pytest.mark.parametrize("shape", SHAPES)
def test_follows_the_definition(shape: tuple[int, int]) -> None:
    values = mixed_scene(*shape)
    for valid in (np.ones(shape, bool), speckle(*shape, seed=1) > 0.02):
        expected = np.stack([refined_lee(band.astype(float), valid) for band in values])
        despeckle = RefinedLee(looks=LOOKS)
        np.testing.assert_allclose(despeckle(values, valid), expected, rtol=1e-5)
        by_torch = despeckle._on_device(values, valid, LOOKS, "cpu")
        np.testing.assert_allclose(by_torch, expected, rtol=1e-5)


@pytest.mark.parametrize("slope", [(0, 1), (1, 0), (1, 1), (1, -1)])
def test_keeps_an_edge_sharp(slope: tuple[int, int]) -> None:
    """Each side is averaged for itself: nothing of the bright side gets into the dark one."""
    rows, cols = np.indices((40, 40)) - 20
    bright = slope[0] * rows + slope[1] * cols >= 0
    looks = 16.0
    noise = np.random.default_rng(0).gamma(looks, 1 / looks, bright.shape)
    values = (np.where(bright, 1.0, 0.1) * noise).astype(np.float32)[None]
    found = RefinedLee(looks=looks)(values, np.ones((40, 40), bool))[0]
    inner = np.s_[5:-5, 5:-5]
    np.testing.assert_allclose(found[inner][bright[inner]].mean(), 1.0, rtol=0.03)
    np.testing.assert_allclose(found[inner][~bright[inner]].mean(), 0.1, rtol=0.03)
    assert found[inner][~bright[inner]].max() < 0.2


def test_its_size_is_fixed() -> None:
    assert RefinedLee().margin == 3
