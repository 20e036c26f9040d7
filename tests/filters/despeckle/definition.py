"""What the filters' papers say, pixel by pixel: what the tests compare the filters with."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sarseg.filters.despeckle import SpeckleFilter
from tests.rasters import speckle

Estimate = Callable[[float, NDArray[np.float64], NDArray[np.float64]], float]
"""Despeckled value of a pixel, from it, the valid pixels of its box and their distances."""

SHAPES = [(12, 17), (1, 9), (9, 1), (3, 2), (1, 1)]


def assert_follows(despeckle: SpeckleFilter, estimate: Estimate, shape: tuple[int, int]) -> None:
    """Both ways to compute ``despeckle`` give ``estimate``, with and without a mask."""
    values = mixed_scene(*shape)
    for valid in (np.ones(shape, bool), speckle(*shape, seed=1) > 0.02):
        expected = np.stack([_by_definition(estimate, band, valid, despeckle) for band in values])
        np.testing.assert_allclose(despeckle(values, valid), expected, rtol=1e-5)
        assert despeckle.looks is not None
        by_torch = despeckle._on_device(values, valid, despeckle.looks, "cpu")
        np.testing.assert_allclose(by_torch, expected, rtol=1e-5)


def mixed_scene(height: int, width: int) -> NDArray[np.float32]:
    """Two bands that grow rougher from left to right, with a point target: (2, h, w)."""
    looks = np.geomspace(60.0, 0.7, width)
    values = np.random.default_rng(0).gamma(looks, 0.1 / looks, (2, height, width))
    values[0, height // 2, width // 2] = 1e5
    return values.astype(np.float32)


def _by_definition(
    estimate: Estimate,
    values: NDArray[np.float32],
    valid: NDArray[np.bool_],
    despeckle: SpeckleFilter,
) -> NDArray[np.float64]:
    result, half = values.astype(np.float64), despeckle.size // 2
    rows, cols = np.indices(values.shape)
    for row, col in np.argwhere(valid):
        box = valid & (abs(rows - row) <= half) & (abs(cols - col) <= half)
        distances = np.hypot(rows - row, cols - col)[box]
        result[row, col] = estimate(float(values[row, col]), values[box].astype(float), distances)
    return result
