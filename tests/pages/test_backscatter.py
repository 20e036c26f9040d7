"""Grey pictures of scenes."""

from pathlib import Path

import numpy as np
import pytest

from sarseg.pages.backscatter import grey, mean_intensity
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window
from tests.rasters import speckle, write_raster


@pytest.mark.parametrize("unit", ["intensity", "amplitude", "db"])
@pytest.mark.parametrize(("window", "step"), [((0, 0, 30, 41), 4), ((3, 5, 17, 20), 5)])
def test_means_are_of_valid_intensity(
    tmp_path: Path, unit: str, window: tuple[int, int, int, int], step: int
) -> None:
    intensity = speckle(30, 41)
    stored = {"intensity": intensity, "amplitude": np.sqrt(intensity)}.get(
        unit, 10 * np.log10(intensity)
    )
    stored[3:8, 5:11] = np.nan
    intensity[3:8, 5:11] = np.nan
    with Scene.open([write_raster(tmp_path / f"s_vv_{unit}.tif", stored)]) as scene:
        assert scene.unit == unit
        found = mean_intensity(scene, Window(*window), step)
    row, col, height, width = window
    cut = intensity[row : row + height, col : col + width]
    for i, j in np.ndindex(found.shape):
        square = cut[i * step : (i + 1) * step, j * step : (j + 1) * step]
        known = square[np.isfinite(square)]
        if known.size:
            assert found[i, j] == pytest.approx(known.mean(), rel=1e-5)
        else:
            assert np.isnan(found[i, j])


def test_grey_of_nothing() -> None:
    shades, known = grey(np.array([[np.nan, 0.0]]))
    assert not known.any()
    assert shades.tolist() == [[0, 0]]


def test_the_stretch_leaves_out_what_is_rare() -> None:
    decibels = np.linspace(-30, 0, 1001)
    decibels[-1] = 60
    shades, known = grey(10 ** (decibels / 10)[None])
    assert known.all()
    assert 120 <= shades[0, 500] <= 136
    assert (shades == 255).sum() == pytest.approx(20, abs=2)
