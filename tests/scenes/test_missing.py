"""Scenes of which parts cannot be read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.transform import from_origin

from sarseg.errors import InputError
from sarseg.scenes.missing import Missing
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.scenes.window import Window
from tests.file_server import serving
from tests.rasters import speckle, write_raster
from tests.scenes.sentinel1.safe import Safe

TILED: dict[str, Any] = {
    "tiled": True,
    "blockxsize": 16,
    "blockysize": 16,
    "compress": "deflate",
}
STRIPED: dict[str, Any] = {"blockysize": 8, "compress": "deflate"}
PLACED: dict[str, Any] = {"crs": "EPSG:32631", "transform": from_origin(620_040, 4_830_120, 20, 20)}
HEIGHT, WIDTH = 150, 170

Place = tuple[int, int]


def damage(path: Path, *blocks: Place, band: int = 1) -> Path:
    """Overwrite ``blocks`` (row, column) of a compressed GeoTIFF with garbage."""
    content = bytearray(path.read_bytes())
    for start, size in extents(path, *blocks, band=band):
        content[start : start + size] = b"\x55" * size
    path.write_bytes(content)
    return path


def extents(path: Path, *blocks: Place, band: int = 1) -> list[tuple[int, int]]:
    """First byte and number of bytes of each block."""
    with rasterio.open(path) as dataset:

        def tag(name: str, row: int, col: int) -> int:
            return int(dataset.get_tag_item(f"BLOCK_{name}_{col}_{row}", "TIFF", bidx=band))

        return [(tag("OFFSET", *block), tag("SIZE", *block)) for block in blocks]


def touched(shape: tuple[int, int], block: tuple[int, int], *blocks: Place) -> NDArray[np.bool_]:
    """The pixels of ``blocks`` of a raster."""
    result = np.zeros(shape, bool)
    for row, col in blocks:
        result[row * block[0] :, col * block[1] :][: block[0], : block[1]] = True
    return result


def opened(*paths: Path | str, **reading: Any) -> Scene:
    return Scene.open(paths, Reading(allow_missing=True, **reading))


def read(scene: Scene) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    everything = Window(0, 0, scene.height, scene.width)
    return scene.read(everything, range(len(scene.bands)))


def assert_same_but_for(
    lost: NDArray[np.bool_], whole: Sequence[Path | str], paths: Sequence[Path | str], **how: Any
) -> Missing:
    """The scene of ``paths`` is that of ``whole``, but that ``lost`` pixels (h, w) are invalid."""
    with Scene.open(whole, Reading(**how)) as scene:
        values, valid = read(scene)
    with opened(*paths, **how) as scene:
        found, kept = read(scene)
        missing = scene.missing
    np.testing.assert_array_equal(kept, valid & ~lost)
    np.testing.assert_array_equal(found[:, kept], values[:, kept])
    return missing


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "whole_vv.tif", speckle(HEIGHT, WIDTH), **TILED)


def copied(path: Path, name: str = "bad_vv.tif") -> Path:
    copy = path.with_name(name)
    copy.write_bytes(path.read_bytes())
    return copy


def slanted(dtype: str, border_noise: bool = False) -> NDArray[Any]:
    """Data as a leaning parallelogram in zeros; single zeros and a lake of zeros inside."""
    rows, cols = np.indices((HEIGHT, WIDTH))

    def data(margin: int) -> NDArray[np.bool_]:
        across, down = cols + rows / 10, rows + cols / 12
        return np.asarray(
            (across > 20 + margin)
            & (across < 167 - margin)
            & (down > 17 + margin)
            & (down < 148 - margin)
        )

    rng = np.random.default_rng(1)
    values = 100 * np.sqrt(speckle(HEIGHT, WIDTH, mean=1.0)) + 30
    values[60:75, 20:90] = 0
    values[data(5) & (rng.random(values.shape) < 0.01)] = 0
    values[~data(0)] = rng.integers(0, 5, values.shape)[~data(0)] if border_noise else 0
    values[:, 0] = 0
    return values.astype(dtype)


# What is read


@pytest.mark.parametrize("unit", ["intensity", None])
def test_all_but_damaged_blocks(whole: Path, unit: str | None) -> None:
    blocks = [(0, 0), (3, 4), (3, 5), (4, 4), (4, 5), (9, 10)]
    bad = damage(copied(whole), *blocks)
    with pytest.raises(InputError, match="cannot be read"):
        assert_same_but_for(np.zeros(0, bool), [bad], [bad])
    lost = touched((HEIGHT, WIDTH), (16, 16), *blocks)
    missing = assert_same_but_for(lost, [whole], [bad], unit=unit)
    assert [part.split(": ")[0] for part in missing.parts] == [
        f"{bad} cannot be read at rows 0 to 15, columns 0 to 15",
        f"{bad} cannot be read at rows 48 to 79, columns 64 to 95",
        f"{bad} cannot be read at rows 144 to 149, columns 160 to 169",
    ]
    assert all("IReadBlock failed at X offset" in part for part in missing.parts)


def test_nothing_is_missing_of_a_whole_scene(whole: Path) -> None:
    missing = assert_same_but_for(np.zeros((HEIGHT, WIDTH), bool), [whole], [whole])
    assert missing.parts == ()
    assert missing.times == 0


@pytest.mark.parametrize("compress", ["deflate", None])
@pytest.mark.parametrize("rows", [1, 8])
def test_a_truncated_file_is_read_up_to_where_it_ends(
    tmp_path: Path, rows: int, compress: str | None
) -> None:
    values = speckle(HEIGHT, WIDTH)
    path = write_raster(tmp_path / "a_vv.tif", values, blockysize=rows, compress=compress)
    bad = copied(path)
    ((end, _),) = extents(path, (90 // rows, 0))
    bad.write_bytes(bad.read_bytes()[: end + 5])
    lost = np.zeros(values.shape, bool)
    lost[90 // rows * rows :] = True
    missing = assert_same_but_for(lost, [path], [bad])
    assert len(missing.parts) == 1
    assert f"rows {90 // rows * rows} to 149, columns 0 to 169" in missing.parts[0]


def test_a_file_that_cannot_be_read_anywhere_is_an_error(tmp_path: Path, whole: Path) -> None:
    everywhere = [(row, col) for row in range(10) for col in range(11)]
    bad = damage(copied(whole, "bad_vh.tif"), *everywhere)
    for reading in ({}, {"unit": "intensity"}):
        with (
            pytest.raises(InputError, match=r"bad_vh\.tif cannot be read.*Copy or download"),
            opened(whole, bad, **reading) as scene,
        ):
            read(scene)
    few = write_raster(tmp_path / "few_vv.tif", speckle(20, 30), **TILED)
    damage(few, (0, 0), (0, 1), (1, 1))
    with opened(few) as scene:
        assert read(scene)[1].sum() == 4 * 16


def test_one_file_of_two(tmp_path: Path, whole: Path) -> None:
    other = write_raster(tmp_path / "other_vh.tif", speckle(HEIGHT, WIDTH, seed=1), **STRIPED)
    bad = damage(copied(other, "bad_vh.tif"), (4, 0), (5, 0))
    lost = touched((HEIGHT, WIDTH), (8, WIDTH), (4, 0), (5, 0))
    missing = assert_same_but_for(lost, [whole, other], [whole, bad])
    assert len(missing.parts) == 1
    assert f"{bad} cannot be read at rows 32 to 47, columns 0 to 169:" in missing.parts[0]
    with opened(whole, bad) as scene:
        assert scene.read(Window(0, 0, HEIGHT, WIDTH), [0])[1].all()


def test_bands_of_one_file_that_miss_the_same_are_told_once(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s_vv_vh.tif", speckle(2, 64, 64), **TILED, interleave="pixel")
    bad = damage(copied(path, "bad_vv_vh.tif"), (1, 1))
    missing = assert_same_but_for(touched((64, 64), (16, 16), (1, 1)), [path], [bad])
    assert len(missing.parts) == 1


def test_every_read_that_meets_something_missing_counts(whole: Path) -> None:
    bad = damage(copied(whole), (3, 4))
    with opened(bad, unit="intensity") as scene:
        for window, times in [
            (Window(0, 0, 48, WIDTH), 0),
            (Window(40, 60, 20, 20), 1),
            (Window(48, 64, 1, 1), 2),
            (Window(48, 63, 1, 1), 2),
            (Window(0, 0, HEIGHT, WIDTH), 3),
        ]:
            scene.read(window, [0])
            assert scene.missing.times == times
        assert len(scene.missing.parts) == 1


# Where the data are


NEAR_THE_EDGES = [(0, 0), (0, 2), (0, 10), (2, 1), (2, 2), (3, 9), (4, 4), (8, 0), (8, 7), (9, 5)]


@pytest.mark.parametrize("block", NEAR_THE_EDGES)
def test_the_outline_of_the_data_is_that_of_the_whole_scene(tmp_path: Path, block: Place) -> None:
    values = slanted("float32")
    path = write_raster(tmp_path / "a_vv.tif", values, **TILED)
    bad = damage(copied(path), block)
    lost = touched(values.shape, (16, 16), block)
    missing = assert_same_but_for(lost, [path], [bad], unit="amplitude")
    assert len(missing.parts) == 1


@pytest.mark.parametrize(
    ("profile", "size", "block"),
    [
        *((TILED, (16, 16), block) for block in NEAR_THE_EDGES),
        *((STRIPED, (8, WIDTH), (row, 0)) for row in (0, 1, 2, 9, 16, 18)),
    ],
)
def test_the_outline_among_noise_keeps_at_most_a_few_pixels_more(
    tmp_path: Path, profile: dict[str, Any], size: tuple[int, int], block: Place
) -> None:
    path = write_raster(tmp_path / "a_vv.tif", slanted("uint16", border_noise=True), **profile)
    bad = damage(copied(path), block)
    lost = touched((HEIGHT, WIDTH), size, block)
    with Scene.open([path]) as scene:
        expected = read(scene)[1] & ~lost
        assert 0.5 < expected.mean() < 0.9
    with opened(bad) as scene:
        kept = read(scene)[1]
    assert not (expected & ~kept).any()
    more = kept & ~expected
    assert more.sum() <= 10
    top, left = block[0] * size[0], block[1] * size[1]
    more[max(top - 7, 0) : top + size[0] + 7, max(left - 7, 0) : left + size[1] + 7] = False
    assert not more.any()


def test_the_first_read_counts_what_it_meets_itself(tmp_path: Path) -> None:
    bad = damage(write_raster(tmp_path / "a_vv.tif", slanted("float32"), **TILED), (4, 4))
    with opened(bad, unit="amplitude") as scene:
        scene.read(Window(100, 100, 20, 20), [0])
        assert scene.missing.times == 0
        assert len(scene.missing.parts) == 1  # the outline has met it


@settings(max_examples=30, deadline=None)
@given(
    top=st.integers(0, 9),
    left=st.integers(0, 10),
    height=st.integers(1, 4),
    width=st.integers(1, 4),
)
def test_no_rectangle_of_blocks_changes_what_is_round_it(
    tmp_path_factory: pytest.TempPathFactory, top: int, left: int, height: int, width: int
) -> None:
    folder = tmp_path_factory.mktemp("outline")
    values = slanted("float32")
    path = write_raster(folder / "a_vv.tif", values, **TILED)
    blocks = [
        (row, col)
        for row in range(top, min(top + height, 10))
        for col in range(left, min(left + width, 11))
    ]
    bad = damage(copied(path), *blocks)
    lost = touched(values.shape, (16, 16), *blocks)
    missing = assert_same_but_for(lost, [path], [bad], unit="amplitude")
    assert len(missing.parts) == 1


def test_data_that_reach_the_edge_keep_their_zeros_beside_a_damaged_block(tmp_path: Path) -> None:
    values = speckle(64, 64)
    values[20:30, 16:20] = 0
    path = write_raster(tmp_path / "a_vv.tif", values, **TILED)
    bad = damage(copied(path), (1, 0))
    assert_same_but_for(touched((64, 64), (16, 16), (1, 0)), [path], [bad])


# Other ways to read


def test_within_an_area(whole: Path) -> None:
    bad = damage(copied(whole), (3, 4), (8, 8))
    lost = touched((HEIGHT, WIDTH), (16, 16), (3, 4))[50:90, 70:120]
    missing = assert_same_but_for(lost, [whole], [bad], area="70,50,120,90", unit="intensity")
    assert len(missing.parts) == 1


def test_warped(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a_vv.tif", speckle(64, 64), **TILED, **PLACED)
    bad = damage(copied(path), (1, 1))
    with Scene.open([path], Reading(resolution=40)) as scene:
        assert scene.georeference.transform == from_origin(620_040, 4_830_120, 40, 40)
        values, valid = read(scene)
    with opened(bad, resolution=40) as scene:
        found, kept = read(scene)
        assert len(scene.missing.parts) == 1
    np.testing.assert_array_equal(kept, valid & ~touched((32, 32), (8, 8), (1, 1)))
    away = kept & ~touched((32, 32), (10, 10), (0, 0), (0, 1), (1, 0), (1, 1))
    np.testing.assert_array_equal(found[0][away], values[0][away])


def test_a_mask_that_cannot_be_read_lets_no_pixel_through(tmp_path: Path) -> None:
    image = write_raster(tmp_path / "a_vv.tif", speckle(64, 64), **TILED, **PLACED)
    mask = write_raster(
        tmp_path / "a_layover_shadow.tif", np.zeros((64, 64), np.uint8), **TILED, **PLACED
    )
    bad = damage(copied(mask, "bad_layover_shadow.tif"), (2, 1))
    lost = touched((64, 64), (16, 16), (2, 1))
    names = ("VV", "layover_shadow")
    missing = assert_same_but_for(lost, [image, mask], [image, bad], bands=names)
    assert missing.times == 1
    nothing = np.zeros_like(lost)
    assert_same_but_for(nothing, [image, mask], [image, bad], bands=names, keep_layover=True)
    with opened(image, bad, bands=names, to_crs="EPSG:32631", resolution=20) as scene:
        assert (~read(scene)[1]).sum() >= 256


def test_an_auxiliary_band(tmp_path: Path, whole: Path) -> None:
    heights = np.zeros((HEIGHT, WIDTH), np.float32)  # sea level
    path = write_raster(tmp_path / "dem.tif", heights, **TILED)
    bad = damage(copied(path, "bad_dem.tif"), (0, 3))
    names = ("VV", "elevation")
    lost = touched((HEIGHT, WIDTH), (16, 16), (0, 3))
    assert_same_but_for(lost, [whole, path], [whole, bad], bands=names)


def test_a_product(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(40, 400, (80, 120)).astype(np.uint16)
    product = Safe({"VV": numbers, "VH": numbers}).write(tmp_path)
    with Scene.open([product]) as scene:
        values, valid = read(scene)
    (image,) = product.glob("measurement/*-vh-*.tiff")
    write_raster(image, numbers, **STRIPED)
    damage(image, (3, 0))
    with opened(product) as scene:
        found, kept = read(scene)
        assert "rows 24 to 31, columns 0 to 119" in scene.missing.parts[0]
    np.testing.assert_array_equal(kept, valid & ~touched((80, 120), (8, 120), (3, 0)))
    np.testing.assert_array_equal(found[:, kept], values[:, kept])


def test_a_mosaic_is_missing_by_its_blocks_whatever_is_read_first(tmp_path: Path) -> None:
    source = write_raster(tmp_path / "source.tif", speckle(300, 300), **TILED)
    mosaic = tmp_path / "s_vv.vrt"
    rasterio.shutil.copy(source, mosaic, driver="VRT")
    damage(source, (9, 9))
    lost = touched((300, 300), (128, 128), (1, 1))
    with opened(mosaic, unit="intensity") as scene:
        for window in (Window(200, 100, 50, 50), Window(0, 0, 300, 300), Window(100, 250, 50, 50)):
            _, valid = scene.read(window, [0])
            part = window.slices_in(Window(0, 0, 300, 300))
            np.testing.assert_array_equal(valid, ~lost[part])


# Servers


def test_a_server_that_cannot_send_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    tiles = TILED | {"blockxsize": 128, "blockysize": 128}
    path = write_raster(tmp_path / "a_vv.tif", speckle(512, 512), **tiles)
    ((start, _),) = extents(path, (2, 1))
    lost = touched((512, 512), (128, 128), (2, 1))
    with serving(path.read_bytes()) as server:
        server.broken = range(start + 30_000, start + 30_001)
        address = server.url("broken/a_vv.tif?signature=secret")
        missing = assert_same_but_for(lost, [path], [address], unit="intensity")
        (told,) = missing.parts
        assert told.startswith("http://")
        assert " cannot be read at rows 256 to 383, columns 128 to 255: " in told
        with (
            pytest.raises(InputError, match="Check the connection") as caught,
            Scene.open([address], Reading(unit="intensity")) as scene,
        ):
            read(scene)
    assert "secret" not in f"{told} {caught.value}"


def test_what_lies_behind_on_the_server_takes_nothing_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    tiles = TILED | {"blockxsize": 128, "blockysize": 128}
    path = write_raster(tmp_path / "a_vv.tif", speckle(512, 512), **tiles, nodata=-1.0)
    ((start, _),) = extents(path, (2, 1))
    with serving(path.read_bytes()) as server:
        server.broken = range(start + 30_000, start + 30_001)
        with opened(server.url("behind/a_vv.tif"), unit="intensity") as scene:
            for row, col in np.ndindex(4, 4):  # GDAL reads ahead of what is read in order
                _, valid = scene.read(Window(128 * row, 128 * col, 128, 128), [0])
                assert valid.all() == ((row, col) != (2, 1))


def test_what_a_server_has_failed_to_send_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    path = write_raster(tmp_path / "a_vv.tif", speckle(512, 512), blockysize=64, compress="deflate")
    ((start, _),) = extents(path, (2, 0))
    with serving(path.read_bytes()) as server:
        server.broken = range(start + 30_000, start + 30_001)
        with opened(server.url("again/a_vv.tif"), unit="intensity") as scene:
            scene.read(Window(128, 0, 10, 10), [0])
            asked = len(server.ranges)
            _, valid = scene.read(Window(130, 50, 60, 60), [0])
            assert len(server.ranges) == asked
            assert scene.missing.times == 2
    assert not valid.any()
