"""Which tiles cover a scene: pure arithmetic."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from sarseg.errors import UsageError
from sarseg.scenes.window import Window

_LARGEST_PART = 7, 8
"""Of a tile that may overlap: more would cost 64 times the tiles and say hardly anything new."""


@dataclass(frozen=True)
class TileGrid:
    """A regular grid of square tiles of ``tile`` pixels that overlap by ``overlap`` pixels.

    In each direction the scene is cut into cores of ``stride = tile - overlap`` pixels; a tile
    begins ``overlap // 2`` before its core, so that tiles at the border overhang the scene and
    every pixel has context on all sides. Cores begin at multiples of the stride in a frame in which
    the scene's first pixel is ``anchor`` (row, column): scenes that share a frame share their
    tiles, where both have them. A direction in which the scene is not longer than a tile gets one
    tile.

    At most seven eighths of a tile may overlap, UsageError otherwise.
    """

    height: int
    width: int
    tile: int
    overlap: int
    anchor: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        part, parts = _LARGEST_PART
        largest = self.tile * part // parts
        if not 0 <= self.overlap <= largest:
            raise UsageError(
                f"The overlap of {self.overlap} pixels does not fit tiles of {self.tile}: "
                f"choose 0 to {largest}."
            )

    @property
    def stride(self) -> int:
        """Pixels from one tile to the next."""
        return self.tile - self.overlap

    @cached_property
    def row_starts(self) -> range:
        """The first row of each row of tiles."""
        return self._starts(self.height, self.anchor[0])

    @cached_property
    def col_starts(self) -> range:
        """The first column of each column of tiles."""
        return self._starts(self.width, self.anchor[1])

    def __len__(self) -> int:
        return len(self.row_starts) * len(self.col_starts)

    def __iter__(self) -> Iterator[Window]:
        """All tiles in row order."""
        for row in self.row_starts:
            for col in self.col_starts:
                yield Window(row, col, self.tile, self.tile)

    def strips(self, widest: int | None = None) -> list["Strip"]:
        """The scene cut into strips of at most ``widest`` pixels, a tile or more; None: in one.

        Strips meet where a tile begins; tiles that reach across belong to both.
        """
        columns = len(self.col_starts)
        count = 1
        if widest is not None and self.width > widest:
            # the last strip is wider than its strides by what leads up to a core
            count = -(-columns // max((widest - self.overlap // 2) // self.stride, 1))
        cuts = [self.col_starts[columns * number // count] for number in range(1, count)]
        bounds = [0, *(cut for cut in cuts if cut > 0), self.width]
        return [Strip(self, col, col_end - col) for col, col_end in pairwise(bounds)]

    def _starts(self, length: int, anchor: int) -> range:
        lead = self.overlap // 2
        if length <= self.tile:
            # Shifted no further than that the tile still reaches the scene's end.
            start = -min(lead, self.tile - length)
            return range(start, start + 1)
        return range(-lead - anchor % self.stride, length - lead, self.stride)


@dataclass(frozen=True)
class Strip:
    """Columns [``col``, ``col + width``) of a scene, with all tiles that reach into them."""

    grid: TileGrid
    col: int
    width: int

    @cached_property
    def col_starts(self) -> tuple[int, ...]:
        """The first column of each column of tiles."""
        first, end = self.col - self.grid.tile, self.col + self.width
        return tuple(start for start in self.grid.col_starts if first < start < end)

    def __len__(self) -> int:
        return len(self.grid.row_starts) * len(self.col_starts)

    def tiles(self, first: int = 0) -> Iterator[Window]:
        """Tiles in row order, from number ``first`` on."""
        for number in range(first, len(self)):
            row, col = divmod(number, len(self.col_starts))
            starts = self.grid.row_starts[row], self.col_starts[col]
            yield Window(*starts, self.grid.tile, self.grid.tile)

    def finished_rows(self, number: int) -> tuple[int, int]:
        """First row, and the row after the last, that no tile after ``number`` of them touches,
        but ``number`` or earlier ones of its row of tiles do; none where it is not its last."""
        row, col = divmod(number, len(self.col_starts))
        starts = self.grid.row_starts
        first = max(starts[row], 0)
        if col + 1 < len(self.col_starts):
            return first, first
        end = self.grid.height if row + 1 == len(starts) else max(starts[row + 1], 0)
        return first, end
