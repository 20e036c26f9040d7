"""Splits by squares of the scene, with a guard between them.

Neighbouring pixels are alike, so those of a split have to lie together and apart from the others
(Roberts et al. 2017, "Cross-validation strategies for data with temporal, spatial, hierarchical, or
phylogenetic structure", Ecography 40).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.sample import Split
from sarseg.datasets.splits.base import PARTS, Splits
from sarseg.errors import UsageError
from sarseg.scenes.grid import Grid
from sarseg.scenes.window import Window


@dataclass(frozen=True)
class SpatialBlocks:
    """Squares of ``size`` pixels, dealt at random by ``seed``.

    ``shares`` of the scene go to train, validation and test (their sum does not matter). Pixels
    that are not further than ``guard`` pixels from a block of another split belong to none.

    Raises UsageError where that makes no sense.
    """

    size: int
    guard: int = 0
    shares: tuple[float, float, float] = (70.0, 15.0, 15.0)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < 1:
            raise UsageError(f"--block-size is {self.size}; a block has at least one pixel a side.")
        if self.guard < 0:
            raise UsageError(f"--guard is {self.guard}; a distance is at least 0 pixels.")
        if 2 * self.guard >= self.size:
            raise UsageError(
                f"--guard {self.guard} leaves nothing of blocks of {self.size} pixels; it must be "
                "less than half a block. Give a smaller one, or a larger --block-size."
            )
        if self.seed < 0:
            raise UsageError(f"--split-seed is {self.seed}; give a whole number from 0.")
        if min(self.shares) < 0 or not 0 < sum(self.shares) < float("inf"):
            raise UsageError(
                f"--shares is {self._shown_shares()}; give three numbers from 0 for train, "
                "validation and test, as in 70,15,15."
            )

    def _shown_shares(self) -> str:
        return ",".join(f"{share:g}" for share in self.shares)

    @property
    def description(self) -> str:
        """What was done, as a phrase."""
        return (
            f"blocks of {self.size} pixels, shares {self._shown_shares()}, guard {self.guard} "
            f"pixels, seed {self.seed}"
        )


class BlockSplits(Splits):
    """The pixels of a scene divided by ``blocks``.

    Blocks are counted from the scene's upper left pixel; those at its lower and right edges may be
    smaller. Raises UsageError where there are fewer than splits.
    """

    def __init__(self, blocks: SpatialBlocks, grid: Grid) -> None:
        self.description = blocks.description
        self.leaves_nothing = (
            f"--guard {blocks.guard} leaves no labelled pixel of blocks of {blocks.size} pixels: "
            "give a smaller one, or a larger --block-size."
        )
        self.remedy = "another --split-seed or a smaller --block-size may help"
        self.intended = tuple(
            split for split, share in zip(PARTS, blocks.shares, strict=True) if share > 0
        )
        height, width = grid.georeference.height, grid.georeference.width
        heights, widths = _lengths(height, blocks.size), _lengths(width, blocks.size)
        if len(heights) * len(widths) < len(self.intended):
            raise UsageError(
                f"{grid.name} has {height} x {width} pixels, which is {len(heights)} x "
                f"{len(widths)} blocks of {blocks.size}: too few for {len(self.intended)} splits. "
                "Give a smaller --block-size."
            )
        areas = np.outer(heights, widths)
        self._parts = _dealt(areas.ravel(), blocks.shares, blocks.seed).reshape(areas.shape)
        self._size, self._guard = blocks.size, blocks.guard

    def read(self, window: Window) -> dict[Split, NDArray[np.bool_]]:
        """See ``Splits``."""
        shape = len(PARTS), window.height, window.width
        own, near = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        reach = window.padded(self._guard)
        rows, cols = (
            range(max(first, 0) // self._size, min(-(-end // self._size), count))
            for first, end, count in zip(
                (reach.row, reach.col),
                (reach.row_end, reach.col_end),
                self._parts.shape,
                strict=True,
            )
        )
        for row in rows:
            for col in cols:
                part = self._parts[row, col]
                block = Window(row * self._size, col * self._size, self._size, self._size)
                _mark(own[part], window, block, 0)
                _mark(near[part], window, block, self._guard)
        return {
            split: own[part] & ~np.delete(near, part, axis=0).any(axis=0)
            for part, split in enumerate(PARTS)
        }


def _lengths(length: int, size: int) -> NDArray[np.int64]:
    """Pixels of each block along one side of a scene."""
    return np.diff(np.append(np.arange(0, length, size), length))


def _dealt(areas: NDArray[np.int64], shares: Sequence[float], seed: int) -> NDArray[np.int64]:
    """Which split (index into PARTS) each of ``areas`` (N,) goes to.

    Large blocks first, in random order, each to the split that lacks most of its share: so none
    gets more than a block too much. The last blocks are kept for splits that would get none.
    """
    random = np.random.default_rng(seed).permutation(len(areas))
    order = random[np.argsort(-areas[random], kind="stable")]
    wanted = np.array(shares) / sum(shares) * areas.sum()
    lacking = wanted.copy()
    parts = np.full(len(areas), -1)
    without = set(np.flatnonzero(wanted).tolist())
    for left, block in zip(range(len(order), 0, -1), order, strict=True):
        candidates = sorted(without) if left == len(without) else range(len(lacking))
        part = max(candidates, key=lambda each: lacking[each])
        parts[block] = part
        lacking[part] -= areas[block]
        without.discard(part)
    return parts


def _mark(image: NDArray[np.bool_], window: Window, block: Window, distance: int) -> None:
    """Set the pixels of ``window``, in ``image``, not further than ``distance`` from ``block``."""
    around = block.padded(distance)
    rows = np.arange(max(around.row, window.row), min(around.row_end, window.row_end))
    cols = np.arange(max(around.col, window.col), min(around.col_end, window.col_end))
    down = _away(rows, block.row, block.row_end)
    across = _away(cols, block.col, block.col_end)
    near = down[:, None] ** 2 + across**2 <= distance**2
    image[np.ix_(rows - window.row, cols - window.col)] |= near


def _away(positions: NDArray[np.int64], first: int, end: int) -> NDArray[np.int64]:
    """How many pixels ``positions`` lie before ``first``, or behind the last before ``end``."""
    return np.maximum(np.maximum(first - positions, positions - (end - 1)), 0)
