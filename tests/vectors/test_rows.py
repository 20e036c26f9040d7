from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from sarseg.errors import InputError
from sarseg.vectors.rows import CLASS_DTYPES, NO_CLASS, read_percentages, read_rows
from tests.vectors.maps import blocky, write_map


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "map.tif"


def rows_of(path: Path) -> NDArray[np.int32]:
    with rasterio.open(path) as dataset:
        blocks = list(read_rows(dataset))
        assert {block.dtype for block in blocks} == {np.dtype(np.int32)}
        assert {block.shape[1] for block in blocks} == {dataset.width}
        return np.concatenate(blocks)


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (128, 9), (129, 9), (513, 40)])
@pytest.mark.parametrize("tiled", [{}, {"tiled": True, "blockxsize": 256, "blockysize": 256}])
def test_rows_are_the_raster(path: Path, shape: tuple[int, int], tiled: dict[str, Any]) -> None:
    classes = blocky(*shape)
    classes[shape[0] // 2, shape[1] // 2] = 255
    write_map(path, classes, **tiled)
    expected = np.where(classes == 255, NO_CLASS, classes.astype(np.int32))
    np.testing.assert_array_equal(rows_of(path), expected)


def test_rows_come_in_blocks(path: Path) -> None:
    write_map(path, blocky(2000, 3))
    with rasterio.open(path) as dataset:
        assert max(map(len, read_rows(dataset))) <= 256


@pytest.mark.parametrize("dtype", CLASS_DTYPES)
def test_the_largest_class_of_each_type_is_kept(path: Path, dtype: str) -> None:
    largest = np.iinfo(dtype).max
    write_map(path, np.array([[0, 1, largest]], dtype), nodata=None)
    assert rows_of(path).tolist() == [[0, 1, largest]]


def test_zero_is_a_class_unless_the_file_says_otherwise(path: Path) -> None:
    classes = np.array([[0, 1, 255]], np.uint8)
    assert rows_of(write_map(path, classes, nodata=None)).tolist() == [[0, 1, 255]]
    assert rows_of(write_map(path, classes, nodata=0)).tolist() == [[NO_CLASS, 1, 255]]


def test_a_negative_value_may_be_nodata(path: Path) -> None:
    write_map(path, np.array([[4, -9999]], np.int16), nodata=-9999)
    assert rows_of(path).tolist() == [[4, NO_CLASS]]


def test_a_mask_leaves_pixels_out(path: Path) -> None:
    write_map(path, np.array([[4, 4, 5]], np.uint8), nodata=None)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.array([[255, 0, 255]], np.uint8))
    assert rows_of(path).tolist() == [[4, NO_CLASS, 5]]


def test_an_alpha_band_leaves_pixels_out(path: Path) -> None:
    profile: dict[str, Any] = {"height": 1, "width": 3, "count": 2, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", alpha="yes", **profile) as dataset:
        dataset.write(np.array([[[4, 4, 5]], [[255, 0, 255]]], np.uint8))
    assert rows_of(path).tolist() == [[4, NO_CLASS, 5]]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "uint32"])
def test_what_is_no_class_raster_is_refused_at_once(path: Path, dtype: str) -> None:
    write_map(path, np.ones((3, 3), dtype), nodata=None)
    with (
        rasterio.open(path) as dataset,
        pytest.raises(InputError, match=f"{dtype} numbers and is no class raster") as error,
    ):
        read_rows(dataset)
    assert path.name in str(error.value)


def test_negative_classes_are_refused(path: Path) -> None:
    classes = np.ones((300, 3), np.int16)
    classes[290, 1] = -9999
    write_map(path, classes, nodata=None)
    with pytest.raises(InputError, match="holds the class -9999") as error:
        rows_of(path)
    assert path.name in str(error.value)


@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_damaged_file_is_refused(path: Path, part: float) -> None:
    write_map(path, blocky(600, 300), tiled=True, compress="deflate")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(InputError, match="damaged"):
        rows_of(path)


def test_percentages_are_those_of_the_band(path: Path) -> None:
    percent = np.arange(60, dtype=np.uint8).reshape(12, 5)
    profile: dict[str, Any] = {"height": 12, "width": 5, "count": 2, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **profile) as dataset:
        dataset.write(np.stack([np.zeros_like(percent), percent]))
    with rasterio.open(path) as dataset:
        read = read_percentages(dataset, 2)
        np.testing.assert_array_equal(read(3, 9), percent[3:9])
