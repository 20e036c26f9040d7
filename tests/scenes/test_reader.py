import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from sarseg.errors import InputError
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.window import Window, strips_of
from tests.rasters import speckle, write_raster


def read_all(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    return scene.read(Window(0, 0, scene.height, scene.width), range(len(scene.bands)))


def validity(path: Path, **options: Any) -> np.ndarray:
    with Scene.open([path], Reading(**options)) as scene:
        return read_all(scene)[1]


def test_reads_a_window_of_some_bands(tmp_path: Path) -> None:
    values = speckle(3, 40, 50)
    path = write_raster(tmp_path / "scene.tif", values, descriptions=["HH", "HV", "VV"])
    with Scene.open([path]) as scene:
        assert (scene.bands, scene.height, scene.width) == (("HH", "HV", "VV"), 40, 50)
        assert scene.name == "scene.tif"
        found, valid = scene.read(Window(3, 7, 10, 20), [2, 0])
    np.testing.assert_array_equal(found, values[[2, 0], 3:13, 7:27])
    assert found.dtype == np.float32
    assert valid.all()


def test_files_of_one_scene_make_its_bands(tmp_path: Path) -> None:
    vv = write_raster(tmp_path / "s_vv.tif", speckle(9, 8))
    vh = write_raster(tmp_path / "s_vh.tif", speckle(9, 8, seed=1))
    with Scene.open([vv, str(vh)]) as scene:
        assert scene.bands == ("VV", "VH")
        assert scene.name == "s_vv.tif + s_vh.tif"
        assert set(scene.files) == {vv, vh}
        values, _ = read_all(scene)
    np.testing.assert_array_equal(values[1], speckle(9, 8, seed=1))


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float32", "float64"]
)
def test_every_real_type_becomes_float32(tmp_path: Path, dtype: str) -> None:
    values = np.arange(1, 61, dtype=dtype).reshape(6, 10)
    with Scene.open([write_raster(tmp_path / "vv.tif", values)]) as scene:
        found, valid = read_all(scene)
        assert scene.unit == ("intensity" if dtype.startswith("float") else "amplitude")
        assert scene.unit_guessed
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0], values)
    assert valid.all()


@pytest.mark.parametrize("window", [Window(-1, 0, 2, 2), Window(0, 0, 9, 9), Window(0, 0, 0, 3)])
def test_a_window_that_leaves_the_scene_is_a_mistake(tmp_path: Path, window: Window) -> None:
    with Scene.open([write_raster(tmp_path / "vv.tif", speckle(8, 9))]) as scene:
        with pytest.raises(ValueError, match="not within"):
            scene.read(window, [0])
        with pytest.raises(ValueError, match="not within"):
            scene.read(Window(0, 0, 2, 2), [])


# Names


def test_bands_without_polarisation_are_counted_over_the_files(tmp_path: Path) -> None:
    one = write_raster(tmp_path / "one.tif", speckle(2, 8, 9))
    two = write_raster(tmp_path / "two.tif", speckle(8, 9))
    with Scene.open([one, two]) as scene:
        assert scene.bands == ("band 1", "band 2", "band 3")


def test_auxiliary_bands_are_bands_and_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    path = write_raster(
        tmp_path / "s.tif",
        speckle(4, 8, 9),
        descriptions=["incidence angle", "coherence", "Gamma0_VV", "vh"],
    )
    with Scene.open([path]) as scene:
        assert scene.bands == ("incidence_angle", "VV", "VH")
        assert scene.calibrations == (None, "gamma0", None)
        assert scene.left_out == (f"band 2 of {path}",)
        np.testing.assert_array_equal(read_all(scene)[0], speckle(4, 8, 9)[[0, 2, 3]])


def test_names_given_replace_those_found(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", speckle(2, 8, 9), descriptions=["VV", "VH"])
    with Scene.open([path], Reading(bands=("hh", "coherence"))) as scene:
        assert scene.bands == ("HH", "coherence")
    with pytest.raises(InputError, match=r"3 band names were given .* hold.* 2"):
        Scene.open([path], Reading(bands=("HH", "HV", "VV")))
    with pytest.raises(InputError, match="Two bands are HH"):
        Scene.open([path], Reading(bands=("HH", "hh")))


def test_two_files_of_one_polarisation_are_refused(tmp_path: Path) -> None:
    one = write_raster(tmp_path / "a_vv.tif", speckle(8, 9))
    two = write_raster(tmp_path / "b_vv.tif", speckle(8, 9))
    with pytest.raises(InputError, match=r"Two bands are VV: .*a_vv\.tif.*b_vv\.tif.*--bands"):
        Scene.open([one, two])


def test_a_file_given_twice_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", speckle(8, 9))
    link = tmp_path / "b.tif"
    link.symlink_to(path)
    for again in (path, tmp_path / "." / "a.tif", link):
        with pytest.raises(InputError, match="given twice"):
            Scene.open([path, again])


@pytest.mark.parametrize(
    ("shape", "profile", "told"),
    [
        ((8, 10), {}, "8 x 10 pixels"),
        ((8, 9), {"crs": "EPSG:32631", "transform": Affine(10, 0, 0, 0, -10, 0)}, "EPSG:32631"),
        ((8, 9), {"transform": Affine(10, 0, 0, 0, -10, 0)}, "transform"),
    ],
)
def test_files_on_different_grids_are_refused(
    tmp_path: Path, shape: tuple[int, int], profile: dict[str, Any], told: str
) -> None:
    one = write_raster(tmp_path / "a_vv.tif", speckle(8, 9))
    two = write_raster(tmp_path / "a_vh.tif", speckle(*shape), **profile)
    with pytest.raises(InputError, match=rf"a_vh\.tif does not lie on the grid .*{told}"):
        Scene.open([one, two])


# Units


def guessed(path: Path) -> tuple[str, bool]:
    with Scene.open([path]) as scene:
        return scene.unit, scene.unit_guessed


def test_unit_by_tag_and_by_option(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", speckle(8, 9), tags={"SARSEG_UNIT": "amplitude"})
    assert guessed(path) == ("amplitude", False)
    with Scene.open([path], Reading(unit="db")) as scene:
        assert (scene.unit, scene.unit_guessed) == ("db", False)
    path = write_raster(tmp_path / "vh.tif", speckle(8, 9), tags={"SARSEG_UNIT": "volt"})
    with pytest.raises(InputError, match="SARSEG_UNIT=volt"):
        Scene.open([path])


def test_a_band_that_says_nothing_has_the_unit_of_the_one_that_does(tmp_path: Path) -> None:
    tagged = write_raster(tmp_path / "a_vv.tif", speckle(50, 60), tags={"SARSEG_UNIT": "amplitude"})
    plain = write_raster(tmp_path / "b_vh.tif", speckle(50, 60, seed=1))
    for files in ([tagged, plain], [plain, tagged]):
        with Scene.open(files) as scene:
            assert scene.unit == "amplitude"
    decibels = write_raster(tmp_path / "c_vh.tif", speckle(50, 60) - 12)
    with pytest.raises(InputError, match=r"seems to hold .*: give bands of one kind"):
        Scene.open([tagged, decibels])


def test_a_band_name_that_is_nearly_one_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", speckle(2, 8, 9))
    with pytest.raises(InputError, match="did you mean 'incidence_angle'"):
        Scene.open([path], Reading(bands=("VV", "incidence")))


def test_decibels_are_known_by_their_sign(tmp_path: Path) -> None:
    decibels = np.random.default_rng(0).normal(-8.0, 5.0, (300, 400)).astype(np.float32)
    assert guessed(write_raster(tmp_path / "a.tif", decibels)) == ("db", True)
    assert guessed(write_raster(tmp_path / "b.tif", decibels.astype(np.int16))) == ("db", True)
    noisy = speckle(300, 400) - 0.003  # noise subtraction leaves some power below zero
    assert guessed(write_raster(tmp_path / "c.tif", noisy)) == ("intensity", True)


def test_nodata_does_not_decide_the_unit(tmp_path: Path) -> None:
    values = np.full((2000, 600), -9999.0, np.float32)
    values[1999, 5] = 0.25
    path = write_raster(tmp_path / "a.tif", values, nodata=-9999.0)
    assert guessed(path) == ("intensity", True)


def test_files_of_different_units_are_refused(tmp_path: Path) -> None:
    linear = write_raster(tmp_path / "a_vv.tif", speckle(8, 9))
    decibels = write_raster(tmp_path / "a_vh.tif", np.full((8, 9), -20.0, np.float32))
    with pytest.raises(InputError, match=r"a_vv\.tif seems to hold intensity .*a_vh\.tif db"):
        Scene.open([linear, decibels])
    with Scene.open([linear, decibels], Reading(unit="intensity")) as scene:
        assert scene.bands == ("VV", "VH")


def test_an_empty_band_leaves_the_unit_to_the_other(tmp_path: Path) -> None:
    empty = write_raster(tmp_path / "a_vv.tif", np.full((8, 9), np.nan, np.float32))
    decibels = write_raster(tmp_path / "a_vh.tif", np.full((8, 9), -20.0, np.float32))
    with Scene.open([empty, decibels]) as scene:
        assert scene.unit == "db"


def test_scale_and_offset_of_the_file_are_applied(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", np.full((8, 9), -1250, np.int16), nodata=-32768)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.01,), (0.5,)
    with Scene.open([path]) as scene:
        np.testing.assert_allclose(read_all(scene)[0], -12.0)
        assert scene.unit == "db"


# Validity


@pytest.mark.parametrize("nodata", [-9999.0, 0.0, np.nan, -3.4028234663852886e38, -99.0])
def test_nodata_tags(tmp_path: Path, nodata: float) -> None:
    values = np.full((8, 9), 0.5, np.float32)
    values[3, 4] = values[0, 0] = nodata
    valid = validity(write_raster(tmp_path / "vv.tif", values, nodata=nodata))
    assert not valid[3, 4]
    assert valid.sum() == 70


def test_numbers_that_are_none_are_invalid(tmp_path: Path) -> None:
    values = np.full((8, 9), 0.5, np.float64)
    values[3, 4:7] = np.nan, np.inf, 1e300
    assert validity(write_raster(tmp_path / "vv.tif", values)).sum() == 69


def test_mask_band_and_alpha_band(tmp_path: Path) -> None:
    mask = np.zeros((8, 9), np.uint8)
    mask[2:5] = 255
    masked = write_raster(tmp_path / "a_vv.tif", speckle(8, 9))
    with rasterio.open(masked, "r+") as dataset:
        dataset.write_mask(mask)
    np.testing.assert_array_equal(validity(masked), mask == 255)
    with_alpha = write_raster(tmp_path / "b_vv.tif", np.stack([np.full_like(mask, 7), mask]))
    with rasterio.open(with_alpha, "r+") as dataset:
        dataset.colorinterp = [ColorInterp.gray, ColorInterp.alpha]
    with Scene.open([with_alpha]) as scene:
        assert scene.bands == ("VV",)
        np.testing.assert_array_equal(read_all(scene)[1], mask == 255)


def test_a_mask_band_does_not_hide_the_nodata_value(tmp_path: Path) -> None:
    values = np.full((8, 9), 5, np.uint16)
    values[4, 4] = 0
    path = write_raster(tmp_path / "vv.tif", values, nodata=0)
    with rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.full((8, 9), 255, np.uint8))
    assert not validity(path)[4, 4]


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_zeros_round_the_data_are_invalid_without_a_nodata_tag(tmp_path: Path, dtype: str) -> None:
    values = np.full((40, 30), 9, dtype)
    values[:, :4], values[35:], values[10, 15] = 0, 0, 0
    expected = np.ones((40, 30), bool)
    expected[:, :4] = expected[35:] = False
    path = write_raster(tmp_path / "vv.tif", values)
    np.testing.assert_array_equal(validity(path), expected)
    with Scene.open([path]) as scene:  # also where the first window read shows no border
        assert scene.read(Window(10, 15, 1, 1), [0])[1].all()


def test_zeros_at_the_edge_are_data_where_nodata_is_something_else(tmp_path: Path) -> None:
    values = np.full((8, 9), 9, np.uint16)
    values[:, 0] = 0
    assert validity(write_raster(tmp_path / "vv.tif", values, nodata=65535)).all()


def test_a_pixel_is_valid_where_all_bands_are(tmp_path: Path) -> None:
    values = speckle(2, 8, 9)
    values[0, 1, 1], values[1, 2, 2] = np.nan, np.nan
    path = write_raster(tmp_path / "s_vv_vh.tif", values)
    with Scene.open([path]) as scene:
        both = read_all(scene)[1]
        only_vh = scene.read(Window(0, 0, 8, 9), [1])[1]
    assert both.sum() == 70
    assert only_vh.sum() == 71


# What cannot be read


def test_no_file_and_no_raster(tmp_path: Path) -> None:
    (tmp_path / "empty.tif").touch()
    (tmp_path / "text.tif").write_text("VV, VH\n")
    for name, told in [
        ("gone.tif", r"gone\.tif does not exist"),
        ("", "is a folder"),
        ("empty.tif", "is empty"),
        ("text.tif", "is not a raster"),
    ]:
        with pytest.raises(InputError, match=told):
            Scene.open([tmp_path / name])
    with pytest.raises(InputError, match="No file was given"):
        Scene.open([])
    with pytest.raises(InputError, match="empty file name"):
        Scene.open([""])


def test_maps_are_no_sar_bands(tmp_path: Path) -> None:
    labels = write_raster(tmp_path / "map.tif", np.ones((8, 9), np.uint8))
    with rasterio.open(labels, "r+") as dataset:
        dataset.write_colormap(1, {1: (255, 0, 0, 255)})
    with pytest.raises(InputError, match="colour table"):
        Scene.open([labels])


@pytest.mark.parametrize("profile", [{}, {"tiled": True, "compress": "deflate"}])
def test_a_truncated_file_is_named_with_the_window(tmp_path: Path, profile: dict[str, Any]) -> None:
    path = write_raster(tmp_path / "vv.tif", speckle(1500, 700), **profile)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(InputError, match=r"vv\.tif cannot be read at rows \d+ to \d+, columns"):
        validity(path, unit="intensity")


def test_a_vrt_and_its_missing_source(tmp_path: Path) -> None:
    source = write_raster(tmp_path / "source.tif", speckle(8, 9))
    rasterio.shutil.copy(source, tmp_path / "s_vv.vrt", driver="VRT")
    with Scene.open([tmp_path / "s_vv.vrt"]) as scene:
        np.testing.assert_array_equal(read_all(scene)[0][0], speckle(8, 9))
        assert source in scene.files
    source.unlink()
    with pytest.raises(InputError, match=r"s_vv\.vrt cannot be read"):
        validity(tmp_path / "s_vv.vrt")


def test_a_scene_that_fails_to_open_leaves_no_file_open(tmp_path: Path) -> None:
    one = write_raster(tmp_path / "a_vv.tif", speckle(8, 9))
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(InputError):
            Scene.open([one, tmp_path / "gone.tif"])
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


# Size


def test_strips_cover_the_scene_in_whole_blocks() -> None:
    for height, width, block in [(1000, 20000, 128), (7, 3, 1), (900, 5_000_000, 512)]:
        strips = list(strips_of(height, width, block))
        assert [strip.row for strip in strips[1:]] == [strip.row_end for strip in strips[:-1]]
        assert (strips[0].row, strips[-1].row_end) == (0, height)
        assert all(strip.width == width for strip in strips)
    assert next(strips_of(1000, 20000, 128)).height == 128


def test_memory_of_the_zero_border_does_not_grow_with_the_scene(tmp_path: Path) -> None:
    def peak(height: int) -> int:
        values = np.ones((height, 500), np.uint8)
        values[0, 0] = 0  # or nothing would be looked for
        path = write_raster(tmp_path / f"{height}.tif", values, tiled=True, compress="deflate")
        with Scene.open([path], Reading(unit="amplitude")) as scene:
            tracemalloc.start()
            scene.read(Window(0, 0, 10, 10), [0])
            largest = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return largest

    assert peak(60_000) < 1.1 * peak(20_000)


@pytest.mark.parametrize(
    ("files", "bands", "unit", "valid_share"),
    [
        (["s1_iw_gcps_vv", "s1_iw_gcps_vh"], ("VV", "VH"), "amplitude", 0.97986),
        (["s1_sm_gcps_vh"], ("VH",), "amplitude", 0.99415),
        (["s1_gamma0_vv_utm"], ("VV",), "intensity", 0.48877),
        (["s1_vv_db_utm"], ("VV",), "db", 1.0),
        (["s1_vv_db_wgs84", "s1_vh_db_wgs84"], ("VV", "VH"), "db", 1.0),
    ],
)
def test_real_scenes(
    real_data: Path, files: list[str], bands: tuple[str, ...], unit: str, valid_share: float
) -> None:
    with Scene.open([real_data / "scenes" / f"{name}.tif" for name in files]) as scene:
        assert (scene.bands, scene.unit) == (bands, unit)
        assert read_all(scene)[1].mean() == pytest.approx(valid_share, abs=1e-5)


def test_flevoland(real_data: Path) -> None:
    with Scene.open([real_data / "flevoland" / "scene.tif"]) as scene:
        assert (scene.bands, scene.unit) == (("HH", "HV", "VV"), "intensity")
        assert scene.georeference.transform is None
        assert read_all(scene)[1].all()
