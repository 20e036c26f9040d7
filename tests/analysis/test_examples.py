from pathlib import Path

import numpy as np
import pytest
from rasterio.transform import from_origin

from sarseg.analysis.examples import example_tiles, simulated_scene
from sarseg.errors import InputError, ModelError
from sarseg.filters.preparation import BandScaling, Preparation
from sarseg.model.bands import BandInputs, BandSlot
from sarseg.scenes.reader import Scene
from tests.rasters import speckle, write_raster
from tests.toy import toy_card

SIDE = 64
PLACE = from_origin(500_170, 5_000_330, 10, 10)
CARD = toy_card(
    preparation=Preparation(
        despeckle=None, scaling=(BandScaling(centre=0.0, spread=1.0),) * 2, clip=1000.0
    )
)


def scene_file(folder: Path, empty_columns: int) -> Path:
    """4 x 6 tiles, the first columns nodata, each tile of another level."""
    levels = np.arange(24).reshape(4, 6).repeat(SIDE, axis=0).repeat(SIDE, axis=1)
    values = (10.0 ** (levels / 10)).astype(np.float32)
    values[:, : empty_columns * SIDE] = np.nan
    return write_raster(folder / "s_vv.tif", values, crs="EPSG:32631", transform=PLACE)


@pytest.mark.parametrize(("empty", "count", "expected"), [(0, 5, 5), (5, 9, 4), (3, 50, 12)])
def test_tiles_are_valid_and_not_side_by_side(
    tmp_path: Path, empty: int, count: int, expected: int
) -> None:
    with Scene.open([scene_file(tmp_path, empty)]) as scene:
        tiles = example_tiles(scene, CARD, count)
    assert len(tiles) == expected
    numbers = [round(float(tile[0].mean())) for tile in tiles]
    assert all(tile.shape == (2, SIDE, SIDE) for tile in tiles)
    assert len(set(numbers)) == expected
    assert all(number % 6 >= empty for number in numbers)
    if empty == 0:
        assert np.diff(sorted(numbers)).max() <= 12
        assert max(numbers) - min(numbers) >= 12


def test_a_scene_without_a_valid_tile(tmp_path: Path) -> None:
    with (
        Scene.open([scene_file(tmp_path, 6)]) as scene,
        pytest.raises(InputError, match=r"s_vv\.tif is 90% valid"),
    ):
        example_tiles(scene, CARD, 1)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("bands", [("VV", "VH"), ("HV",), ("HH", "HV", "VH", "VV")])
def test_simulated_tiles_suit_the_model(count: int, bands: tuple[str, ...]) -> None:
    slots = tuple(BandSlot(name=band, accepts=(band,)) for band in bands)
    card = toy_card(inputs=BandInputs(slots=slots))
    with simulated_scene(card, count) as scene:
        path = Path(scene.sources[0].files[0])
        tiles = example_tiles(scene, card, count)
        assert path.exists()
    assert not path.exists()
    assert [tile.shape for tile in tiles] == [(len(bands), SIDE, SIDE)] * count
    assert all(np.isfinite(tile).all() and tile.std() > 0.1 for tile in tiles)


@pytest.mark.parametrize("shape", [(40, 50), (64, 64), (100, 130), (127, 300)])
def test_scenes_of_any_size_have_tiles(tmp_path: Path, shape: tuple[int, int]) -> None:
    values = speckle(*shape)
    path = write_raster(tmp_path / "s_vv.tif", values, crs="EPSG:32631", transform=PLACE)
    with Scene.open([path]) as scene:
        tiles = example_tiles(scene, CARD, 99)
    assert len(tiles) == max(shape[0] // SIDE, 1) * max(shape[1] // SIDE, 1)
    levels = np.round(10 * np.log10(values), 3)
    for tile in tiles:
        assert np.isin(np.round(tile[0], 3), levels).mean() > 0.99


def test_bands_that_are_not_simulated() -> None:
    slots = tuple(BandSlot(name=name, accepts=(name,)) for name in ("VV", "DEM"))
    card = toy_card(inputs=BandInputs(slots=slots))
    with pytest.raises(ModelError, match="takes DEM, which is not simulated"):
        simulated_scene(card, 1).__enter__()
    grey = toy_card(preparation=CARD.preparation.model_copy(update={"quantity": "amplitude"}))
    with pytest.raises(ModelError, match="images of amplitudes"):
        simulated_scene(grey, 1).__enter__()
