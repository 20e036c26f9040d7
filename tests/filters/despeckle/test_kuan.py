import numpy as np
import pytest
from numpy.typing import NDArray

from sarseg.filters.despeckle import Kuan
from tests.filters.despeckle.definition import SHAPES, assert_follows

LOOKS = 3.0


def kuan(value: float, box: NDArray[np.float64], distances: NDArray[np.float64]) -> float:
    """Kuan et al. 1985: the variance of the scene, over that of scene and speckle."""
    mean, variance, speckle_variance = box.mean(), box.var(), 1 / LOOKS
    if variance == 0.0:
        return float(mean)
    signal = max((variance - mean**2 * speckle_variance) / (1 + speckle_variance), 0.0)
    return float(mean + signal / variance * (value - mean))


@pytest.mark.parametrize("shape", SHAPES)
def test_follows_the_definition(shape: tuple[int, int]) -> None:
    assert_follows(Kuan(size=5, looks=LOOKS), kuan, shape)
