import numpy as np
import pytest
from numpy.typing import NDArray

from sarseg.filters.despeckle import EnhancedLee
from tests.filters.despeckle.definition import SHAPES, assert_follows, mixed_scene

LOOKS, DAMPING = 3.0, 1.5


def enhanced_lee(value: float, box: NDArray[np.float64], distances: NDArray[np.float64]) -> float:
    """Lopes, Touzi & Nezry 1990."""
    local, low, high = box.std() / box.mean(), np.sqrt(1 / LOOKS), np.sqrt(1 + 2 / LOOKS)
    if local <= low:
        return float(box.mean())
    if local >= high:
        return value
    weight = np.exp(-DAMPING * (local - low) / (high - local))
    return float(box.mean() * weight + value * (1 - weight))


@pytest.mark.parametrize("shape", SHAPES)
def test_follows_the_definition(shape: tuple[int, int]) -> None:
    assert_follows(EnhancedLee(size=5, looks=LOOKS, damping=DAMPING), enhanced_lee, shape)


def test_leaves_what_is_neither_speckle_nor_texture_as_it_is() -> None:
    values = mixed_scene(12, 17)
    found = EnhancedLee(size=5, looks=LOOKS)(values, np.ones((12, 17), bool))
    np.testing.assert_array_equal(found[0, 4:9, 6:11], values[0, 4:9, 6:11])
