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
        overlap=draw(st.integers(0, tile * 7 // 8)),
        anchor=(draw(st.integers(-999, 999)), draw(st.integers(-999, 999))),
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
    assert covered.max() <= (-(-grid.tile // grid.stride)) ** 2
    windows = list(grid)
    assert windows == sorted(windows, key=lambda window: (window.row, window.col))
    assert len(grid) == len(windows)


@settings(deadline=None)
@given(grid=grids(), row=st.integers(0, 60), col=st.integers(0, 60))
def test_a_part_of_a_scene_has_the_tiles_of_the_whole(grid: TileGrid, row: int, col: int) -> None:
    """All that lie within both, if its anchor says which part it is."""
    height, width = grid.height - row, grid.width - col
    if min(height, width) <= grid.tile:
        return
    anchor = grid.anchor[0] + row, grid.anchor[1] + col
    part = TileGrid(height, width, grid.tile, grid.overlap, anchor)
    moved = {Window(each.row + row, each.col + col, each.height, each.width) for each in part}
    whole = set(grid)
    inner = Window(row, col, height, width)
    for one, other in ((moved, whole), (whole, moved)):
        within = {each for each in one if _lies_in(each, inner)}
        assert within <= other
    assert whole & moved


def _lies_in(window: Window, outer: Window) -> bool:
    return (
        outer.row <= window.row
        and outer.col <= window.col
        and window.row_end <= outer.row_end
        and window.col_end <= outer.col_end
    )


@settings(deadline=None)
@given(grid=grids(), widest=st.integers(1, 150))
def test_strips_hold_all_tiles_that_reach_into_them(grid: TileGrid, widest: int) -> None:
    widest = max(widest, grid.tile)
    strips = grid.strips(widest)
    assert strips[0].col == 0
    assert [strip.col + strip.width for strip in strips[:-1]] == [each.col for each in strips[1:]]
    assert strips[-1].col + strips[-1].width == grid.width
    for strip in strips:
        assert 0 < strip.width <= widest
        tiles = list(strip.tiles())
        reaching = [
            each for each in grid if each.col < strip.col + strip.width and each.col_end > strip.col
        ]
        assert tiles == reaching
        assert len(strip) == len(tiles)
        assert list(strip.tiles(2)) == tiles[2:]
    (whole,) = grid.strips()
    assert list(whole.tiles()) == list(grid)


@settings(deadline=None)
@given(grid=grids())
def test_rows_are_finished_once_and_when_no_later_tile_touches_them(grid: TileGrid) -> None:
    (strip,) = grid.strips()
    tiles = list(strip.tiles())
    next_row = 0
    for number in range(len(tiles)):
        first, end = strip.finished_rows(number)
        if first == end:
            continue
        assert first == next_row
        next_row = end
        assert all(tile.row >= end for tile in tiles[number + 1 :])
    assert next_row == grid.height


@settings(deadline=None)
@given(grid=grids())
def test_the_scene_could_do_without_no_row_and_no_column_of_tiles(grid: TileGrid) -> None:
    """The first and the last reach what no other does."""
    for starts, length in (grid.row_starts, grid.height), (grid.col_starts, grid.width):
        if len(starts) > 1:
            assert starts[1] > 0
            assert starts[-2] + grid.tile < length


def test_neighbours_overlap_and_those_at_the_border_may_overhang_it() -> None:
    grid = TileGrid(height=100, width=300, tile=64, overlap=16)
    assert list(grid.col_starts) == [0, 48, 96, 144, 192, 240]
    assert list(grid.row_starts) == [0, 48]
    anchored = TileGrid(height=100, width=300, tile=64, overlap=16, anchor=(48, 50))
    assert list(anchored.col_starts) == [-2, 46, 94, 142, 190, 238]
    assert list(anchored.row_starts) == [0, 48]


@pytest.mark.parametrize(("length", "start"), [(1, -31), (48, -8), (57, -3), (63, 0), (64, 0)])
def test_a_scene_no_larger_than_a_tile_is_in_the_middle_of_one(length: int, start: int) -> None:
    assert list(TileGrid(length, length, 64, 16)) == [Window(start, start, 64, 64)]


@pytest.mark.parametrize("overlap", [-1, 57, 64])
def test_an_overlap_beyond_seven_eighths_of_a_tile_is_refused(overlap: int) -> None:
    with pytest.raises(UsageError, match="choose 0 to 56"):
        TileGrid(100, 100, 64, overlap)
