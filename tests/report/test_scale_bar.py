import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarseg.report.scale_bar import scale_bar


@given(st.floats(10, 2000), st.floats(1e-3, 1e5), st.booleans())
def test_it_is_round_and_as_long_as_it_may_be(
    longest: float, pixel: float, in_metres: bool
) -> None:
    bar = scale_bar(longest, pixel, in_metres=in_metres)
    number, unit = bar.label.split()
    length = float(number) * {"km": 1000, "m": 1, "px": 1}[unit]
    assert bar.pixels * pixel == pytest.approx(length)
    assert longest / 2.5 * 0.999 <= bar.pixels <= longest * 1.001
    assert float(f"{length:.0e}"[0]) in (1, 2, 5)
    assert math.isclose(length, float(f"{length:.0e}"))


@pytest.mark.parametrize(
    ("longest", "pixel", "label"),
    [(100, 10, "1 km"), (99, 10, "500 m"), (300, 20, "5 km"), (30, 0.01, "0.2 m")],
)
def test_labels(longest: float, pixel: float, label: str) -> None:
    assert scale_bar(longest, pixel, in_metres=True).label == label
