import numpy as np
import pytest
from numpy.typing import NDArray

from sarseg.filters.despeckle import Frost
from tests.filters.despeckle.definition import SHAPES, assert_follows
from tests.rasters import speckle

DAMPING = 1.5


def frost(value: float, box: NDArray[np.float64], distances: NDArray[np.float64]) -> float:
    """Frost et al. 1982."""
    weights = np.exp(-DAMPING * box.var() / box.mean() ** 2 * distances)
    return float(np.average(box, weights=weights))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 3, 5, 11])
def test_follows_the_definition(size: int, shape: tuple[int, int]) -> None:
    assert_follows(Frost(size=size, looks=3.0, damping=DAMPING), frost, shape)


def test_looks_do_not_matter() -> None:
    values, valid = speckle(1, 9, 9), np.ones((9, 9), bool)
    found = Frost(looks=1.0)(values, valid)
    np.testing.assert_array_equal(Frost(looks=50.0)(values, valid), found)
