import numpy as np
import pytest
from pydantic import ValidationError

from sarseg.filters.despeckle import Lee
from tests.rasters import speckle


def lee_by_definition(values: np.ndarray, valid: np.ndarray, size: int, looks: float) -> np.ndarray:
    """Lee 1980 written down pixel by pixel."""
    result, half = values.astype(np.float64), size // 2
    for row, col in np.argwhere(valid):
        box = (
            slice(max(row - half, 0), row + half + 1),
            slice(max(col - half, 0), col + half + 1),
        )
        local = values[box][valid[box]].astype(np.float64)
        mean, variance, speckle_variance = local.mean(), local.var(), 1 / looks
        signal = max((variance + mean**2) / (1 + speckle_variance) - mean**2, 0.0)
        gain = signal / (mean**2 * speckle_variance + signal)
        result[row, col] = mean + gain * (values[row, col] - mean)
    return result


@pytest.mark.parametrize(("height", "width"), [(12, 17), (1, 9), (9, 1), (3, 2), (1, 1)])
def test_follows_the_definition_with_and_without_a_mask(height: int, width: int) -> None:
    values = speckle(2, height, width)
    for valid in (np.ones((height, width), bool), speckle(height, width, seed=1) > 0.05):
        found = Lee(size=5, looks=3.0)(values, valid)
        for band, result in zip(values, found, strict=True):
            np.testing.assert_allclose(result, lee_by_definition(band, valid, 5, 3.0), rtol=1e-5)


def test_smooths_speckle_but_keeps_its_mean() -> None:
    values = speckle(1, 200, 200)
    despeckled = Lee(size=7, looks=1.0)(values, np.ones((200, 200), bool))
    assert despeckled.std() < 0.4 * values.std()
    assert despeckled.mean() == pytest.approx(values.mean(), rel=0.02)


def test_keeps_a_point_target_that_speckle_cannot_explain() -> None:
    values = speckle(1, 41, 41, mean=0.01)
    values[0, 20, 20] = 100.0
    assert Lee(looks=4.0)(values, np.ones((41, 41), bool))[0, 20, 20] > 70.0


def test_invalid_pixels_pass_through_and_touch_nothing() -> None:
    values = speckle(1, 20, 20)
    valid = np.ones((20, 20), bool)
    valid[5:9, 5:9] = False
    spoilt = values.copy()
    spoilt[0, 5:9, 5:9] = np.nan
    clean, found = Lee()(values, valid), Lee()(spoilt, valid)
    np.testing.assert_array_equal(clean[0][valid], found[0][valid])
    assert np.isnan(found[0][~valid]).all()


def test_zero_stays_zero() -> None:
    assert (Lee()(np.zeros((1, 8, 8), np.float32), np.ones((8, 8), bool)) == 0.0).all()


def test_a_bright_target_far_away_changes_nothing() -> None:
    """A running sum would carry the rounding of the bright target on to the row's end."""
    values = speckle(1, 9, 60)
    bright = values.copy()
    bright[0, 4, 5] = 1e12
    valid = np.ones((9, 60), bool)
    np.testing.assert_array_equal(Lee()(values, valid)[..., 20:], Lee()(bright, valid)[..., 20:])


@pytest.mark.parametrize("settings", [{"size": 4}, {"size": 0}, {"looks": 0.0}, {"sise": 5}])
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Lee(**settings)
