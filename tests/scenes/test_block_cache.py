import subprocess
import sys
from pathlib import Path

import pytest
import rasterio
from rasterio.env import get_gdal_config

from sarseg.scenes.block_cache import block_cache, row_of_blocks


def limit() -> int:
    return int(get_gdal_config("GDAL_CACHEMAX"))


@pytest.mark.parametrize("nested", [False, True])
def test_the_earlier_limit_holds_again(nested: bool) -> None:
    before = limit()
    outer = rasterio.Env() if nested else rasterio.Env(GDAL_CACHEMAX=before)
    with outer:
        with block_cache(12_345_678):
            assert limit() == 12_345_678
            with block_cache(1_234_567):
                assert limit() == 1_234_567
            assert limit() == 12_345_678
        assert limit() == before
    assert limit() == before
    with block_cache(12_345_678):
        assert limit() == 12_345_678
    assert limit() == before


def test_the_earlier_limit_holds_after_an_error() -> None:
    before = limit()
    with rasterio.Env():
        with pytest.raises(KeyError), block_cache(12_345_678):
            raise KeyError
        assert limit() == before


SET_FOR_THE_PROCESS = """
from rasterio.env import get_gdal_config
from sarseg.scenes.block_cache import block_cache
for _ in range(2):
    with block_cache(12_345_678):
        print(get_gdal_config("GDAL_CACHEMAX"))
"""


def test_what_is_set_for_the_process_is_obeyed() -> None:
    printed = subprocess.run(
        [sys.executable, "-c", SET_FOR_THE_PROCESS],
        cwd=Path(__file__).parents[2],
        env={"GDAL_CACHEMAX": "7654321"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert set(map(int, printed.stdout.split())) == {7_654_321}


@pytest.mark.parametrize("interleave", ["band", "pixel"])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "complex_int16"])
def test_a_row_of_blocks_is_kept(tmp_path: Path, interleave: str, dtype: str) -> None:
    profile = {"driver": "GTiff", "width": 20_000, "height": 1024, "count": 5, "dtype": dtype}
    tiles = {"tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": interleave}
    with rasterio.open(tmp_path / "map.tif", "w", **profile, **tiles, SPARSE_OK=True) as dataset:
        found = row_of_blocks(dataset)
    size = {"uint8": 1, "int32": 4, "complex_int16": 8}[dtype]
    row = 512 * 512 * 40 * ({"band": 2, "pixel": 5}[interleave] * size + 1)
    assert row < found < 1.2 * row


@pytest.mark.parametrize("height", [1, 64])
def test_low_blocks_are_kept_until_those_of_the_files_below_are_done(
    tmp_path: Path, height: int
) -> None:
    profile = {"driver": "GTiff", "width": 30_000, "height": 1024, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "map.tif", "w", **profile, blockysize=height) as dataset:
        assert dataset.block_shapes == [(height, 30_000)]
        assert row_of_blocks(dataset) >= 2 * 512 * 30_000


def test_small_rasters_have_room_too(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "width": 7, "height": 9, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "map.tif", "w", **profile) as dataset:
        assert row_of_blocks(dataset) == 8 * 2**20
