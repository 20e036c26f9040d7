"""The features of a vector file on the pixel grid of a scene."""

from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from sarseg.errors import InputError
from sarseg.scenes.reader import Scene
from sarseg.scenes.shapes import read_shapes


def feature_extents(path: Path, scene: Scene) -> NDArray[np.float64]:
    """How far each feature of ``path`` reaches on ``scene``: (N, 4) left, top, right, bottom.

    In pixels of the scene, counted from its upper left corner and cut to it; a feature of one pixel
    is ``col, row, col + 1, row + 1``. Those that are narrower than a pixel there are left out. On
    the file, see ``read_shapes``.

    Raises InputError where no feature is left, or the file cannot be used.
    """
    shapes = read_shapes(
        path, scene.georeference, scene.name, "An earlier map is given by --boxes-from."
    )
    extents = np.clip(shapely.bounds(shapes), 0, [scene.width, scene.height] * 2)
    extents = extents[(extents[:, 2:] - extents[:, :2] >= 1).all(axis=1)]
    if not len(extents):
        raise InputError(
            f"No feature of {path} lies on {scene.name}, or none is as large as a pixel; check "
            "which place, and which CRS, they are for."
        )
    return extents
