"""GDAL's block cache: room for what is read again, and no more."""

from contextlib import AbstractContextManager

from sarseg.model.card import ModelCard
from sarseg.prediction.tiles import TileGrid
from sarseg.scenes.block_cache import block_cache
from sarseg.scenes.reader import Scene

_SMALLEST = 64 * 2**20
_LARGEST_BLOCK = 512  # rows and columns of a tiled GeoTIFF's block, as usual
_BYTES_PER_VALUE = 4


def bounded_cache(
    scene: Scene, grid: TileGrid, card: ModelCard, width: int
) -> AbstractContextManager[None]:
    """GDAL's block cache with room for the blocks under one row of tiles of a strip of ``width``
    columns."""
    return block_cache(cache_bytes(scene, grid, card, width))


def cache_bytes(scene: Scene, grid: TileGrid, card: ModelCard, width: int) -> int:
    """What ``bounded_cache`` allows."""
    rows, cols = grid.tile + _LARGEST_BLOCK, width + _LARGEST_BLOCK
    block = scene.sources[0]
    if block.block_cols >= scene.whole.width:  # lines of the whole file, however narrow the strip
        rows, cols = grid.tile + block.block_rows, scene.whole.width
    return max(rows * cols * len(card.inputs) * _BYTES_PER_VALUE, _SMALLEST)
