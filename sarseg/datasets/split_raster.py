"""The split of each pixel of a scene, as a raster says it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.sample import Split
from sarseg.scenes.labels import AlignedRaster
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window

SPLIT_CODES: dict[int, Split] = {1: "train", 2: "validation", 3: "test"}
"""Values of a split raster; pixels of any other value belong to no split."""


class SplitRaster(AlignedRaster):
    """The split of each pixel on the grid of a scene: 1 train, 2 validation, 3 test, else none."""

    def __init__(self, path: Path, scene: Scene) -> None:
        super().__init__(path, scene, "split raster")

    def read(self, window: Window) -> dict[Split, NDArray[np.bool_]]:
        """The pixels of each split in ``window``, which lies within the scene."""
        values = self.values(window)
        return {split: values == code for code, split in SPLIT_CODES.items()}
