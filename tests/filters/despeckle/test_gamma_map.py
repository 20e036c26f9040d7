import numpy as np
import pytest
from numpy.typing import NDArray

from sarseg.filters.despeckle import GammaMap
from tests.filters.despeckle.definition import SHAPES, assert_follows

LOOKS = 3.0


def gamma_map(value: float, box: NDArray[np.float64], distances: NDArray[np.float64]) -> float:
    """Lopes, Nezry, Touzi & Laur 1990: the positive root of the likelihood's derivative."""
    mean, local, speckle_variation = box.mean(), box.var() / box.mean() ** 2, 1 / LOOKS
    if local <= speckle_variation:
        return float(mean)
    if local >= 2 * speckle_variation:
        return value
    alpha = (1 + speckle_variation) / (local - speckle_variation)
    return float(np.roots([alpha / mean, LOOKS + 1 - alpha, -LOOKS * value]).max())


@pytest.mark.parametrize("shape", SHAPES)
def test_follows_the_definition(shape: tuple[int, int]) -> None:
    assert_follows(GammaMap(size=5, looks=LOOKS), gamma_map, shape)
