"""Zip files and folders with the rasters of a scene."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from sarseg.errors import InputError
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.window import Window
from tests.rasters import speckle, write_raster

HYP3 = "S1A_IW_20180128T161201_DVP_RTC30_G_gpuned_FD6A"
OPERA = "OPERA_L2_RTC-S1_T087-185679-IW2_20200101T161622Z_20250911T203016Z_S1A_30_v1.0"


def hyp3_product(folder: Path) -> Path:
    """A folder as HyP3 delivers it."""
    product = folder / HYP3
    product.mkdir()
    marks = np.ones((8, 9), np.uint8)
    marks[2, 3], marks[2, 4], marks[5, 5] = 5, 17, 0
    layers = {
        "VV": speckle(8, 9),
        "VH": speckle(8, 9, seed=1),
        "inc_map": np.full((8, 9), 0.7, np.float32),
        "inc_map_ell": np.full((8, 9), 0.6, np.float32),
        "dem": np.arange(72, dtype=np.int16).reshape(8, 9),
        "ls_map": marks,
        "area": np.ones((8, 9), np.float32),
        "rgb": np.ones((3, 8, 9), np.uint8),
    }
    for layer, values in layers.items():
        write_raster(product / f"{HYP3}_{layer}.tif", values)
    (product / f"{HYP3}.png").write_bytes(b"a picture")
    (product / f"{HYP3}.log").write_text("a log")
    (product / f"{HYP3}_VV.tif.xml").write_text("<metadata/>")
    return product


def zipped(folder: Path, *, inside: str = "") -> Path:
    path = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{inside}{file.name}")
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_a_hyp3_product(tmp_path: Path, packed: bool) -> None:
    product = hyp3_product(tmp_path)
    given = zipped(product, inside=f"{HYP3}/") if packed else product
    with Scene.open([str(given)]) as scene:
        named = dict(zip(scene.bands, range(len(scene.bands)), strict=True))
        assert set(named) == {
            "VV",
            "VH",
            "local_incidence_angle",
            "incidence_angle",
            "elevation",
        }
        assert (scene.unit, scene.unit_source) == ("intensity", "name")
        assert scene.calibrations[named["VV"]] == "gamma0"
        values, valid = scene.read(Window(0, 0, 8, 9), list(named.values()))
        read = dict(zip(named, values, strict=True))
        files = scene.files
    np.testing.assert_array_equal(read["VV"], speckle(8, 9))
    np.testing.assert_array_equal(read["VH"], speckle(8, 9, seed=1))
    np.testing.assert_allclose(read["local_incidence_angle"], np.degrees(0.7), rtol=1e-6)
    np.testing.assert_allclose(read["incidence_angle"], np.degrees(0.6), rtol=1e-6)
    np.testing.assert_array_equal(read["elevation"].ravel(), np.arange(72))
    assert not valid[2, 3]
    assert not valid[2, 4]
    assert valid.sum() == 70
    assert set(files) == ({given} if packed else {*product.glob("*_VV.tif"), *files})
    with Scene.open([str(given)], Reading(keep_layover=True)) as scene:
        assert scene.read(Window(0, 0, 8, 9), [0])[1].all()


def test_an_opera_product(tmp_path: Path) -> None:
    mask = np.zeros((8, 9), np.uint8)
    mask[0, :3], mask[7] = [1, 2, 3], 255
    write_raster(tmp_path / f"{OPERA}_VV.tif", speckle(8, 9))
    write_raster(tmp_path / f"{OPERA}_mask.tif", mask, nodata=255)
    write_raster(tmp_path / f"{OPERA}_number_of_looks.tif", np.ones((8, 9), np.float32))
    with Scene.open([str(tmp_path)]) as scene:
        assert (scene.bands, scene.unit, scene.calibrations) == (("VV",), "intensity", ("gamma0",))
        valid = scene.read(Window(0, 0, 8, 9), [0])[1]
    assert not valid[0, :3].any()
    assert valid.sum() == 72 - 3


def test_the_only_raster_and_the_only_file(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    write_raster(one / "image.tif", speckle(8, 9))
    for given in (one, zipped(one)):
        with Scene.open([given]) as scene:
            assert scene.bands == ("band 1",)
    (one / "readme.txt").write_text("a scene")
    for given in (one, zipped(one)):
        with Scene.open([given]) as scene:
            assert scene.bands == ("band 1",)


def test_what_cannot_be_told_is_listed(tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    with pytest.raises(InputError, match=r"many is a folder without a raster in it.*nothing"):
        Scene.open([many])
    (many / "readme.txt").write_text("soon")
    (many / "notes.txt").write_text("later")
    with pytest.raises(InputError, match=r"without a raster in it; it holds notes\.txt, readme"):
        Scene.open([many])
    for name in ("first", "second"):
        write_raster(many / f"{name}.tif", speckle(8, 9))
    with pytest.raises(InputError, match=r"say no polarisation, first\.tif, second\.tif"):
        Scene.open([zipped(many)])
    for name in ("a_vv", "b_vv", "c_vh"):
        write_raster(many / f"{name}.tif", speckle(8, 9))
    with pytest.raises(InputError, match=r"several rasters of VV, a_vv\.tif, b_vv\.tif"):
        Scene.open([many])


def test_zip_files_that_are_none(tmp_path: Path) -> None:
    whole = zipped(hyp3_product(tmp_path)).rename(tmp_path / "rtc.zip")
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"rtc\.zip is not a whole zip file .* again"):
        Scene.open([whole])
    with pytest.raises(InputError, match=r"gone\.zip does not exist"):
        Scene.open([tmp_path / "gone.zip"])
    whole.write_bytes(content)
    with pytest.raises(InputError, match=r"gone\.tif does not exist: .*rtc\.zip holds no such"):
        Scene.open([f"{whole}!/gone.tif"])
    with pytest.raises(InputError, match=r"gone\.zip does not exist"):
        Scene.open([f"{tmp_path}/gone.zip!/gone.tif"])
