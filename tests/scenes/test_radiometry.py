import numpy as np
import pytest

from sarseg.errors import UsageError
from sarseg.scenes.radiometry import to_db, to_intensity
from sarseg.scenes.unit import parse_unit


def array(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_all_units_of_the_same_echo_give_the_same_intensity() -> None:
    np.testing.assert_allclose(
        to_intensity(array(-20.0, 0.0, 3.0), "db"), [0.01, 1.0, 1.995262], rtol=1e-6
    )
    np.testing.assert_allclose(to_intensity(array(0.1, 1.0, 200.0), "amplitude"), [0.01, 1, 4e4])
    np.testing.assert_array_equal(to_intensity(array(0.01, 7.0), "intensity"), array(0.01, 7.0))


@pytest.mark.parametrize("unit", ["intensity", "amplitude"])
def test_negative_power_is_none_and_not_squared(unit: str) -> None:
    assert to_intensity(array(-3.0), unit) == 0.0


@pytest.mark.parametrize("unit", ["intensity", "amplitude", "db"])
def test_the_largest_numbers_stay_finite(unit: str) -> None:
    assert np.isfinite(to_intensity(array(3e38), unit)).all()


def test_decibels_have_a_floor() -> None:
    np.testing.assert_allclose(to_db(array(1.0, 0.1, 0.0)), [0.0, -10.0, -100.0], atol=1e-5)


def test_units_by_name() -> None:
    assert parse_unit("auto") is None
    assert parse_unit("db") == "db"
    with pytest.raises(UsageError, match="auto, intensity, amplitude, db"):
        parse_unit("sigma")
