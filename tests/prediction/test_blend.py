import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sarseg.classes import NODATA
from sarseg.prediction.blend import FinishedRows, RowBlender, blend_weights
from sarseg.prediction.tiles import TileGrid
from sarseg.scenes.window import Window


@st.composite
def grids(draw: st.DrawFn) -> TileGrid:
    tile = draw(st.integers(2, 24))
    return TileGrid(
        height=draw(st.integers(1, 70)),
        width=draw(st.integers(1, 70)),
        tile=tile,
        overlap=draw(st.integers(0, tile // 2)),
    )


def random_probabilities(rng: np.random.Generator, classes: int, *shape: int) -> np.ndarray:
    drawn = rng.dirichlet(np.ones(classes), shape).astype(np.float32)
    return np.moveaxis(drawn, -1, 0)


def inside(grid: TileGrid, window: Window) -> np.ndarray:
    """Validity of a tile of a scene that is valid everywhere."""
    valid = np.zeros((window.height, window.width), bool)
    valid[window.within(grid.height, grid.width).slices_in(window)] = True
    return valid


def joined(grid: TileGrid, finished: list[FinishedRows]) -> tuple[np.ndarray, np.ndarray]:
    """The map from its rows, which must come in order and without gaps."""
    row = 0
    for rows in finished:
        assert rows.row == row
        row += len(rows.classes)
    assert row == grid.height
    return (
        np.concatenate([rows.classes for rows in finished]),
        np.concatenate([rows.confidence for rows in finished]),
    )


@given(tile=st.integers(1, 300), data=st.data())
def test_weights_are_never_zero_and_largest_in_the_middle(tile: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, tile // 2))
    weights = blend_weights(tile, overlap)
    assert weights.shape == (tile, tile)
    assert weights.min() >= 1
    assert weights.max() == weights[tile // 2, tile // 2]
    np.testing.assert_array_equal(weights, weights[::-1, ::-1].T)
    ramp = weights[tile // 2, :overlap].astype(int)
    assert (np.diff(ramp) >= 0).all()
    # Sums of 16 bit probabilities stay within 32 bits where four tiles meet.
    profile = weights[tile // 2, :].astype(int) // 254
    assert (profile[:overlap] + profile[tile - overlap :]).max(initial=0) <= 256


@settings(deadline=None)
@given(grid=grids(), seed=st.integers(0, 2**32 - 1))
def test_tiles_that_agree_give_exactly_that(grid: TileGrid, seed: int) -> None:
    probabilities = random_probabilities(np.random.default_rng(seed), 4)
    blender = RowBlender(4, grid)
    finished = []
    for window in grid:
        tile = np.broadcast_to(probabilities[:, None, None], (4, grid.tile, grid.tile))
        finished.append(blender.add(window, tile, inside(grid, window)))
    classes, confidence = joined(grid, [rows for rows in finished if rows])
    assert classes.shape == (grid.height, grid.width)
    assert (classes == probabilities.argmax()).all()
    assert len(np.unique(confidence)) == 1
    assert abs(float(confidence[0, 0]) - 100 * probabilities.max()) <= 0.501


@settings(deadline=None)
@given(grid=grids(), seed=st.integers(0, 99))
def test_is_the_weighted_mean_of_all_tiles(grid: TileGrid, seed: int) -> None:
    """Against full-size accumulators in double precision, with invalid pixels and empty tiles."""
    rng = np.random.default_rng(seed)
    scene_valid = rng.random((grid.height, grid.width)) < 0.8
    scene_valid[: grid.height // 2, : grid.width // 2] = False
    weights = blend_weights(grid.tile, grid.overlap).astype(float)
    sums = np.zeros((3, grid.height, grid.width))
    blender, finished = RowBlender(3, grid), []
    for window in grid:
        part = window.within(grid.height, grid.width)
        inner = part.slices_in(window)
        scene = slice(part.row, part.row_end), slice(part.col, part.col_end)
        valid = np.zeros((grid.tile, grid.tile), bool)
        valid[inner] = scene_valid[scene]
        probabilities = None
        if valid.any():
            probabilities = random_probabilities(rng, 3, grid.tile, grid.tile)
            sums[:, *scene] += (weights * probabilities)[:, *inner]
        finished.append(blender.add(window, probabilities, valid))
    classes, confidence = joined(grid, [rows for rows in finished if rows])
    np.testing.assert_array_equal(classes == NODATA, ~scene_valid)
    np.testing.assert_array_equal(confidence == NODATA, ~scene_valid)
    mean = sums[:, scene_valid] / sums[:, scene_valid].sum(axis=0)
    chosen = np.take_along_axis(mean, classes[scene_valid][None].astype(int), axis=0)[0]
    np.testing.assert_allclose(chosen, mean.max(axis=0), atol=1e-4)
    np.testing.assert_allclose(confidence[scene_valid], 100 * mean.max(axis=0), atol=0.51)


def test_tiles_fade_into_each_other() -> None:
    """Two tiles that contradict each other: confidence falls to a half between them and rises."""
    grid = TileGrid(height=10, width=120, tile=80, overlap=40)
    blender, finished = RowBlender(2, grid), []
    for number, window in enumerate(grid):
        probabilities = np.zeros((2, 80, 80), np.float32)
        probabilities[number % 2] = 1.0
        finished.append(blender.add(window, probabilities, inside(grid, window)))
    classes, confidence = joined(grid, [rows for rows in finished if rows])
    assert classes[5, :40].tolist() == [0] * 40
    assert classes[5, 40:80].tolist() == [1] * 40
    steps = np.abs(np.diff(confidence[5].astype(int)))
    assert steps.max() <= 5
    assert confidence[5].min() in (50, 51, 52)


def test_memory_does_not_grow_with_the_height() -> None:
    def peak(height: int) -> int:
        grid = TileGrid(height, 200, 64, 16)
        tile = np.full((5, 64, 64), 0.2, np.float32)
        valid = np.ones((64, 64), bool)
        tracemalloc.start()
        blender = RowBlender(5, grid)
        for window in grid:
            blender.add(window, tile, valid)
        largest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return largest

    assert peak(5_000) < 1.1 * peak(500)
