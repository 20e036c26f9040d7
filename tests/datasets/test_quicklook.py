"""The contact sheet of a folder of chips."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from sarseg.datasets.chips import write_chips
from tests.rasters import speckle, write_raster

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

WATER, ROAD = (0, 0, 255), (255, 255, 0)
GREY = (225, 225, 225)


def sheet(folder: Path) -> NDArray[np.uint8]:
    with rasterio.open(folder / "quicklook.png") as dataset:
        assert dataset.driver == "PNG"
        return np.moveaxis(dataset.read(), 0, -1)


def tiled(
    folder: Path, bands: NDArray[np.float32], ids: NDArray[np.uint8] | None, size: int
) -> NDArray[np.uint8]:
    names = ("VV", "VH", "HH")[: len(bands)]
    scene = write_raster(folder / "s.tif", bands, descriptions=names, nodata=np.nan)
    table = folder / "table.yaml"
    table.write_text(
        f"1: {{name: water, colour: {[*WATER]}}}\n2: {{name: road, colour: {[*ROAD]}}}"
    )
    labels = None
    if ids is not None:
        labels = write_raster(folder / "l.tif", ids, nodata=0)
    write_chips(
        [str(scene)], folder / "chips", size=size, labels=labels,
        class_names=None if labels is None else table,
    )  # fmt: skip
    assert {entry.name for entry in (folder / "chips").iterdir()} <= {
        "chips.json", "images", "labels", "quicklook.png",
    }  # fmt: skip
    return sheet(folder / "chips")


def test_shows_chips_beside_their_labels(tmp_path: Path) -> None:
    bands = speckle(2, 64, 64)
    bands[:, :32, :32] = np.nan
    bands[:, :4, :4] = 0.1
    ids = np.ones((64, 64), np.uint8)
    ids[:, 32:] = 2
    ids[40:48, 40:48] = 0
    picture = tiled(tmp_path, bands, ids, size=32)
    height, width, _ = picture.shape
    assert (height, width) == (16 + 2 + 40, 6 * 72)
    strip, rest = picture[:16], picture[18:]
    assert (strip[:, : width // 2] == WATER).all()
    assert (strip[:, width // 2 :] == ROAD).all()
    pairs = [rest[4:36, 72 * number + 4 :][:, :64] for number in range(4)]
    images, labels = zip(*((pair[:, :32], pair[:, 32:]) for pair in pairs), strict=True)
    assert (labels[0][:4, :4] == WATER).all()
    assert (labels[0][4:] == GREY).all()
    assert (labels[1] == ROAD).all()
    assert (labels[2] == WATER).all()
    assert (labels[3][8:16, 8:16] == GREY).all()
    assert (labels[3] == ROAD).all(axis=-1).sum() == 32 * 32 - 64
    assert (images[0][4:] == 255).all()
    for image in images[1:]:
        assert image.std(axis=(0, 1)).min() > 30
    assert (rest[:, 72 * 4 :] == 255).all()


@pytest.mark.parametrize("count", [1, 3])
def test_bands_are_channels(tmp_path: Path, count: int) -> None:
    picture = tiled(tmp_path, speckle(count, 64, 64), None, size=64)
    image = picture[-68:-4, 4:68].astype(int)
    assert (np.ptp(image, axis=-1) == 0).all() == (count == 1)
    assert image.std() > 30
    assert (picture[-68:-4, 68:132] == GREY).all()


def test_large_chips_are_reduced_and_many_are_thinned_out(tmp_path: Path) -> None:
    bands = speckle(1, 300, 3000)
    bands[:, :, 1500:] *= 100
    ids = np.ones((300, 3000), np.uint8)
    picture = tiled(tmp_path, bands, ids, size=300)
    # halves do not divide evenly: 3 pixels become one
    assert picture.shape == (16 + 2 + 2 * 108, 6 * 208, 3)
    dark, light = picture[22:122, 4:104], picture[18 + 108 + 4 :][:100, 3 * 208 + 4 :][:, :100]
    assert dark.mean() < 80
    assert light.mean() > 170
    (tmp_path / "many").mkdir()
    many = tiled(tmp_path / "many", speckle(1, 64, 1024), None, size=16)
    assert many.shape == (2 + 4 * 24, 6 * 40, 3)


def test_is_left_out_on_request(tmp_path: Path) -> None:
    scene = write_raster(tmp_path / "s_vv.tif", speckle(32, 32))
    write_chips([str(scene)], tmp_path / "chips", size=32, quicklook=False)
    assert not (tmp_path / "chips" / "quicklook.png").exists()
    write_chips([str(scene)], tmp_path / "chips", size=32, overwrite=True)
    assert (tmp_path / "chips" / "quicklook.png").exists()
    write_chips([str(scene)], tmp_path / "chips", size=16, overwrite=True)
