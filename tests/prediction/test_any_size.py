"""What a map must not depend on: where a scene was cut, strips, output names, invalid numbers."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine
from torch import Tensor, nn
from torch.nn import functional

from sarseg.errors import UsageError
from sarseg.prediction.budget import WIDEST_STRIP, predicted_bytes, strip_width
from sarseg.prediction.finished import finished_map
from sarseg.prediction.predictor import predict_scene
from sarseg.prediction.settings import PredictSettings
from sarseg.prediction.tiles import TileGrid
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from tests.rasters import speckle, write_raster
from tests.toy import toy_card, toy_model

PLACE = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500_003, 0, -10, 5_700_007)}
SETTINGS = PredictSettings(confidence=True, batch_size=4, precision="float32")


class Surroundings(nn.Module):
    """Classes by what lies round a pixel within the tile, and by where in the tile it lies."""

    def forward(self, bands: Tensor) -> Tensor:
        around = functional.avg_pool2d(bands[:, :2], 31, 1, 15)  # zeros beyond the edge
        place = torch.linspace(-0.5, 0.5, bands.shape[-1])
        return 3 * torch.cat([around, place.expand_as(bands[:, :1])], dim=1)


def predict(scene_file: Path, output: Path, **changed: Any) -> np.ndarray:
    """The bands of a map by a model that sees its tiles' edges."""
    reading = changed.pop("reading", Reading())
    chosen = PredictSettings(**{**SETTINGS.__dict__, **changed})
    with Scene.open([scene_file], reading) as scene:
        predict_scene(scene, toy_model(Surroundings()), output, chosen)
    with rasterio.open(output) as landcover:
        return np.asarray(landcover.read())


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return speckle(2, 330, 420, mean=0.08)


def test_a_crop_is_mapped_as_in_the_whole(tmp_path: Path, values: np.ndarray) -> None:
    """By whatever program it was cut out: its transform says where."""
    whole = predict(write_raster(tmp_path / "a_vv_vh.tif", values, **PLACE), tmp_path / "a.tif")
    row, col = 37, 53
    moved = PLACE["transform"] * Affine.translation(col, row)
    cut = write_raster(
        tmp_path / "b_vv_vh.tif", values[:, row:, col:], crs=PLACE["crs"], transform=moved
    )
    part = predict(cut, tmp_path / "b.tif")
    np.testing.assert_array_equal(part[:, 64:-64, 64:-64], whole[:, row + 64 : -64, col + 64 : -64])
    assert len(np.unique(part[0])) == 3


@pytest.mark.parametrize("place", [PLACE, {}])
def test_an_area_of_interest_is_mapped_as_in_the_whole(
    tmp_path: Path, values: np.ndarray, place: dict[str, Any]
) -> None:
    scene = write_raster(tmp_path / "a_vv_vh.tif", values, **PLACE)
    whole = predict(scene, tmp_path / "a.tif")
    left, top = PLACE["transform"] * (53, 37)
    area = f"{left},{top - 2500},{left + 3000},{top}"
    part = predict(scene, tmp_path / "b.tif", reading=Reading(area=area))
    assert part.shape == (2, 250, 300)
    np.testing.assert_array_equal(
        part[:, 64:-64, 64:-64], whole[:, 37 + 64 : 37 + 186, 53 + 64 : 53 + 236]
    )


def test_numbers_of_invalid_pixels_change_nothing(tmp_path: Path, values: np.ndarray) -> None:
    mask = np.random.default_rng(0).random(values.shape[1:]) < 0.1
    mask[100:200, 100:250] = True
    maps = []
    for number, filling in enumerate((np.float32(-9999), speckle(*mask.shape, seed=7))):
        filled = np.where(mask, filling, values).astype(np.float32)
        path = write_raster(tmp_path / f"{number}_vv_vh.tif", filled)
        with rasterio.open(path, "r+") as dataset:
            dataset.write_mask(~mask)
        maps.append(predict(path, tmp_path / f"{number}.tif"))
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0][0] == 255, mask)


def test_strips_and_names_change_no_byte(
    tmp_path: Path, values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = write_raster(tmp_path / "a_vv_vh.tif", values, **PLACE)
    predict(scene, tmp_path / "a.tif")
    for widest in (64, 100, 256):
        monkeypatch.setattr("sarseg.prediction.planning.WIDEST_STRIP", widest)
        predict(scene, tmp_path / f"{widest}.tif")
        assert (tmp_path / f"{widest}.tif").read_bytes() == (tmp_path / "a.tif").read_bytes()


def test_mirrored_views_of_a_mirrored_scene_are_the_mirrored_map(
    tmp_path: Path, values: np.ndarray
) -> None:
    part = values[:, :64, :64]  # one tile
    maps = [
        predict(write_raster(tmp_path / f"{n}_vv_vh.tif", turned), tmp_path / f"{n}.tif", views=v)
        for n, (turned, v) in enumerate(
            [
                (part, "flips"),
                (part[:, ::-1], "flips"),
                (part, "turns"),
                (part[:, :, ::-1].swapaxes(1, 2), "turns"),
            ]
        )
    ]
    np.testing.assert_array_equal(maps[1], maps[0][:, ::-1])
    np.testing.assert_array_equal(maps[3], maps[2][:, :, ::-1].swapaxes(1, 2))


def test_finished_maps_are_known(tmp_path: Path, values: np.ndarray) -> None:
    path = write_raster(tmp_path / "a_vv_vh.tif", values, **PLACE)
    predict(path, tmp_path / "a.tif")
    model = toy_model(Surroundings())

    def differences(**changed: Any) -> tuple[str, ...]:
        chosen = PredictSettings(**{**SETTINGS.__dict__, **changed})
        with Scene.open([path], Reading(**reading)) as scene:
            found = finished_map(tmp_path / "a.tif", scene, model, chosen)
        assert found is not None
        assert found.missing == 0
        return found.differences

    reading: dict[str, Any] = {}
    assert differences() == ()
    assert differences(batch_size=None, precision="auto", memory=10**9) == ()
    for changed, told in (
        ({"overlap": 3}, "--overlap was 16 and is now 3"),
        ({"entropy": True}, "bands was class, confidence and is now class, confidence, entropy"),
        ({"window": "flat"}, "--blend was gaussian and is now flat"),
        ({"views": "flips"}, "--tta was none and is now flips"),
        ({"batch_size": 3}, "--batch-size was 4 and is now 3"),
        ({"precision": "bfloat16"}, "--precision was float32 and is now bfloat16"),
    ):
        (found,) = differences(**changed)
        assert found.endswith(told)
    reading = {"nodata": 0.5}
    assert differences() == ("--nodata was not given and is now 0.5",)
    reading = {}
    path.touch()
    assert differences() == ("a_vv_vh.tif changed after it was made",)
    made = (tmp_path / "a.tif").stat()
    write_raster(path, values[:, ::-1], **PLACE)  # another scene of that name, as old as its map
    os.utime(path, ns=(made.st_atime_ns, made.st_mtime_ns))
    assert differences() == ("the scene's files hold something else",)
    (tmp_path / "a.tif").write_bytes(b"something else")
    with Scene.open([path]) as scene:
        assert finished_map(tmp_path / "a.tif", scene, model, SETTINGS) is None
        assert finished_map(path, scene, model, SETTINGS) is None


@pytest.fixture(scope="module")
def open_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Scene.open([write_raster(tmp_path_factory.mktemp("m") / "a_vv.tif", speckle(9, 9))]) as it:
        yield it


@settings(deadline=None)
@given(
    side=st.integers(1, 100_000),
    batch=st.integers(1, 64),
    bands=st.integers(1, 20),
    memory=st.integers(1, 20 * 10**9),
)
def test_strips_fit_the_memory(
    open_scene: Scene, side: int, batch: int, bands: int, memory: int
) -> None:
    grid, card = TileGrid(side, side, 448, 112), toy_card(tile_size=448)
    base = 500 * 10**6

    def needed(width: int) -> int:
        return predicted_bytes(open_scene, grid, card, bands, batch, width, base=base)

    if needed(min(side, 448)) > memory:
        with pytest.raises(UsageError, match=f"--memory {memory / 1e9:.2f}GB is not enough"):
            strip_width(open_scene, grid, card, bands, batch, base=base, memory=memory)
        return
    width = strip_width(open_scene, grid, card, bands, batch, base=base, memory=memory)
    assert min(side, 448) <= width <= min(side, WIDEST_STRIP)
    assert needed(width) <= memory
    wider = width + grid.stride
    assert wider > min(side, WIDEST_STRIP) or needed(wider) > memory
