import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarseg.inspection.statistics import BandStatistics, ValueCounter
from sarseg.scenes.radiometry import to_db
from sarseg.scenes.unit import Unit
from tests.rasters import speckle


def measured(unit: Unit | None, *pieces: np.ndarray) -> BandStatistics:
    counter = ValueCounter(unit)
    for piece in pieces:
        counter.add(piece)
    found = counter.statistics()
    assert found is not None
    return found


def in_unit(intensity: np.ndarray, unit: Unit) -> np.ndarray:
    changes = {"intensity": lambda x: x, "amplitude": np.sqrt, "db": lambda x: 10 * np.log10(x)}
    return np.asarray(changes[unit](intensity), np.float32)


@pytest.mark.parametrize("unit", ["intensity", "amplitude", "db"])
def test_backscatter_of_every_unit_is_told_in_decibels(unit: Unit) -> None:
    intensity = speckle(50_000, mean=0.2)
    decibels = 10 * np.log10(intensity.astype(np.float64))
    found = measured(unit, *np.array_split(in_unit(intensity, unit), 7))
    low, narrow, median, wide, high = np.quantile(decibels, [0.02, 0.158655, 0.5, 0.841345, 0.98])
    expected = [decibels.min(), low, median, high, decibels.max(), (wide - narrow) / 2]
    told = [found.minimum, found.low, found.median, found.high, found.maximum, found.spread]
    np.testing.assert_allclose(told, expected, rtol=1e-3, atol=1e-3)
    assert found.mean == pytest.approx(10 * np.log10(intensity.mean(dtype=np.float64)), abs=1e-4)
    assert found.negative == found.zero == 0.0


def test_an_auxiliary_band_keeps_its_unit() -> None:
    heights = np.linspace(-3.0, 1000.0, 1001, dtype=np.float32)
    found = measured(None, heights)
    assert (found.minimum, found.maximum) == (-3.0, 1000.0)
    assert found.mean == pytest.approx(498.5)
    assert found.median == pytest.approx(498.5, rel=1e-3)
    assert found.negative == 0.0


@pytest.mark.parametrize("unit", ["intensity", "amplitude"])
def test_what_holds_no_power_is_counted(unit: Unit) -> None:
    values = np.array([-0.1, -2.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0], np.float32)
    found = measured(unit, values)
    assert (found.negative, found.zero) == (0.25, 0.125)
    assert found.minimum == pytest.approx(-100.0)
    assert found.mean == pytest.approx(10 * np.log10(5 / 8), abs=1e-4)


def test_decibels_below_zero_hold_power() -> None:
    found = measured("db", np.array([-12.0, 0.0, 3.0], np.float32))
    assert found.negative == found.zero == 0.0


def test_nothing_gives_nothing() -> None:
    counter = ValueCounter("db")
    counter.add(np.empty(0, np.float32))
    assert counter.count == 0
    assert counter.statistics() is None


@given(
    st.lists(st.floats(-60, 40, width=32), min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=3),
)
def test_pieces_do_not_matter(values: list[float], cuts: list[int]) -> None:
    whole = np.array(values, np.float32)
    found = measured("db", *np.split(whole, sorted(cuts)))
    assert found.model_dump() == pytest.approx(measured("db", whole).model_dump(), rel=1e-6)
    ordered = [found.minimum, found.low, found.median, found.high, found.maximum]
    assert ordered == pytest.approx(sorted(ordered), abs=0.02)
    # the way to linear and back rounds, as float32 does
    assert found.maximum == pytest.approx(whole.max(), abs=1e-4)
    assert to_db(np.float32([1.0])) == 0.0
