"""What bands hold, by the names that products and programs give them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from sarseg.errors import InputError
from sarseg.filters.despeckle import Lee
from sarseg.filters.rewrite import rewrite
from sarseg.scenes.band import Meaning
from sarseg.scenes.naming import layers_in, meanings
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from tests.rasters import speckle, write_raster

HYP3 = "S1A_IW_20180128T161201_DVP_RTC30_G_{}_FD6A_{}.tif"
OPERA = "OPERA_L2_RTC-S1_T087-185679-IW2_20200101T161622Z_20250911T203016Z_S1A_30_v1.0_{}.tif"
STATIC = "OPERA_L2_RTC-S1-STATIC_T087-185679-IW2_20140403_S1A_30_v1.0_{}.tif"
ANGLES = {"incidence_angle", "local_incidence_angle"}


def meaning_of(folder: Path, name: str = "a.tif", description: str = "", **profile: Any) -> Meaning:
    path = write_raster(
        folder / name, speckle(4, 5), descriptions=[description] if description else [], **profile
    )
    with rasterio.open(path) as dataset:
        (meaning,) = meanings(dataset, [1])
    return meaning


@pytest.mark.parametrize(
    ("name", "band", "unit", "calibration"),
    [
        (HYP3.format("gpuned", "VV"), "VV", "intensity", "gamma0"),
        (HYP3.format("saufem", "HH"), "HH", "amplitude", "sigma0"),
        (HYP3.format("gdwncd", "VH"), "VH", "db", "gamma0"),
        (OPERA.format("HV"), "HV", "intensity", "gamma0"),
        ("iw-vv.rtc.tiff", "VV", "intensity", "gamma0"),
        ("iw-vh.tiff", "VH", "amplitude", None),
        (
            "s1a-iw-grd-vv-20180128t161201-20180128t161226-020361-022c5e-001.tiff",
            "VV",
            "amplitude",
            None,
        ),
        (
            "s1c-s3-grd-hh-20250128t161201-20250128t161226-020361-022c5e-001-cog.tiff",
            "HH",
            "amplitude",
            None,
        ),
        ("S1A__IW___A_20210723T155034_VH_gamma0-rtc_db.tif", "VH", "db", "gamma0"),
        ("S1A__IW___A_20210723T155034_VH_gamma0-rtc.tif", "VH", None, "gamma0"),
        ("s1_vv_db_utm.tif", "VV", "db", None),
        ("scene_VV_dB.tif", "VV", "db", None),
        ("sigma0_vv.tif", "VV", None, "sigma0"),
        ("adbc_vv_DB12.tif", "VV", None, None),
        ("amplify_hv.tif", "HV", None, None),
        ("copdem30_rtc_vv.tif", "VV", None, None),
        ("dem_corrected_vv.tif", "VV", None, None),
    ],
)
def test_backscatter_by_the_file_name(
    tmp_path: Path, name: str, band: str, unit: str | None, calibration: str | None
) -> None:
    found = meaning_of(tmp_path, name)
    assert (found.name, found.role) == (band, "backscatter")
    assert (found.unit, found.calibration) == (unit, calibration)
    assert found.unit_source == ("name" if unit else "guess")
    assert layers_in(name) == (band,)


@pytest.mark.parametrize(
    ("description", "band", "unit", "calibration"),
    [
        ("Sigma0_VV", "VV", None, "sigma0"),
        ("Sigma0_VV_db", "VV", "db", "sigma0"),
        ("Beta0_HH", "HH", None, "beta0"),
        ("Amplitude_VH", "VH", "amplitude", None),
        ("Intensity_VV", "VV", "intensity", None),
        ("Intensity_VV_db", "VV", "db", None),
        ("Gamma0_VV_use_local_incidence_angle_from_dem", "VV", None, "gamma0"),
    ],
)
def test_backscatter_by_the_description(
    tmp_path: Path, description: str, band: str, unit: str | None, calibration: str | None
) -> None:
    found = meaning_of(tmp_path, description=description)
    assert (found.name, found.role) == (band, "backscatter")
    assert (found.unit, found.calibration) == (unit, calibration)


@pytest.mark.parametrize(
    ("name", "band"),
    [
        (HYP3.format("gpuned", "inc_map"), "local_incidence_angle"),
        (HYP3.format("gpuned", "inc_map_ell"), "incidence_angle"),
        (HYP3.format("gpuned", "dem"), "elevation"),
        (HYP3.format("gpuned", "ls_map"), "layover_shadow"),
        (OPERA.format("mask"), "layover_shadow"),
        (STATIC.format("local_incidence_angle"), "local_incidence_angle"),
        (STATIC.format("incidence_angle"), "incidence_angle"),
        ("S1A__IW___A_20150309T173017_incidenceAngleFromEllipsoid.tif", "incidence_angle"),
        ("S1A__IW___A_20150309T173017_localIncidenceAngle.tif", "local_incidence_angle"),
        ("S1A__IW___A_20150309T173017_layoverShadowMask.tif", "layover_shadow"),
        ("S1A__IW___A_20150309T173017_ls_map_geo.tif", "layover_shadow"),
        ("scene_vv_incidence_angle.tif", "incidence_angle"),
        ("DEM.tif", "elevation"),
        ("elevation.tif", "elevation"),
    ],
)
def test_what_is_no_backscatter(tmp_path: Path, name: str, band: str) -> None:
    found = meaning_of(tmp_path, name)
    assert found.name == band
    assert found.role == ("mask" if band == "layover_shadow" else "auxiliary")
    assert layers_in(name) == (band,)
    words = name.removesuffix(".tif").split("_")[-1]
    if band in ANGLES and words.lower().endswith(("angle", "ellipsoid")):
        assert meaning_of(tmp_path, "other.tif", words).name in ANGLES


@pytest.mark.parametrize(
    "name",
    [
        HYP3.format("gpuned", "area"),
        HYP3.format("gpuned", "rgb"),
        STATIC.format("number_of_looks"),
        STATIC.format("rtc_anf_gamma0_to_beta0"),
        "academy.tif",
        "triangle.tif",
        "image.tif",
    ],
)
def test_names_that_say_nothing(tmp_path: Path, name: str) -> None:
    assert meaning_of(tmp_path, name).name == ""
    assert layers_in(name) == ()


def test_bits_of_masks(tmp_path: Path) -> None:
    assert meaning_of(tmp_path, HYP3.format("gpuned", "ls_map")).mask_bits == 0b11110
    assert meaning_of(tmp_path, OPERA.format("mask")).mask_bits == 0b11
    assert meaning_of(tmp_path, "layover_shadow_mask.tif").mask_bits == ~0


def test_units_of_the_file_format_and_tags(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a_vv.tif", speckle(4, 5))
    with rasterio.open(path, "r+") as dataset:
        dataset.units = ("dB",)
    with rasterio.open(path) as dataset:
        assert meanings(dataset, [1])[0].unit == "db"
    tags = {"CALIBRATION": "Gamma0", "UNITS": "amplitude", "COMMENT": "decibels"}
    found = meaning_of(tmp_path, "b_vv.tif", tags=tags)
    assert (found.unit, found.calibration) == ("amplitude", "gamma0")
    found = meaning_of(tmp_path, "c_vv_db.tif", tags={"SARSEG_UNIT": "intensity"})
    assert (found.unit, found.unit_source) == ("intensity", "tag")


def test_bands_of_one_file(tmp_path: Path) -> None:
    path = write_raster(
        tmp_path / "s_vv_vh_db.tif",
        speckle(4, 4, 5),
        descriptions=["", "", "localIncidenceAngle", "elevation"],
    )
    with rasterio.open(path) as dataset:
        found = meanings(dataset, [1, 2, 3, 4])
    assert [each.name for each in found] == ["VV", "VH", "local_incidence_angle", "elevation"]
    assert [each.unit for each in found] == ["db", "db", None, None]


@pytest.mark.parametrize(
    ("name", "mean", "told"),
    [
        ("a_vv_db.tif", 0.1, r"a_vv_db\.tif says db, but its numbers are as small as power"),
        ("a_vv_intensity.tif", -12.0, r"says intensity, but its numbers are negative"),
        ("iw-vv.rtc.tiff", -12.0, r"says intensity, but its numbers are negative"),
        ("a_vv_amplitude.tif", -12.0, r"says amplitude, but its numbers are negative"),
    ],
)
def test_numbers_that_contradict_the_name(
    tmp_path: Path, name: str, mean: float, told: str
) -> None:
    values = np.random.default_rng(0).normal(mean, abs(mean) / 10, (50, 60)).astype(np.float32)
    path = write_raster(tmp_path / name, values)
    with pytest.raises(InputError, match=rf"{told}.*--input-unit"):
        Scene.open([path])
    with Scene.open([path], Reading(unit="db")) as scene:
        assert scene.unit == "db"


def test_numbers_that_do_not_contradict_the_name(tmp_path: Path) -> None:
    """Decibels of uncalibrated amplitudes, power of which noise was subtracted, and no data."""
    rng = np.random.default_rng(0)
    for name, values, unit in [
        ("a_vv_db.tif", rng.normal(45, 3, (50, 60)), "db"),
        ("b_vv_intensity.tif", speckle(50, 60) - 0.003, "intensity"),
        ("c_vv_db.tif", np.full((50, 60), np.nan), "db"),
    ]:
        path = write_raster(tmp_path / name, values.astype(np.float32))
        with Scene.open([path]) as scene:
            assert (scene.unit, scene.unit_source) == (unit, "name")


def test_words_about_processing_do_not_hide_a_polarisation(tmp_path: Path) -> None:
    descriptions = ["VV", "VH_dem_corrected", "HH angle normalised", "VV incidence angle"]
    path = write_raster(tmp_path / "s.tif", speckle(4, 8, 9), descriptions=descriptions)
    with Scene.open([path]) as scene:
        assert scene.bands == ("VV", "VH", "HH", "incidence_angle")


def test_digital_numbers_are_no_decibels_whatever_the_name_says(tmp_path: Path) -> None:
    numbers = (speckle(80, 90, mean=300) + 1).astype(np.uint16)
    path = write_raster(tmp_path / "db_scene_VV.tif", numbers)
    with pytest.raises(InputError, match="of a size that no decibels have"):
        Scene.open([path])


def test_packed_decibels_are_refused(tmp_path: Path) -> None:
    packed = np.random.default_rng(0).normal(-1000, 300, (80, 90)).astype(np.int16)
    path = write_raster(tmp_path / "vv.tif", packed)
    with pytest.raises(InputError, match=r"sign of the numbers .* says db.*unpack them"):
        Scene.open([path])


def test_a_calibration_written_by_sarseg_is_read_again(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "Gamma0_VV.tif", speckle(30, 40))
    with Scene.open([path]) as scene:
        assert scene.calibrations == ("gamma0",)
        rewrite(scene, Lee(size=3), tmp_path / "out.tif")
    with Scene.open([tmp_path / "out.tif"]) as scene:
        assert (scene.bands, scene.calibrations) == (("VV",), ("gamma0",))
