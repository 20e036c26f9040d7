"""FUSAR-Map folders as they are released: made-up tiles in the exact layout and palettes."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from scipy import ndimage

from sarseg.datasets.fusar import FusarRelease

_DRIVERS = {".tif": "GTiff", ".png": "PNG", ".jpg": "JPEG"}
_LOOKS = 4
_LEVELS_DB = (-24.0, 6.0)
"""Mean backscatter of the first and of the last class; the others lie evenly between."""


def write_image(
    path: Path, values: NDArray, colour_table: dict[int, tuple[int, int, int]] | None = None
) -> Path:
    """Write ``values`` (bands, rows, cols) in the format that the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    driver = _DRIVERS[path.suffix]
    options = {"compress": "deflate"} if driver == "GTiff" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver, width, height, count, dtype=values.dtype, **options
        ) as dataset:
            if colour_table is not None:
                dataset.write_colormap(1, colour_table)
            dataset.write(values)
    return path


def picture(release: FusarRelease, ids: NDArray) -> NDArray[np.uint8]:
    """Class ids (rows, cols) as the RGB picture (3, rows, cols) that the release has."""
    palette = np.array([entry.colour for entry in release.classes], np.uint8)
    return np.moveaxis(palette[ids], -1, 0)


def write_labels(
    path: Path, release: FusarRelease, ids: NDArray, *, colour_table: bool = False
) -> Path:
    """Write class ids (rows, cols) as an RGB picture, or as one with a colour table."""
    if not colour_table:
        return write_image(path, picture(release, ids))
    table = {entry.id: entry.colour for entry in release.classes}
    return write_image(path, ids[None].astype(np.uint8), table)


def striped_ids(release: FusarRelease, size: int) -> NDArray[np.uint8]:
    """Class ids (size, size) in which every class occurs."""
    ids = np.arange(size) % len(release.classes)
    return np.broadcast_to(ids, (size, size)).astype(np.uint8)


def write_release(
    root: Path,
    release: FusarRelease,
    image: NDArray,
    *,
    train: int = 3,
    test: int = 1,
    colour_table: bool = False,
    name: Callable[[str, int], str] = lambda layer, i: f"FUSAR_{i:02d}_{layer}.tif",
) -> NDArray[np.uint8]:
    """A release whose tiles are all ``image`` (bands, S, S); returns the class ids of each."""
    ids = striped_ids(release, image.shape[-1])
    for part, count in (("train", train), ("test", test)):
        for i in range(count):
            write_image(root / "SAR" / part / name("SAR", i), image)
            label = root / "LAB" / part / name("Label", i)
            write_labels(label, release, ids, colour_table=colour_table)
    return ids


def write_learnable_release(
    root: Path,
    release: FusarRelease,
    *,
    size: int = 64,
    train: int = 12,
    test: int = 4,
    tiles_of_scene: int = 4,
    seed: int = 0,
    colour_table: bool = False,
) -> Path:
    """A release in which each class has a backscatter of its own, under speckle of four looks.

    Tiles are ``size`` x ``size`` pixels of 16 bits; each scene has ``tiles_of_scene`` of them,
    called ``sceneA_00_01_SAR.tif`` by row and column; test tiles are of scenes of their own.
    """
    generator = np.random.default_rng(seed)
    scene = 0
    for part, count in (("train", train), ("test", test)):
        for tile in range(count):
            of_scene = tile % tiles_of_scene
            scene += of_scene == 0
            row, col = divmod(of_scene, 2)
            stem = f"scene{chr(64 + scene)}_{row:02d}_{col:02d}"
            ids = _patches(len(release.classes), size, generator)
            write_image(
                root / "SAR" / part / f"{stem}_SAR.tif", _amplitude(release, ids, generator)
            )
            label = root / "LAB" / part / f"{stem}_Label.tif"
            write_labels(label, release, ids, colour_table=colour_table)
    return root


def _patches(classes: int, size: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Class ids (size, size) in patches of about an eighth of the tile."""
    noise = generator.standard_normal((classes, size, size))
    smooth = ndimage.gaussian_filter(noise, (0, size / 12, size / 12), mode="wrap")
    return smooth.argmax(axis=0).astype(np.uint8)


def _amplitude(
    release: FusarRelease, ids: NDArray, generator: np.random.Generator
) -> NDArray[np.uint16]:
    """Digital numbers (1, size, size) of a detected image of the classes ``ids``."""
    level = 10 ** (np.linspace(*_LEVELS_DB, len(release.classes)) / 10)
    intensity = level[ids] * generator.gamma(_LOOKS, 1 / _LOOKS, ids.shape)
    return np.minimum(1000 * np.sqrt(intensity), 65535).astype(np.uint16)[None]
