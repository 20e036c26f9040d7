import tracemalloc
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarseg.classes import NODATA, LandCoverClass
from sarseg.prediction.blend import CERTAIN, BlendWindow, StripBlender, blend_profile
from sarseg.prediction.layers import MapLayers
from sarseg.prediction.regrouping import Regrouping
from sarseg.prediction.tiles import Strip, TileGrid
from sarseg.scenes.window import Window

WINDOWS = get_args(BlendWindow)


def layers(num_classes: int, **asked: bool) -> MapLayers:
    """Class ids are channels."""
    classes = tuple(
        LandCoverClass(id=number, name=f"c{number}", colour=(0, 0, 0))
        for number in range(num_classes)
    )
    return MapLayers(Regrouping(classes, tuple(range(num_classes))), **asked)


@st.composite
def grids(draw: st.DrawFn) -> TileGrid:
    tile = draw(st.integers(2, 24))
    return TileGrid(
        height=draw(st.integers(1, 70)),
        width=draw(st.integers(1, 70)),
        tile=tile,
        overlap=draw(st.integers(0, tile * 7 // 8)),
        anchor=(draw(st.integers(0, 99)), draw(st.integers(0, 99))),
    )


def random_probabilities(rng: np.random.Generator, classes: int, *shape: int) -> np.ndarray:
    drawn = rng.dirichlet(np.ones(classes), shape).astype(np.float32)
    return np.moveaxis(drawn, -1, 0)


def inside(grid: TileGrid, window: Window) -> np.ndarray:
    """Validity of a tile of a scene that is valid everywhere."""
    valid = np.zeros((window.height, window.width), bool)
    valid[window.within(grid.height, grid.width).slices_in(window)] = True
    return valid


class Answers:
    """What a model says of each tile, and where the scene is valid."""

    def __init__(self, grid: TileGrid, num_classes: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.grid = grid
        self.valid = rng.random((grid.height, grid.width)) < 0.8
        self.valid[: grid.height // 2, : grid.width // 2] = False
        self.of = {
            window: random_probabilities(rng, num_classes, grid.tile, grid.tile) for window in grid
        }

    def valid_in(self, window: Window) -> np.ndarray:
        valid = np.zeros((window.height, window.width), bool)
        part = window.within(self.grid.height, self.grid.width)
        valid[part.slices_in(window)] = self.valid[part.row : part.row_end, part.col : part.col_end]
        return valid


def blended(
    strip: Strip, answers: Answers, asked: MapLayers, window: BlendWindow = "hann"
) -> np.ndarray:
    """The bands (n, H, width) of a strip."""
    blender = StripBlender(strip, len(asked.regrouping.groups), window)
    rows = []
    for number, tile in enumerate(strip.tiles()):
        valid = answers.valid_in(tile)
        if valid.any():
            blender.add(tile, answers.of[tile], valid)
        first, end = strip.finished_rows(number)
        rows.append(asked.of(blender.finished(first, end, tile.row)))
        if (number + 1) % len(strip.col_starts) == 0:
            blender.next_row()
    return np.concatenate(rows, axis=1)


@given(tile=st.integers(1, 300), window=st.sampled_from(WINDOWS), data=st.data())
def test_weights_are_never_zero_and_largest_in_the_middle(
    tile: int, window: BlendWindow, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, tile * 7 // 8))
    profile = blend_profile(window, tile, overlap).astype(int)
    assert profile.shape == (tile,)
    assert profile.min() >= 1
    np.testing.assert_array_equal(profile, profile[::-1])
    assert (np.diff(profile[: (tile + 1) // 2]) >= 0).all()
    # Sums stay within 32 bits, however many tiles meet.
    stride = tile - overlap
    meeting = np.zeros(stride, int)
    np.add.at(meeting, np.arange(tile) % stride, profile)
    assert meeting.max() ** 2 * CERTAIN < 2**32


@pytest.mark.parametrize("window", WINDOWS)
def test_windows_are_what_they_are_called(window: BlendWindow) -> None:
    profile = blend_profile(window, 256, 128) / blend_profile(window, 256, 128).max()
    position = (np.arange(256) + 0.5) / 256
    expected = {
        "hann": np.sin(np.pi * position) ** 2,
        "pyramid": 1 - np.abs(2 * position - 1),
        "gaussian": np.exp(-0.5 * ((position - 0.5) * 8) ** 2),
        "flat": np.ones(256),
    }[window]
    np.testing.assert_allclose(profile, expected, atol=0.005)


@settings(deadline=None)
@given(grid=grids(), window=st.sampled_from(WINDOWS), seed=st.integers(0, 2**32 - 1))
def test_tiles_that_agree_give_exactly_that(grid: TileGrid, window: BlendWindow, seed: int) -> None:
    probabilities = random_probabilities(np.random.default_rng(seed), 4)
    answers = Answers(grid, 1, 0)
    answers.valid[:] = True
    constant = np.broadcast_to(probabilities[:, None, None], (4, grid.tile, grid.tile))
    answers.of = dict.fromkeys(grid, np.ascontiguousarray(constant))
    asked = layers(4, confidence=True, entropy=True, probabilities=True)
    bands = blended(grid.strips()[0], answers, asked, window)
    assert bands.shape == (7, grid.height, grid.width)
    assert (bands == bands[:, :1, :1]).all()
    first = bands[:, 0, 0].astype(float)
    assert first[0] == probabilities.argmax()
    assert abs(first[1] - 100 * probabilities.max()) <= 0.513  # and half of one part of CERTAIN
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum(probabilities * np.log(probabilities)) / np.log(4)
    assert abs(first[2] - 100 * entropy) <= 0.6
    np.testing.assert_allclose(first[3:], 100 * probabilities, atol=0.513)


@settings(deadline=None)
@given(grid=grids(), window=st.sampled_from(WINDOWS), seed=st.integers(0, 99))
def test_is_the_weighted_mean_of_all_tiles(grid: TileGrid, window: BlendWindow, seed: int) -> None:
    """Against full-size accumulators in double precision, with invalid pixels and empty tiles."""
    answers = Answers(grid, 3, seed)
    profile = blend_profile(window, grid.tile, grid.overlap).astype(float)
    weights = np.outer(profile, profile)
    sums = np.zeros((3, grid.height, grid.width))
    for tile, probabilities in answers.of.items():
        part = tile.within(grid.height, grid.width)
        scene = slice(part.row, part.row_end), slice(part.col, part.col_end)
        sums[:, *scene] += (weights * probabilities)[:, *part.slices_in(tile)]
    classes, confidence = blended(grid.strips()[0], answers, layers(3, confidence=True), window)
    np.testing.assert_array_equal(classes == NODATA, ~answers.valid)
    np.testing.assert_array_equal(confidence == NODATA, ~answers.valid)
    mean = sums[:, answers.valid] / sums[:, answers.valid].sum(axis=0)
    chosen = np.take_along_axis(mean, classes[answers.valid][None].astype(int), axis=0)[0]
    np.testing.assert_allclose(chosen, mean.max(axis=0), atol=3e-4)
    np.testing.assert_allclose(confidence[answers.valid], 100 * mean.max(axis=0), atol=0.52)


@settings(deadline=None)
@given(grid=grids(), widest=st.integers(1, 70), seed=st.integers(0, 99))
def test_strips_side_by_side_are_the_whole(grid: TileGrid, widest: int, seed: int) -> None:
    """To the last digit: no sum depends on what else is added."""
    answers = Answers(grid, 3, seed)
    asked = layers(3, confidence=True, entropy=True, probabilities=True)
    (whole,) = grid.strips()
    strips = grid.strips(max(widest, grid.tile))
    beside = np.concatenate([blended(strip, answers, asked) for strip in strips], axis=2)
    np.testing.assert_array_equal(beside, blended(whole, answers, asked))


def test_tiles_fade_into_each_other() -> None:
    """Two tiles that contradict each other: confidence falls to a half between them and rises."""
    grid = TileGrid(height=10, width=120, tile=80, overlap=40)
    answers = Answers(grid, 2, 0)
    answers.valid[:] = True
    for number, tile in enumerate(grid):
        answers.of[tile] = np.zeros((2, 80, 80), np.float32)
        answers.of[tile][number % 2] = 1.0
    classes, confidence = blended(grid.strips()[0], answers, layers(2, confidence=True))
    assert classes[5, :60].tolist() == [0] * 60
    assert classes[5, 60:].tolist() == [1] * 60
    steps = np.abs(np.diff(confidence[5].astype(int)))
    assert steps.max() <= 5
    assert confidence[5].min() in (50, 51, 52)


def test_grouped_classes_compete_with_the_sum_of_their_probabilities() -> None:
    classes = tuple(LandCoverClass(id=i, name=n, colour=(0, 0, 0)) for i, n in ((9, "a"), (4, "b")))
    asked = MapLayers(
        Regrouping(classes, (1, 0, 1)), confidence=True, entropy=True, probabilities=True
    )
    assert asked.bands == (
        "class",
        "confidence",
        "entropy",
        "probability of a",
        "probability of b",
    )
    sums = np.array([30, 40, 30, 0], np.uint32)[:, None, None] * np.uint32(CERTAIN)
    sums[3] = 100
    bands = asked.of(sums)
    assert bands[:, 0, 0].tolist() == [4, 60, 97, 40, 60]


def test_of_equally_probable_classes_the_first_is_taken() -> None:
    sums = np.array([0, 5, 5, 0], np.uint32)[:, None, None] * np.uint32(CERTAIN)
    sums[3] = 10
    assert layers(3, confidence=True).of(sums)[:, 0, 0].tolist() == [1, 50]


def test_memory_does_not_grow_with_the_height() -> None:
    def peak(height: int) -> int:
        grid = TileGrid(height, 200, 64, 16)
        (strip,) = grid.strips()
        answer = np.full((5, 64, 64), 0.2, np.float32)
        tracemalloc.start()
        blender = StripBlender(strip, 5)
        for number, tile in enumerate(strip.tiles()):
            blender.add(tile, answer, inside(grid, tile))
            first, end = strip.finished_rows(number)
            layers(5).of(blender.finished(first, end, tile.row))
            if (number + 1) % len(strip.col_starts) == 0:
                blender.next_row()
        largest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return largest

    peak(500)  # what is compiled once
    assert peak(5_000) < 1.3 * peak(500)
