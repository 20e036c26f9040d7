import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import special

from sarseg.filters.frequency import FrequencyFilter, _average_on_device, _weights
from sarseg.scenes.window import Window
from tests.rasters import speckle

FILTERS = [
    FrequencyFilter(low_pass=0.2),
    FrequencyFilter(high_pass=0.05),
    FrequencyFilter(low_pass=0.25, high_pass=0.08),
    FrequencyFilter(low_pass=0.5),
]


def all_valid(height: int, width: int) -> np.ndarray:
    return np.ones((height, width), bool)


def average_by_definition(values: np.ndarray, valid: np.ndarray, cutoff: float) -> np.ndarray:
    sigma = np.sqrt(np.log(2)) / (2 * np.sin(np.pi * cutoff))
    reach = int(np.ceil(4 * sigma))
    rows, cols = np.indices(values.shape)
    found = values.astype(float)
    for row, col in np.argwhere(valid):
        near = valid & (abs(rows - row) <= reach) & (abs(cols - col) <= reach)
        down, across = abs(rows - row)[near], abs(cols - col)[near]
        weights = special.ive(down, sigma**2) * special.ive(across, sigma**2)
        found[row, col] = weights @ values[near].astype(float) / weights.sum()
    return found


@pytest.mark.parametrize("shape", [(14, 23), (1, 30), (30, 1), (2, 3), (1, 1)])
def test_is_what_its_docstring_says(shape: tuple[int, int]) -> None:
    values = speckle(1, *shape)
    for valid in (all_valid(*shape), speckle(*shape, seed=1) > 0.03):
        low = average_by_definition(values[0], valid, 0.2)
        coarse = average_by_definition(values[0], valid, 0.06)
        for found, expected in (
            (FrequencyFilter(low_pass=0.2), low),
            (FrequencyFilter(high_pass=0.06), values[0] / coarse),
            (FrequencyFilter(low_pass=0.2, high_pass=0.06), low / coarse),
        ):
            expected = np.where(valid, expected, values[0])
            np.testing.assert_allclose(found(values, valid)[0], expected, rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_filtered_window_is_the_window_of_the_filtered_whole(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    window = Window(
        row,
        col,
        data.draw(st.integers(1, height - row)),
        data.draw(st.integers(1, width - col)),
    )
    each = data.draw(st.sampled_from(FILTERS))
    values = speckle(2, height, width, seed=data.draw(st.integers(0, 99)))
    values[:, height // 2, width // 2] = 1e5  # 60 dB above the rest
    valid = speckle(height, width, seed=1) > data.draw(st.sampled_from([0.0, 0.05, 0.3]))
    whole = each(values, valid)
    source = window.padded(each.margin).within(height, width)
    rows, cols = source.slices_in(Window(0, 0, height, width))
    part = each(values[:, rows, cols], valid[rows, cols])
    inner = window.slices_in(source)
    expected = whole[:, *window.slices_in(Window(0, 0, height, width))]
    np.testing.assert_allclose(part[:, *inner], expected, rtol=1e-6)


@pytest.mark.parametrize("direction", [0.0, 30.0, 90.0])
@pytest.mark.parametrize(
    ("cutoff", "relative"),
    [
        (0.05, 0.5),
        (0.05, 1.0),
        (0.05, 2.0),
        (0.1, 1.0),
        (0.1, 2.0),
        (0.25, 1.0),
        (0.25, 1.8),
        (0.4, 1.0),
    ],
)
def test_half_the_power_passes_at_the_cutoff(
    direction: float, cutoff: float, relative: float
) -> None:
    size, depth, frequency = 241, 0.01, cutoff * relative
    rows, cols = np.indices((size, size)) - size // 2
    angle = np.deg2rad(direction)
    wave = np.cos(2 * np.pi * frequency * (rows * np.sin(angle) + cols * np.cos(angle)))
    values = (1 + depth * wave)[None].astype(np.float32)
    middle = slice(100, 141)

    def amplitude(found: np.ndarray) -> float:
        return float(
            ((found[0] - 1) * wave)[middle, middle].sum() / depth / (wave**2)[middle, middle].sum()
        )

    along = np.sin(np.pi * frequency * np.array([np.sin(angle), np.cos(angle)]))
    transfer = np.exp(-np.log(2) / 2 * (along @ along) / np.sin(np.pi * cutoff) ** 2)
    if relative == 1.0 and direction != 30.0:
        assert transfer == pytest.approx(0.5**0.5)
    valid = all_valid(size, size)
    low = FrequencyFilter(low_pass=cutoff)(values, valid)
    assert amplitude(low) == pytest.approx(transfer, abs=0.01)
    high = FrequencyFilter(high_pass=cutoff)(values, valid)
    assert amplitude(high) == pytest.approx(1 - transfer, abs=0.01)


def test_an_average_keeps_the_mean_and_a_ratio_is_about_one() -> None:
    values, valid = speckle(1, 300, 300), all_valid(300, 300)
    low = FrequencyFilter(low_pass=0.05)(values, valid)
    assert low.mean() == pytest.approx(values.mean(), rel=0.01)
    assert low.std() < 0.2 * values.std()
    assert FrequencyFilter(high_pass=0.05)(values, valid).mean() == pytest.approx(1.0, abs=0.02)


def test_nothing_rings_round_a_point_target() -> None:
    values = np.full((1, 81, 81), 0.01, np.float32)
    values[0, 40, 40] = 1e4
    low = FrequencyFilter(low_pass=0.06)(values, all_valid(81, 81))[0, 40, 40:]
    assert (np.diff(low) <= 0).all()
    assert (low >= np.float32(0.01) * (1 - 1e-6)).all()


@pytest.mark.parametrize("each", FILTERS)
def test_a_constant_and_zeros(each: FrequencyFilter) -> None:
    valid = all_valid(9, 40)
    for level in (0.0, 0.3):
        found = each(np.full((1, 9, 40), level, np.float32), valid)
        expected = level if each.high_pass is None else 1.0
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("each", FILTERS)
def test_invalid_pixels_pass_through_and_touch_nothing(each: FrequencyFilter) -> None:
    values, valid = speckle(1, 30, 40), all_valid(30, 40)
    valid[10:20, 5:30] = False
    spoilt = values.copy()
    spoilt[:, ~valid] = np.nan
    found = each(spoilt, valid)
    np.testing.assert_array_equal(found[0][valid], each(values, valid)[0][valid])
    assert np.isnan(found[0][~valid]).all()


@pytest.mark.parametrize("cutoff", [0.4, 0.03])
def test_torch_gives_the_same(cutoff: float) -> None:
    values, valid = speckle(2, 40, 50), speckle(40, 50, seed=1) > 0.05
    np.testing.assert_allclose(
        _average_on_device(values, valid, _weights(cutoff), "cpu"),
        FrequencyFilter(low_pass=cutoff)(values, valid),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({}, "give low_pass, high_pass"),
        ({"low_pass": 0.1, "high_pass": 0.1}, "must be the smaller"),
        ({"low_pass": 0.6}, "less than or equal to 0.5"),
        ({"high_pass": 0.0}, "greater than or equal to 0.001"),
        ({"low": 0.1}, "Extra inputs"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        FrequencyFilter(**wrong)
