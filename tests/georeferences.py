"""Georeferences for tests."""

import numpy as np
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from sarseg.scenes.georeference import Georeference

HEIGHT, WIDTH = 200, 300


def bent(col: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slant-range-like geometry: rotated, not square, and bent by about a pixel."""
    x = 73.2 + 2e-4 * col - 3e-5 * row + 5e-9 * col**2 - 3e-9 * col * row
    y = 30.4 - 4e-5 * col - 1.6e-4 * row + 4e-9 * row**2 + 2e-9 * col**2
    return np.column_stack([x, y])


def gcp_georeference() -> Georeference:
    cols, rows = np.meshgrid(np.linspace(0, WIDTH, 7), np.linspace(0, HEIGHT, 5))
    points = tuple(
        GroundControlPoint(row=row, col=col, x=x, y=y, z=0.0)
        for col, row, (x, y) in zip(
            cols.ravel(), rows.ravel(), bent(cols.ravel(), rows.ravel()), strict=True
        )
    )
    return Georeference(HEIGHT, WIDTH, None, None, points, CRS.from_epsg(4326))
