"""Dividing the pixels of a scene: by a raster, by polygons, by blocks; never at random by pixel."""

from difflib import get_close_matches
from pathlib import Path

from sarseg.datasets.splits.base import PARTS, Splits
from sarseg.datasets.splits.blocks import BlockSplits, SpatialBlocks
from sarseg.datasets.splits.polygons import SplitPolygons
from sarseg.datasets.splits.raster import SplitRaster
from sarseg.errors import UsageError
from sarseg.scenes.grid import Grid
from sarseg.scenes.shapes import holds_shapes

__all__ = ["BLOCKS", "PARTS", "SpatialBlocks", "Splits", "open_splits"]

BLOCKS = "blocks"
"""The word that asks for blocks, where else the name of a file stands."""


def open_splits(split: str, scene: Grid, *, attribute: str | None, blocks: SpatialBlocks) -> Splits:
    """Divide the pixels of ``scene`` as ``split`` says: a raster or vector file, or ``blocks``.

    ``attribute`` says which split a polygon is; ``blocks`` how blocks are laid and dealt. See
    ``SplitRaster``, ``SplitPolygons`` and ``BlockSplits``.

    Raises InputError where a file cannot be used, UsageError where an option does not suit it.
    """
    path = Path(split)
    if split != BLOCKS and holds_shapes(path):
        return SplitPolygons(path, scene, attribute)
    if attribute is not None:
        raise UsageError(
            f"--split-attribute is for polygons, and --split is {split}: leave it out."
        )
    if split == BLOCKS:
        return BlockSplits(blocks, scene)
    if not path.exists() and get_close_matches(split.casefold(), [BLOCKS]):
        raise UsageError(f"--split is {split}, and there is no such file: did you mean {BLOCKS}?")
    return SplitRaster(path, scene)
