import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sarseg.filters.statistics import BandHistogram

FLOATS = st.floats(-(2.0**99), 2.0**99, width=32)


@given(values=arrays(np.float32, st.tuples(st.just(1), st.integers(1, 60)), elements=FLOATS))
def test_quantiles_are_those_of_the_values_to_a_bin(values: np.ndarray) -> None:
    histogram = BandHistogram(1)
    histogram.add(values)
    shares = (0.0, 0.3, 0.5, 0.9, 1.0)
    exact = np.quantile(values.astype(float), shares, method="lower")
    np.testing.assert_allclose(histogram.quantiles(*shares)[0], exact, rtol=2.5e-4, atol=1e-41)


def test_pieces_in_any_order_make_the_whole() -> None:
    values = np.random.default_rng(0).normal(-12, 4, (2, 5000)).astype(np.float32)
    whole, pieces = BandHistogram(2), BandHistogram(2)
    whole.add(values)
    for piece in np.array_split(values[:, ::-1], 7, axis=1):
        pieces.add(piece)
    pieces.add(values[:, :0])
    assert pieces.scaling() == whole.scaling()
    assert pieces.count == 5000
    (centre, _), (spread, _) = zip(*((b.centre, b.spread) for b in whole.scaling()), strict=True)
    assert (centre, spread) == (pytest.approx(-12, abs=0.15), pytest.approx(4, abs=0.15))


def test_a_few_pixels_far_off_move_nothing() -> None:
    values = np.random.default_rng(0).normal(-12, 4, (1, 10_000)).astype(np.float32)
    clean, spoilt = BandHistogram(1), BandHistogram(1)
    clean.add(values)
    values[0, :100] = -100.0  # floored intensity
    spoilt.add(values)
    assert spoilt.scaling()[0].centre == pytest.approx(clean.scaling()[0].centre, abs=0.1)
    assert spoilt.scaling()[0].spread == pytest.approx(clean.scaling()[0].spread, abs=0.15)


def test_one_value_and_none_at_all() -> None:
    histogram = BandHistogram(1)
    assert (histogram.scaling()[0].centre, histogram.scaling()[0].spread) == (0.0, 1.0)
    histogram.add(np.full((1, 9), 7.0, np.float32))
    (band,) = histogram.scaling((True,))
    assert (band.centre, band.spread, band.auxiliary) == (pytest.approx(7, rel=3e-4), 1.0, True)
