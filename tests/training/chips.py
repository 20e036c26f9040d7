"""Small folders of chips to train on."""

from pathlib import Path

import numpy as np
import rasterio

from sarseg.datasets.chips import write_chips
from sarseg.datasets.synthetic import simulate, write_scene


def two_band_chips(folder: Path, size: int = 64) -> Path:
    """Chips of a simulated scene: six for training, two for validation."""
    scene, labels, split = folder / "scene.tif", folder / "labels.tif", folder / "split.tif"
    write_scene(simulate(7, 2 * size, 4 * size), scene, labels)
    parts = np.ones((2 * size, 4 * size), np.uint8)
    parts[:, 3 * size :] = 2
    with rasterio.open(labels) as like, rasterio.open(split, "w", **like.profile) as opened:
        opened.write(parts, 1)
    write_chips([str(scene)], folder / "chips", size=size, labels=labels, split=split)
    return folder / "chips"
