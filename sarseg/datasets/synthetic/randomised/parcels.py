"""How land is divided: which parcel a pixel belongs to, before anything grows there."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from sarseg.datasets.synthetic.noise import smooth_field

Numbers = NDArray[np.int32]

_PLOUGHED = 0.65
"""Share of patches that are divided into estates, strips and blocks; others into Voronoi cells."""
_OVERGROWN = 0.5
"""Share of patches with woods or lakes of irregular outline over the parcels."""
_SEPARATED = 0.4
"""Share of patches with tracks or ditches between parcels."""


def draw_parcels(size: int, rng: np.random.Generator) -> Numbers:
    """Parcel number of each pixel ``(size, size)``, from 0 on without a gap."""
    ploughed = rng.random() < _PLOUGHED
    parcels = _ploughed(size, rng) if ploughed else _voronoi(size, rng)
    if rng.random() < _OVERGROWN:
        field = smooth_field((size, size), rng.uniform(8.0, 40.0), rng)
        stands, _ = ndimage.label(field > rng.uniform(0.6, 1.4))
        parcels = np.where(stands > 0, stands + parcels.max(), parcels)
    if rng.random() < _SEPARATED:
        between = ndimage.binary_dilation(boundaries(parcels), iterations=int(rng.integers(1, 3)))
        parcels = np.where(between, parcels.max() + 1, parcels)
    return np.unique(parcels, return_inverse=True)[1].reshape(size, size).astype(np.int32)


def boundaries(parcels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels ``(H, W)`` that one of their eight neighbours does not share the parcel with."""
    return np.asarray(ndimage.maximum_filter(parcels, 3) != ndimage.minimum_filter(parcels, 3))


def _log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _voronoi(size: int, rng: np.random.Generator) -> Numbers:
    """Cells about random points, stretched in one direction."""
    rows, cols = np.mgrid[:size, :size]
    points = rng.uniform(-0.1 * size, 1.1 * size, (round(_log_uniform(12, 150, rng)), 2))
    angle, stretch = rng.uniform(0.0, np.pi), _log_uniform(1.0, 2.7, rng)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    metric = turn * np.array([[1.0], [stretch]])
    pixels = np.stack([rows.ravel(), cols.ravel()], axis=1) @ metric.T
    nearest = cKDTree(points @ metric.T).query(pixels)[1]
    return np.asarray(nearest, np.int32).reshape(size, size)


def _ploughed(size: int, rng: np.random.Generator) -> Numbers:
    """Estates, each cut in its own direction into strips, and these into blocks."""
    rows, cols = np.mgrid[:size, :size].astype(np.float32)
    count = 1 if rng.random() < 0.5 else int(rng.integers(2, 6))
    centres = rng.uniform(0.0, size, (count, 2))
    estate = np.argmin([(rows - y) ** 2 + (cols - x) ** 2 for y, x in centres], axis=0)
    parcels = np.zeros((size, size), np.int32)
    for number in range(count):
        inside = estate == number
        if inside.any():
            parcels[inside] = _strips(rows[inside], cols[inside], rng) + parcels.max() + 1
    return parcels


def _strips(
    rows: NDArray[np.float32], cols: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.int32]:
    """Number of the block that each of N pixels lies in, from 0 on."""
    angle = rng.uniform(0.0, np.pi)
    across = np.cos(angle) * cols + np.sin(angle) * rows
    along = np.cos(angle) * rows - np.sin(angle) * cols
    width = _log_uniform(14.0, 110.0, rng)
    strip = _cut(across, width, rng)
    length = width * _log_uniform(1.0, 5.0, rng)
    shift = rng.uniform(0.0, length, strip.max() + 1)  # blocks of neighbours do not line up
    block = _cut(along + shift[strip], length, rng)
    keys = strip.astype(np.int64) * (block.max() + 1) + block
    return np.unique(keys, return_inverse=True)[1].astype(np.int32)


def _cut(
    places: NDArray[np.floating], length: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Number of the piece that each place lies in; pieces are about ``length`` long."""
    start, end = float(places.min()), float(places.max())
    pieces = rng.uniform(0.5, 1.6, int((end - start) / (0.5 * length)) + 2) * length
    return np.searchsorted(start + np.cumsum(pieces), places).astype(np.int64)
