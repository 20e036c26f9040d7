from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sarseg.errors import InputError
from sarseg.filters.despeckle import Lee
from sarseg.filters.preparation import (
    BandScaling,
    Preparation,
    prepare_window,
    scene_medians,
    scene_scaling,
)
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window
from tests.rasters import speckle, write_raster

SCALING = (BandScaling(mean=-11.0, std=4.0), BandScaling(mean=-17.0, std=5.0))


def whole(scene: Scene) -> Window:
    return Window(0, 0, scene.height, scene.width)


@st.composite
def scenes_and_windows(
    draw: st.DrawFn,
) -> tuple[np.ndarray, int | None, Window]:
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    holes = draw(arrays(np.bool_, (height, width), elements=st.booleans()))
    size = draw(st.sampled_from([None, 1, 3, 5, 11]))
    values = speckle(2, height, width, seed=draw(st.integers(0, 99)))
    values[0][holes] = np.nan
    row, col = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    window = Window(row, col, draw(st.integers(1, height - row)), draw(st.integers(1, width - col)))
    return values, size, window


@settings(max_examples=60, deadline=None)
@given(drawn=scenes_and_windows())
def test_a_prepared_window_is_the_window_of_the_prepared_whole(
    drawn: tuple[np.ndarray, int | None, Window], tmp_path_factory: pytest.TempPathFactory
) -> None:
    values, size, window = drawn
    path = write_raster(tmp_path_factory.mktemp("scene") / "scene_vv_vh.tif", values)
    preparation = Preparation(despeckle=size and Lee(size=size), scaling=SCALING)
    with Scene.open([path], unit="intensity") as scene:
        everything, valid = prepare_window(scene, whole(scene), preparation, (0, 1))
        part, part_valid = prepare_window(scene, window, preparation, (0, 1))
        rows, cols = window.slices_in(whole(scene))
        np.testing.assert_allclose(part, everything[:, rows, cols], rtol=1e-6)
        np.testing.assert_array_equal(part_valid, valid[rows, cols])
        np.testing.assert_array_equal(valid, np.isfinite(values[0]))


@pytest.mark.parametrize(("height", "width"), [(30, 20), (3, 50), (1, 1), (1, 7), (60, 2)])
def test_what_overhangs_the_scene_mirrors_it_and_is_invalid(
    tmp_path: Path, height: int, width: int
) -> None:
    path = write_raster(tmp_path / "vv.tif", speckle(height, width))
    preparation = Preparation(scaling=SCALING[:1])
    window = Window(-13, -21, 90, 80)
    with Scene.open([path]) as scene:
        inside, _ = prepare_window(scene, whole(scene), preparation, [0])
        found, valid = prepare_window(scene, window, preparation, [0])
    after = (90 - 13 - height, 80 - 21 - width)
    expected = inside[0]
    for axis, pads in enumerate([(13, after[0]), (21, after[1])]):
        mode = "reflect" if expected.shape[axis] > 1 else "edge"
        widths = [(0, 0), (0, 0)]
        widths[axis] = (pads[0], max(pads[1], 0))
        expected = np.pad(expected, widths, mode=mode)
    np.testing.assert_array_equal(found[0], expected[:90, :80])
    assert valid.sum() == valid[13 : 13 + height, 21 : 21 + width].sum() == height * width


def test_scales_clips_and_zeroes(tmp_path: Path) -> None:
    decibels = np.array([[-11.0, -7.0, 40.0, -90.0, np.nan]], np.float32)
    path = write_raster(tmp_path / "vv.tif", decibels)
    preparation = Preparation(despeckle=None, scaling=SCALING, clip=5.0)
    with Scene.open([path], unit="db") as scene:
        bands, valid = prepare_window(scene, whole(scene), preparation, (0, None))
    np.testing.assert_allclose(bands[0], [[0.0, 1.0, 5.0, -5.0, 0.0]], atol=1e-5)
    assert (bands[1] == 0.0).all()
    assert valid.tolist() == [[True, True, True, True, False]]


def test_each_band_is_scaled_by_its_slot(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vh.tif", np.full((4, 4), -22.0, np.float32))
    preparation = Preparation(scaling=SCALING)
    with Scene.open([path], unit="db") as scene:
        bands, _ = prepare_window(scene, whole(scene), preparation, (None, 0))
    np.testing.assert_allclose(bands[1], -1.0, atol=1e-5)
    assert (bands[0] == 0.0).all()


def test_statistics_of_the_whole_scene(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(40.0, 3.0, (3000, 1500)).astype(np.float32)
    values[:500] = -9999.0
    path = write_raster(tmp_path / "hh.tif", values, nodata=-9999.0)
    with Scene.open([path], unit="db") as scene:
        assert len(list(scene.strips())) > 1  # or joining strips would not be tried
        empty, found = scene_scaling(scene, (None, 0))
    assert (empty.mean, empty.std) == (0.0, 1.0)
    assert found.mean == pytest.approx(values[500:].mean(dtype=np.float64), abs=1e-4)
    assert found.std == pytest.approx(values[500:].std(dtype=np.float64), abs=1e-4)


def test_statistics_are_of_what_is_scaled(tmp_path: Path) -> None:
    """A scene scaled by its own despeckled statistics has mean 0 and standard deviation 1."""
    path = write_raster(tmp_path / "vv.tif", speckle(300, 200, mean=1e5))
    with Scene.open([path]) as scene:
        scaling = scene_scaling(scene, [0], Lee())
        bands, _ = prepare_window(scene, whole(scene), Preparation(scaling=scaling), [0])
    assert bands.mean() == pytest.approx(0.0, abs=0.01)
    assert bands.std() == pytest.approx(1.0, abs=0.01)


def test_a_scene_of_one_value_can_be_scaled(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", np.full((9, 9), 7, np.uint16))
    with Scene.open([path]) as scene:
        assert scene_scaling(scene, [0])[0].std == 1.0


def test_a_scene_without_valid_pixels_has_no_statistics(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", np.zeros((9, 9), np.uint16))
    with Scene.open([path]) as scene:
        with pytest.raises(InputError, match=r"vv\.tif has no valid pixel"):
            scene_scaling(scene, [0])
        assert scene_medians(scene, [0, None]) == (None, None)


def test_median_of_samples(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", np.full((2000, 900), 100, np.uint16))
    with Scene.open([path]) as scene:
        assert scene_medians(scene, [None, 0]) == (None, pytest.approx(40.0))


def test_real_scene_in_windows_and_whole(real_data: Path) -> None:
    files = [real_data / "scenes" / f"s1_iw_gcps_{name}.tif" for name in ("vv", "vh")]
    preparation = Preparation(scaling=SCALING)
    with Scene.open(files) as scene:
        everything, valid = prepare_window(scene, whole(scene), preparation, (0, 1))
        for window in (Window(0, 1200, 100, 80), Window(700, 30, 137, 301)):
            rows, cols = window.slices_in(whole(scene))
            part, part_valid = prepare_window(scene, window, preparation, (0, 1))
            np.testing.assert_allclose(part, everything[:, rows, cols], rtol=1e-6)
            np.testing.assert_array_equal(part_valid, valid[rows, cols])
    assert 0.97 < valid.mean() < 0.99
