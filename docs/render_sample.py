"""Draw docs/sample.png from the results of ``make demo``: scene, truth, map, polygons.

python docs/render_sample.py
"""

from pathlib import Path

import geopandas
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.features import rasterize

Picture = NDArray[np.uint8]

REDUCTION = 4
DARKEST_DB, BRIGHTEST_DB = -25.0, 0.0


def main() -> None:
    """Scene and truth above, map and polygons below, each reduced by ``REDUCTION``."""
    panels = [
        radar(Path("sample_data/scene.tif")),
        colours_of(Path("sample_data/scene_truth.tif")),
        colours_of(Path("demo/landcover.tif")),
        outlined(Path("demo/landcover.tif"), Path("demo/landcover.gpkg")),
    ]
    rows = [joined(panels[:2], axis=1), joined(panels[2:], axis=1)]
    picture = joined(rows, axis=0)
    profile = {"driver": "PNG", "height": picture.shape[0], "width": picture.shape[1]}
    with rasterio.open("docs/sample.png", "w", count=3, dtype="uint8", **profile) as opened:
        opened.write(picture.transpose(2, 0, 1))


def joined(pictures: list[Picture], axis: int) -> Picture:
    """Pictures of one size in a row (axis 1) or column (axis 0), white between them."""
    shape = list(pictures[0].shape)
    shape[axis] = 8
    gap = np.full(shape, 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis)


def radar(path: Path) -> Picture:
    """First band in grey, averaged."""
    with rasterio.open(path) as opened:
        shape = -(-opened.height // REDUCTION), -(-opened.width // REDUCTION)
        decibels = opened.read(1, out_shape=shape, resampling=Resampling.average)
    share = (decibels - DARKEST_DB) / (BRIGHTEST_DB - DARKEST_DB)
    grey = (np.clip(np.nan_to_num(share), 0, 1) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def colours_of(path: Path) -> Picture:
    """A class raster in the colours of its own table; nodata is black."""
    with rasterio.open(path) as opened:
        table = np.zeros((256, 3), np.uint8)
        for value, colour in opened.colormap(1).items():
            table[value] = colour[:3]
        table[int(opened.nodata)] = 0
        picture: Picture = table[opened.read(1)[::REDUCTION, ::REDUCTION]]
        return picture


def outlined(raster: Path, polygons: Path) -> Picture:
    """Outlines of the polygons in black over the pale colours of the raster they came from."""
    with rasterio.open(raster) as opened:
        transform = opened.transform * opened.transform.scale(REDUCTION)
        shape = -(-opened.height // REDUCTION), -(-opened.width // REDUCTION)
    lines = geopandas.read_file(polygons).boundary
    drawn = rasterize(lines, out_shape=shape, transform=transform, all_touched=True)
    pale = 255 - (255 - colours_of(raster)) // 2
    pale[drawn > 0] = 0
    return pale


if __name__ == "__main__":
    main()
