"""Which tiles cover a scene: pure arithmetic."""

from collections.abc import Iterator
from dataclasses import dataclass

from sarseg.errors import UsageError
from sarseg.scenes.window import Window


@dataclass(frozen=True)
class TileGrid:
    """A regular grid of square tiles of ``tile`` pixels that overlap by ``overlap`` pixels.

    Tile ``i`` of a direction serves the core ``[i * stride, (i + 1) * stride)`` with
    ``stride = tile - overlap`` and begins ``overlap // 2`` before it, so that tiles at the border
    overhang the scene and every pixel has context on all sides. A direction in which the scene is
    not longer than a tile gets one tile.

    At most half a tile may overlap: two tiles at most then meet in a direction. UsageError
    otherwise.
    """

    height: int
    width: int
    tile: int
    overlap: int

    def __post_init__(self) -> None:
        if not 0 <= self.overlap <= self.tile // 2:
            raise UsageError(
                f"The overlap of {self.overlap} pixels does not fit tiles of {self.tile}: "
                f"choose 0 to {self.tile // 2}."
            )

    @property
    def stride(self) -> int:
        """Pixels from one tile to the next."""
        return self.tile - self.overlap

    def __len__(self) -> int:
        return len(self._starts(self.height)) * len(self._starts(self.width))

    def rows(self) -> Iterator[list[Window]]:
        """The tiles of one tile row after the other, from left to right."""
        for row in self._starts(self.height):
            yield [Window(row, col, self.tile, self.tile) for col in self._starts(self.width)]

    def __iter__(self) -> Iterator[Window]:
        for row in self.rows():
            yield from row

    def in_last_row(self, window: Window) -> bool:
        """True where no tile of the grid lies below ``window``."""
        return window.row == self._starts(self.height)[-1]

    def in_last_column(self, window: Window) -> bool:
        """True where no tile of the grid lies right of ``window``."""
        return window.col == self._starts(self.width)[-1]

    def _starts(self, length: int) -> range:
        lead = self.overlap // 2
        if length <= self.tile:
            # Shifted no further than that the tile still reaches the scene's end.
            start = -min(lead, self.tile - length)
            return range(start, start + 1)
        return range(-lead, length - lead, self.stride)
