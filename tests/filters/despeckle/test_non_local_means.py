from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from sarseg.filters.despeckle.non_local_means import NonLocalMeans
from tests.filters.despeckle.definition import SHAPES, mixed_scene
from tests.rasters import speckle


def non_local_means(
    values: NDArray[np.float64], valid: NDArray[np.bool_], despeckle: NonLocalMeans
) -> NDArray[np.float64]:
    """Deledalle, Denis, Tupin 2009, pixel by pixel."""
    result = values.copy()
    assert despeckle.looks is not None
    known = [(int(row), int(col)) for row, col in np.argwhere(valid)]
    half, reach = despeckle.patch // 2, despeckle.size // 2
    steps = [(r, c) for r in range(-half, half + 1) for c in range(-half, half + 1)]
    for row, col in known:
        weights, candidates = [], []
        for other_row, other_col in known:
            if max(abs(other_row - row), abs(other_col - col)) > reach:
                continue
            pairs = [
                ((row + down, col + across), (other_row + down, other_col + across))
                for down, across in steps
            ]
            ratios = np.array([values[a] / values[b] for a, b in pairs if {a, b} <= set(known)])
            unlike = np.log((np.sqrt(ratios) + np.sqrt(1 / ratios)) / 2).mean() * len(steps)
            exponent = (2 * despeckle.looks - 1) / (despeckle.strength * despeckle.patch)
            weights.append(np.exp(-exponent * unlike))
            candidates.append(values[other_row, other_col])
        result[row, col] = np.average(candidates, weights=weights)
    return result


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("settings"),
    [
        {"looks": 3.0, "size": 7, "patch": 3},
        {"looks": 1.0, "size": 3, "patch": 5, "strength": 0.5},
        {"looks": 20.0, "size": 5, "patch": 1},
        {"looks": 1.0, "size": 1},
    ],
)
def test_follows_the_definition(settings: dict[str, Any], shape: tuple[int, int]) -> None:
    values, despeckle = mixed_scene(*shape), NonLocalMeans(**settings)
    for valid in (np.ones(shape, bool), speckle(*shape, seed=1) > 0.02):
        expected = np.stack([non_local_means(b.astype(float), valid, despeckle) for b in values])
        np.testing.assert_allclose(despeckle(values, valid), expected, rtol=1e-5)
        by_torch = despeckle._on_device(values, valid, settings["looks"], "cpu")
        np.testing.assert_allclose(by_torch, expected, rtol=1e-5)


def test_averages_along_a_repeated_pattern_and_not_across_it() -> None:
    """Bright lines one pixel wide, which a box filter would smear out."""
    looks = 4.0
    reflectivity = np.where(np.arange(60) % 6 == 0, 1.0, 0.05)[None, :].repeat(60, axis=0)
    noise = np.random.default_rng(0).gamma(looks, 1 / looks, reflectivity.shape)
    values = (reflectivity * noise).astype(np.float32)[None]
    found = NonLocalMeans(looks=looks)(values, np.ones((60, 60), bool))[0]
    error, before = abs(found / reflectivity - 1), abs(noise - 1)
    assert error.mean() < 0.5 * before.mean()


def test_a_larger_strength_smooths_more() -> None:
    values, valid = speckle(1, 60, 60), np.ones((60, 60), bool)
    spreads = [
        NonLocalMeans(looks=1.0, strength=strength)(values, valid).std()
        for strength in (0.25, 1.0, 4.0)
    ]
    assert spreads == sorted(spreads, reverse=True)


def test_zeros_are_unlike_anything_else() -> None:
    values = np.full((1, 20, 20), 0.1, np.float32)
    values[0, :, 10:] = 0.0
    found = NonLocalMeans(looks=4.0)(values, np.ones((20, 20), bool))
    np.testing.assert_allclose(found[0, :, :9], 0.1, rtol=1e-6)
    assert (found[0, :, 11:] == 0.0).all()


def test_without_meaning_ratios_the_search_window_is_averaged() -> None:
    values = speckle(1, 9, 9)
    found = NonLocalMeans(looks=0.4, size=21)(values, np.ones((9, 9), bool))
    np.testing.assert_allclose(found, values.mean(dtype=float), rtol=1e-6)


@pytest.mark.parametrize("settings", [{"patch": 4}, {"patch": 0}, {"patch": 33}, {"strength": 0.0}])
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NonLocalMeans(**settings)


def test_the_margin_holds_the_patches_of_the_farthest_candidates() -> None:
    assert NonLocalMeans(size=21, patch=7).margin == 13
