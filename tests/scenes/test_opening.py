"""Which files are opened, and how their numbers are read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from sarseg.errors import InputError
from sarseg.scenes.opening import open_raster
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.window import Window
from tests.rasters import speckle, write_raster


def read_all(path: Path, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    with Scene.open([path], Reading(**options)) as scene:
        values, valid = scene.read(Window(0, 0, scene.height, scene.width), [0])
    return values[0], valid


@pytest.mark.parametrize(
    ("driver", "suffix"),
    [("GTiff", "tif"), ("COG", "tif"), ("ENVI", "img"), ("HFA", "img"), ("PNG", "png")],
)
def test_formats(tmp_path: Path, driver: str, suffix: str) -> None:
    values = np.arange(1, 73, dtype=np.uint8).reshape(8, 9)
    source = write_raster(tmp_path / "source.tif", values)
    path = tmp_path / f"a_vv.{suffix}"
    rasterio.shutil.copy(source, path, driver=driver)
    np.testing.assert_array_equal(read_all(path)[0], values)


def test_small_text_files_do_not_send_gdal_elsewhere(tmp_path: Path) -> None:
    """A VRT is opened under its own suffix only, a web service never."""
    source = write_raster(tmp_path / "source.tif", speckle(8, 9))
    vrt = tmp_path / "a_vv.vrt"
    rasterio.shutil.copy(source, vrt, driver="VRT")
    disguised = tmp_path / "a_vv.tif"
    disguised.write_bytes(vrt.read_bytes())
    service = tmp_path / "b_vv.tif"
    service.write_text(
        '<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/${z}/${x}/${y}.png'
        "</ServerUrl></Service><DataWindow><UpperLeftX>-180</UpperLeftX><UpperLeftY>90"
        "</UpperLeftY><LowerRightX>180</LowerRightX><LowerRightY>-90</LowerRightY>"
        "<TileLevel>2</TileLevel></DataWindow><BandsCount>3</BandsCount></GDAL_WMS>"
    )
    with rasterio.open(service) as dataset:
        assert dataset.driver == "WMS"
    with open_raster(str(vrt)) as dataset:
        assert dataset.driver == "VRT"
    for path in (disguised, service):
        with pytest.raises(InputError, match=rf"{path.name} is not a raster that sarseg reads"):
            open_raster(str(path))
    with pytest.raises(InputError, match="does not exist"):
        open_raster("MEM:::DATAPOINTER=1,PIXELS=1,LINES=1")


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "complex_int16"])
def test_complex_images_are_read_as_amplitude(tmp_path: Path, dtype: str) -> None:
    values = np.array([[3 + 4j, -5 + 12j, 0], [32767 + 32767j, -32768 - 32768j, 1j]])
    path = tmp_path / "slc_vv.tif"
    with rasterio.open(path, "w", "GTiff", 3, 2, 1, dtype=dtype) as dataset:
        dataset.write(values.astype(np.complex64), 1)
    with Scene.open([path]) as scene:
        assert (scene.bands, scene.unit, scene.unit_guessed) == (("VV",), "amplitude", True)
    found, valid = read_all(path)
    np.testing.assert_allclose(found, np.abs(values), rtol=1e-6)
    assert valid.sum() == 5  # a zero at the edge


def test_the_amplitude_of_large_complex_numbers(tmp_path: Path) -> None:
    values = np.full((2, 3), 3e30 + 4e30j, np.complex64)
    values[0, 0] = np.nan
    found, valid = read_all(write_raster(tmp_path / "slc_vv.tif", values))
    assert found[1, 1] == pytest.approx(5e30)
    assert valid.sum() == 5


@pytest.mark.parametrize(
    ("dtype", "nodata", "invalid"),
    [
        ("float32", -9999.0, 1),
        ("float32", 0.1, 1),
        ("float32", 1e300, 0),
        ("float32", np.nan, 0),
        ("uint16", 77, 1),
        ("uint16", -9999.0, 0),
        ("uint16", 65536.0, 0),
        ("uint16", 1e300, 0),
        ("uint16", np.nan, 0),
        ("int16", 77.5, 0),
        ("complex64", 77, 1),
    ],
)
def test_a_nodata_value_given(tmp_path: Path, dtype: str, nodata: float, invalid: int) -> None:
    values = np.full((8, 9), 5, dtype)
    values[4, 4] = nodata if invalid else 6
    path = write_raster(tmp_path / "a_vv.tif", values)
    assert (~read_all(path, nodata=nodata, unit="amplitude")[1]).sum() == invalid


def test_a_nodata_value_beside_that_of_the_file(tmp_path: Path) -> None:
    values = np.full((8, 9), 5.0, np.float32)
    values[0, 0], values[4, 4], values[5, 5] = -1, -2, np.nan
    path = write_raster(tmp_path / "a_vv.tif", values, nodata=-1.0)
    assert read_all(path, nodata=-2.0)[1].sum() == 72 - 3
    assert read_all(path)[1].sum() == 72 - 2


def grd_border() -> np.ndarray:
    values = np.random.default_rng(0).integers(150, 300, (80, 90)).astype(np.uint16)
    values[:, :5], values[:, 5:12] = 0, 3
    values[40, 50] = 0
    return values


def test_border_noise_of_digital_numbers(tmp_path: Path) -> None:
    expected = np.ones((80, 90), bool)
    expected[:, :12] = False
    valid = read_all(write_raster(tmp_path / "a_vv.tif", grd_border()))[1]
    np.testing.assert_array_equal(valid, expected)
    expected[40, 50] = False  # where zeros are nodata wherever they are
    valid = read_all(write_raster(tmp_path / "b_vv.tif", grd_border(), nodata=0))[1]
    np.testing.assert_array_equal(valid, expected)
    valid = read_all(write_raster(tmp_path / "c_vv.tif", grd_border()), nodata=0.0)[1]
    np.testing.assert_array_equal(valid, expected)


@pytest.mark.parametrize("kind", ["float", "8 bit", "another nodata", "mask"])
def test_small_numbers_at_the_edge_of_other_rasters_are_data(tmp_path: Path, kind: str) -> None:
    values = grd_border()
    path = tmp_path / "a_vv.tif"
    if kind == "float":
        write_raster(path, values.astype(np.float32))
    elif kind == "8 bit":
        write_raster(path, (values // 2).astype(np.uint8))
    else:
        write_raster(path, values, nodata=999 if kind == "another nodata" else None)
    if kind == "mask":
        with rasterio.open(path, "r+") as dataset:
            dataset.write_mask(np.where(values > 0, 255, 0).astype(np.uint8))
    assert read_all(path, unit="amplitude")[1][:, 5:12].all()
