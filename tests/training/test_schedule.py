"""The learning rate over a run."""

import math
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarseg.training.schedule import Schedule

Kind = Literal["cosine", "poly", "constant"]


@pytest.mark.parametrize(
    ("kind", "quarter", "half", "end"),
    [
        ("cosine", 0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2, 0.55, 0.1),
        ("poly", 0.1 + 0.9 * 0.75**0.9, 0.1 + 0.9 * 0.5**0.9, 0.1),
        ("constant", 1.0, 1.0, 1.0),
    ],
)
def test_values_by_hand(kind: Kind, quarter: float, half: float, end: float) -> None:
    """Ten steps up, a hundred down to a tenth."""
    schedule = Schedule(kind, 110, 10, 0.1)
    assert schedule.factor(0) == pytest.approx(0.1)  # 1 / 10 of the rise
    assert schedule.factor(4) == pytest.approx(0.5)
    assert schedule.factor(9) == schedule.factor(10) == 1.0
    assert schedule.factor(35) == pytest.approx(quarter)
    assert schedule.factor(60) == pytest.approx(half)
    assert schedule.factor(110) == schedule.factor(500) == pytest.approx(end)


def test_without_a_rise_the_first_step_is_a_full_one() -> None:
    assert Schedule("cosine", 100, floor=0.5).factor(0) == 1.0


@given(
    st.sampled_from(["cosine", "poly", "constant"]),
    st.integers(1, 500),
    st.integers(0, 600),
    st.floats(0, 1),
)
def test_it_rises_then_falls_and_stays_in_its_bounds(
    kind: Kind, steps: int, warmup: int, floor: float
) -> None:
    schedule = Schedule(kind, steps, warmup, floor)
    factors = [schedule.factor(step) for step in range(max(steps, warmup) + 2)]
    rise, fall = factors[: warmup + 1], factors[warmup:]
    assert rise == sorted(rise)
    assert all(later <= former + 1e-12 for former, later in pairwise(fall))
    assert all(floor - 1e-12 <= factor <= 1 + 1e-12 for factor in fall)
    assert all(0 < factor <= 1 for factor in rise[:warmup])
    if kind != "constant":
        assert factors[-1] == pytest.approx(floor)
