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

    In each direction tiles begin at multiples of ``stride = tile - overlap`` in a frame in which
    the scene's first pixel is ``anchor`` (row, column), so that scenes which share a frame share
    their tiles, where both have them. The first is the last that begins no later than the scene,
    the last the first that ends no earlier: those at the border may overhang it. A direction in
    which the scene is not longer than a tile gets one tile, with the scene in its middle.

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
            # the last tile of the last strip overlaps no other
            count = -(-columns // max((widest - self.overlap) // self.stride, 1))
        cuts = [self.col_starts[columns * number // count] for number in range(1, count)]
        bounds = [0, *cuts, self.width]
        return [Strip(self, col, col_end - col) for col, col_end in pairwise(bounds)]

    def _starts(self, length: int, anchor: int) -> range:
        if length <= self.tile:
            start = -((self.tile - length) // 2)
            return range(start, start + 1)
        return range(-(anchor % self.stride), length - self.overlap, self.stride)


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
