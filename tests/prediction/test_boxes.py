"""The boxes of each tile, from features and from an earlier map."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sarseg.decoders.boxes import box_of, scaled
from sarseg.errors import InputError
from sarseg.model.card import ModelCard
from sarseg.prediction.boxes import BoxSource, FeatureBoxes, MapBoxes
from sarseg.prediction.tiles import TileGrid
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window
from tests.features import write_features
from tests.rasters import speckle, write_raster
from tests.toy import CLASSES, toy_card
from tests.vectors.maps import write_map

HEIGHT, WIDTH = 70, 90
FOREGROUND = CLASSES[0]


def card(**settings: Any) -> ModelCard:
    rest = FOREGROUND.model_copy(update={"id": 0, "name": "not dark"})
    return toy_card().model_copy(
        update={
            "classes": (rest, FOREGROUND),
            "decoder": "box-prompted",
            "decoder_settings": settings,
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boxes")
    write_raster(folder / "s_vv.tif", speckle(HEIGHT, WIDTH))
    return folder


def boxes_in(
    source: BoxSource, folder: Path, windows: Sequence[Window], **settings: Any
) -> list[np.ndarray]:
    with (
        Scene.open([folder / "s_vv.tif"]) as scene,
        source.on(scene, card(**settings)) as in_window,
    ):
        return [in_window(window) for window in windows]


rectangles = st.tuples(
    st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.integers(1, 60), st.integers(1, 60)
)
windows = st.builds(
    Window, st.integers(-20, HEIGHT - 1), st.integers(-20, WIDTH - 1), st.just(32), st.just(32)
)
in_one_folder = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def in_tile(mask: np.ndarray, window: Window) -> np.ndarray:
    """The part of ``mask`` in ``window``, False beyond the scene."""
    padded = np.pad(mask, 64)
    rows, cols = (slice(start + 64, start + 96) for start in (window.row, window.col))
    return padded[rows, cols]


@in_one_folder
@given(st.lists(rectangles, min_size=1, max_size=4), st.lists(windows, min_size=1, max_size=4))
def test_features_prompt_like_the_masks_that_they_fill(
    folder: Path, rectangles: list[tuple[int, int, int, int]], windows: list[Window]
) -> None:
    path = folder / "boxes.gpkg"
    path.unlink(missing_ok=True)
    shapes = [shapely.box(col, row, col + wide, row + high) for col, row, wide, high in rectangles]
    write_features(path, shapes)
    found = boxes_in(FeatureBoxes(path), folder, windows)
    for window, boxes in zip(windows, found, strict=True):
        expected = []
        for col, row, wide, high in rectangles:
            mask = np.zeros((HEIGHT, WIDTH), np.bool_)
            mask[row : row + high, col : col + wide] = True
            box = box_of(in_tile(mask, window))
            expected += [box] if box else []
        assert boxes.shape == (len(expected), 4)
        np.testing.assert_allclose(sorted(boxes.tolist()), sorted(expected), atol=1e-3)


def test_features_between_pixels_keep_their_fractions(folder: Path) -> None:
    path = write_features(folder / "between.gpkg", [shapely.box(10.25, 20.5, 14.75, 30)])
    windows = [Window(0, 0, 64, 64), Window(0, 14, 64, 64), Window(20, 12, 5, 64)]
    whole, sliver, part = boxes_in(FeatureBoxes(path), folder, windows)
    np.testing.assert_array_equal(whole, [[10.25, 20.5, 13.75, 29]])
    assert sliver.shape == (0, 4)  # three quarters of a pixel
    np.testing.assert_array_equal(part, [[0, 0.5, 1.75, 4]])


Block = tuple[slice, slice, int]


def earlier_map(folder: Path, blocks: Sequence[Block], **options: Any) -> Path:
    classes = np.zeros((HEIGHT, WIDTH), np.uint8)
    for rows, cols, class_id in blocks:
        classes[rows, cols] = class_id
    return write_map(folder / "earlier.tif", classes, **options)


BLOCKS: list[Block] = [
    (slice(5, 12), slice(8, 20), FOREGROUND.id),
    (slice(20, 25), slice(40, 41), 7),
    (slice(60, 70), slice(85, 90), FOREGROUND.id),
]


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_a_map_prompts_each_tile_with_the_box_of_its_class(folder: Path, scale: float) -> None:
    path = earlier_map(folder, BLOCKS)
    grid = list(TileGrid(HEIGHT, WIDTH, 32, 16))
    found = boxes_in(MapBoxes(path), folder, grid, box_scale=scale)
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[5:12, 8:20] = mask[60:70, 85:90] = True
    prompted = 0
    for window, boxes in zip(grid, found, strict=True):
        box = box_of(in_tile(mask, window))
        expected = [scaled(box, scale, (32, 32))] if box else np.empty((0, 4))
        np.testing.assert_array_equal(boxes, expected)
        prompted += len(boxes)
    assert 0 < prompted < len(grid)


def test_maps_without_names_and_with_those_of_the_model_are_taken(folder: Path) -> None:
    whole = [Window(0, 0, HEIGHT, WIDTH)]
    for names in (None, {0: "anything", FOREGROUND.id: FOREGROUND.name}):
        (found,) = boxes_in(MapBoxes(earlier_map(folder, BLOCKS, names=names)), folder, whole)
        np.testing.assert_array_equal(found, [[8, 5, 89, 69]])


@pytest.mark.parametrize(
    ("blocks", "options", "told"),
    [
        (
            BLOCKS,
            {"names": {3: "lakes", 7: "cross"}},
            r"dark, class 3, .*3 lakes, 7 cross",
        ),
        (BLOCKS, {"names": {7: "cross"}}, "looks for dark, class 3"),
        (BLOCKS[1:2], {}, "no pixel of class 3 .dark."),
        (BLOCKS, {"nodata": FOREGROUND.id}, "no pixel of class 3 .dark."),
        (BLOCKS, {"crs": "EPSG:32631"}, "does not lie on the grid of the scene"),
    ],
)
def test_maps_that_cannot_say_where_to_look(
    folder: Path, blocks: Sequence[Block], options: dict[str, Any], told: str
) -> None:
    path = earlier_map(folder, blocks, **options)
    with pytest.raises(InputError, match=told) as caught:
        boxes_in(MapBoxes(path), folder, [])
    assert "earlier.tif" in str(caught.value)


def test_a_map_of_another_size_is_refused(folder: Path) -> None:
    path = write_map(folder / "small.tif", np.full((HEIGHT, WIDTH - 1), 3, np.uint8))
    with pytest.raises(InputError, match=r"70 x 89 pixels .* against 70 x 90"):
        boxes_in(MapBoxes(path), folder, [])
    with pytest.raises(InputError, match=r"gone\.tif does not exist"):
        boxes_in(MapBoxes(folder / "gone.tif"), folder, [])
