import numpy as np
import pytest
from numpy.typing import NDArray

from sarseg.filters.despeckle import EnhancedFrost
from tests.filters.despeckle.definition import SHAPES, assert_follows

LOOKS, DAMPING = 3.0, 1.5


def enhanced_frost(value: float, box: NDArray[np.float64], distances: NDArray[np.float64]) -> float:
    """Lopes, Touzi & Nezry 1990."""
    local, low, high = box.std() / box.mean(), np.sqrt(1 / LOOKS), np.sqrt(1 + 2 / LOOKS)
    if local <= low:
        return float(box.mean())
    if local >= high:
        return value
    weights = np.exp(-DAMPING * (local - low) / (high - local) * distances)
    return float(np.average(box, weights=weights))


@pytest.mark.parametrize("shape", SHAPES)
def test_follows_the_definition(shape: tuple[int, int]) -> None:
    assert_follows(EnhancedFrost(size=5, looks=LOOKS, damping=DAMPING), enhanced_frost, shape)
