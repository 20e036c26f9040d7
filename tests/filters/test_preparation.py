from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sarseg.errors import InputError
from sarseg.filters.chain import Filters
from sarseg.filters.despeckle import DESPECKLE_FILTERS, Lee
from sarseg.filters.frequency import FrequencyFilter
from sarseg.filters.gaps import fill_gaps
from sarseg.filters.preparation import (
    BandScaling,
    Preparation,
    prepare_window,
    scene_scaling,
)
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.window import Window
from tests.rasters import speckle, write_raster

SCALING = (BandScaling(centre=-11.0, spread=4.0), BandScaling(centre=-17.0, spread=5.0))


def whole(scene: Scene) -> Window:
    return Window(0, 0, scene.height, scene.width)


@st.composite
def scenes_and_windows(
    draw: st.DrawFn,
) -> tuple[np.ndarray, Filters, Window]:
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    holes = draw(arrays(np.bool_, (height, width), elements=st.booleans()))
    despeckle = draw(st.sampled_from([None, *DESPECKLE_FILTERS.values()]))
    frequency = draw(st.sampled_from([None, FrequencyFilter(low_pass=0.3, high_pass=0.1)]))
    filters = Filters(despeckle=despeckle and despeckle(looks=2.5), frequency=frequency)
    values = speckle(2, height, width, seed=draw(st.integers(0, 99)))
    values[0][holes] = np.nan
    row, col = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    window = Window(row, col, draw(st.integers(1, height - row)), draw(st.integers(1, width - col)))
    return values, filters, window


@settings(max_examples=60, deadline=None)
@given(drawn=scenes_and_windows())
def test_valid_pixels_of_a_prepared_window_are_those_of_the_prepared_whole(
    drawn: tuple[np.ndarray, Filters, Window], tmp_path_factory: pytest.TempPathFactory
) -> None:
    values, filters, window = drawn
    path = write_raster(tmp_path_factory.mktemp("scene") / "scene_vv_vh.tif", values)
    preparation = Preparation(
        despeckle=filters.despeckle, frequency=filters.frequency, scaling=SCALING
    )
    with Scene.open([path], Reading(unit="intensity")) as scene:
        everything, valid = prepare_window(scene, whole(scene), preparation, (0, 1))
        part, part_valid = prepare_window(scene, window, preparation, (0, 1))
        rows, cols = window.slices_in(whole(scene))
        np.testing.assert_array_equal(part_valid, valid[rows, cols])
        np.testing.assert_array_equal(valid, np.isfinite(values[0]))
        expected = everything[:, rows, cols][:, part_valid]
        np.testing.assert_allclose(part[:, part_valid], expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(part, fill_gaps(part, part_valid))


@pytest.mark.parametrize(("height", "width"), [(30, 20), (3, 50), (1, 1), (1, 7), (60, 2)])
@pytest.mark.parametrize("invalid", [0.0, 0.3])
def test_what_overhangs_the_scene_mirrors_it_and_is_invalid(
    tmp_path: Path, height: int, width: int, invalid: float
) -> None:
    """Mirrored is what the model sees of the scene: where pixels are invalid, what fills them."""
    values = speckle(height, width)
    holes = np.random.default_rng(0).random(values.shape) < invalid
    holes[-1, -1] = False
    values[holes] = np.nan
    path = write_raster(tmp_path / "vv.tif", values)
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
    assert valid.sum() == valid[13 : 13 + height, 21 : 21 + width].sum() == (~holes).sum()


def test_scales_clips_and_fills(tmp_path: Path) -> None:
    decibels = np.array([[-11.0, -7.0, 40.0, -90.0, np.nan]], np.float32)
    path = write_raster(tmp_path / "vv.tif", decibels)
    preparation = Preparation(despeckle=None, scaling=SCALING, clip=5.0)
    with Scene.open([path], Reading(unit="db")) as scene:
        bands, valid = prepare_window(scene, whole(scene), preparation, (0, None))
    np.testing.assert_allclose(bands[0], [[0.0, 1.0, 5.0, -5.0, 5.0]], atol=1e-5)
    assert (bands[1] == 0.0).all()
    assert valid.tolist() == [[True, True, True, True, False]]


def test_a_window_without_a_valid_pixel_is_zero(tmp_path: Path) -> None:
    values = speckle(20, 30)
    values[:, :15] = np.nan
    path = write_raster(tmp_path / "vv.tif", values)
    with Scene.open([path]) as scene:
        window = Window(0, 0, 20, 15)
        bands, valid = prepare_window(scene, window, Preparation(scaling=SCALING[:1]), [0])
    assert not valid.any()
    assert (bands == 0.0).all()


def test_each_band_is_scaled_by_its_slot(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vh.tif", np.full((4, 4), -22.0, np.float32))
    preparation = Preparation(scaling=SCALING)
    with Scene.open([path], Reading(unit="db")) as scene:
        bands, _ = prepare_window(scene, whole(scene), preparation, (None, 0))
    np.testing.assert_allclose(bands[1], -1.0, atol=1e-5)
    assert (bands[0] == 0.0).all()


def test_statistics_of_the_whole_scene(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(40.0, 3.0, (3000, 1500)).astype(np.float32)
    values[:500] = -9999.0
    path = write_raster(tmp_path / "hh.tif", values, nodata=-9999.0)
    with Scene.open([path], Reading(unit="db")) as scene:
        assert len(list(scene.strips())) > 1  # or joining strips would not be tried
        empty, found = scene_scaling(scene, (None, 0))
    assert (empty.centre, empty.spread) == (0.0, 1.0)
    assert found.centre == pytest.approx(np.median(values[500:]), abs=0.02)
    assert found.spread == pytest.approx(values[500:].std(dtype=np.float64), abs=0.03)


def test_statistics_are_of_what_is_scaled(tmp_path: Path) -> None:
    """A scene scaled by its own despeckled statistics has median 0 and spread 1."""
    path = write_raster(tmp_path / "vv.tif", speckle(300, 200, mean=1e5))
    with Scene.open([path]) as scene:
        scaling = scene_scaling(scene, [0], Filters(despeckle=Lee()))
        bands, _ = prepare_window(scene, whole(scene), Preparation(scaling=scaling), [0])
    assert np.median(bands) == pytest.approx(0.0, abs=0.01)
    low, high = np.quantile(bands, [0.158655, 0.841345])
    assert (high - low) / 2 == pytest.approx(1.0, abs=0.01)


def test_a_scene_of_one_value_can_be_scaled(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", np.full((9, 9), 7, np.uint16))
    with Scene.open([path]) as scene:
        assert scene_scaling(scene, [0])[0].spread == 1.0


def test_a_scene_without_valid_pixels_has_no_statistics(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", np.zeros((9, 9), np.uint16))
    with (
        Scene.open([path]) as scene,
        pytest.raises(InputError, match=r"vv\.tif has no valid pixel"),
    ):
        scene_scaling(scene, [0])


def test_auxiliary_bands_are_scaled_and_nothing_else(tmp_path: Path) -> None:
    bands = np.stack([speckle(30, 40), np.linspace(20, 45, 1200).reshape(30, 40)])
    path = write_raster(
        tmp_path / "s.tif", bands.astype(np.float32), descriptions=["VV", "incidence_angle"]
    )
    angle = BandScaling(centre=30.0, spread=5.0, auxiliary=True)
    preparation = Preparation(despeckle=Lee(size=9, looks=1), scaling=(*SCALING[:1], angle))
    with Scene.open([path]) as scene:
        assert scene.bands == ("VV", "incidence_angle")
        found, valid = prepare_window(scene, Window(2, 3, 20, 30), preparation, [0, 1])
        own = scene_scaling(scene, [0, 1], preparation)
    np.testing.assert_allclose(found[1], (bands[1, 2:22, 3:33] - 30) / 5, rtol=1e-5)
    assert valid.all()
    assert (own[0].auxiliary, own[1].auxiliary) == (False, True)
    assert own[1].centre == pytest.approx(32.5, abs=0.05)


def test_real_scene_in_windows_and_whole(real_data: Path) -> None:
    files = [real_data / "scenes" / f"s1_iw_gcps_{name}.tif" for name in ("vv", "vh")]
    preparation = Preparation(scaling=SCALING)
    with Scene.open(files) as scene:
        everything, valid = prepare_window(scene, whole(scene), preparation, (0, 1))
        for window in (Window(0, 1200, 100, 80), Window(700, 30, 137, 301)):
            rows, cols = window.slices_in(whole(scene))
            part, part_valid = prepare_window(scene, window, preparation, (0, 1))
            np.testing.assert_array_equal(part_valid, valid[rows, cols])
            expected = everything[:, rows, cols][:, part_valid]
            np.testing.assert_allclose(part[:, part_valid], expected, rtol=1e-6, atol=1e-6)
    assert 0.97 < valid.mean() < 0.99
