import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarseg.errors import UsageError
from sarseg.prediction.tiles import TileGrid
from sarseg.scenes.window import Window


@st.composite
def grids(draw: st.DrawFn) -> TileGrid:
    tile = draw(st.integers(1, 40))
    return TileGrid(
        height=draw(st.integers(1, 130)),
        width=draw(st.integers(1, 130)),
        tile=tile,
        overlap=draw(st.integers(0, tile // 2)),
    )


@settings(deadline=None)
@given(grid=grids())
def test_tiles_cover_every_pixel_in_row_order(grid: TileGrid) -> None:
    covered = np.zeros((grid.height, grid.width), int)
    for window in grid:
        assert (window.height, window.width) == (grid.tile, grid.tile)
        inside = window.within(grid.height, grid.width)
        assert not inside.empty
        covered[inside.row : inside.row_end, inside.col : inside.col_end] += 1
    assert covered.min() >= 1
    assert covered.max() <= 4
    windows = list(grid)
    assert windows == sorted(windows, key=lambda window: (window.row, window.col))
    assert windows == [window for row in grid.rows() for window in row]
    assert len(grid) == len(windows)


@settings(deadline=None)
@given(grid=grids())
def test_the_last_ones_know_it(grid: TileGrid) -> None:
    rows = list(grid.rows())
    for row in rows:
        assert grid.in_last_row(row[0]) == (row == rows[-1])
        assert [grid.in_last_column(window) for window in row] == [False] * (len(row) - 1) + [True]


def test_neighbours_overlap_and_the_border_overhangs() -> None:
    grid = TileGrid(height=100, width=300, tile=64, overlap=16)
    assert [window.col for window in next(grid.rows())] == [-8, 40, 88, 136, 184, 232, 280]
    assert [row[0].row for row in grid.rows()] == [-8, 40, 88]


@pytest.mark.parametrize(
    ("length", "start"), [(1, -8), (48, -8), (56, -8), (57, -7), (63, -1), (64, 0)]
)
def test_a_scene_no_larger_than_a_tile_is_one_tile(length: int, start: int) -> None:
    assert list(TileGrid(length, length, 64, 16)) == [Window(start, start, 64, 64)]


@pytest.mark.parametrize("overlap", [-1, 33, 64])
def test_an_overlap_beyond_half_a_tile_is_refused(overlap: int) -> None:
    with pytest.raises(UsageError, match="choose 0 to 32"):
        TileGrid(100, 100, 64, overlap)
