import numpy as np
import pytest
from numpy.typing import NDArray

from sarseg.filters.despeckle import Lee
from tests.filters.despeckle.definition import SHAPES, assert_follows
from tests.rasters import speckle

LOOKS = 3.0


def lee(value: float, box: NDArray[np.float64], distances: NDArray[np.float64]) -> float:
    """Lee 1980."""
    mean, variance, speckle_variance = box.mean(), box.var(), 1 / LOOKS
    signal = max((variance + mean**2) / (1 + speckle_variance) - mean**2, 0.0)
    gain = signal / (mean**2 * speckle_variance + signal)
    return float(mean + gain * (value - mean))


@pytest.mark.parametrize("shape", SHAPES)
def test_follows_the_definition(shape: tuple[int, int]) -> None:
    assert_follows(Lee(size=5, looks=LOOKS), lee, shape)


def test_keeps_a_point_target_that_speckle_cannot_explain() -> None:
    values = speckle(1, 41, 41, mean=0.01)
    values[0, 20, 20] = 100.0
    assert Lee()(values, np.ones((41, 41), bool))[0, 20, 20] > 70.0


def test_its_settings_are_those_of_the_shipped_model() -> None:
    assert Lee() == Lee(size=5, looks=4.0)
