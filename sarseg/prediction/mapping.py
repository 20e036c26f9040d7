"""A scene's map in rows, from top to bottom: prepare, segment and blend, tile by tile.

What becomes of the rows is the caller's: ``predict`` writes them, ``evaluate`` counts them.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from torch import Tensor

from sarseg.classes import NODATA, LandCoverClass
from sarseg.errors import InputError, ModelError, UsageError
from sarseg.filters.preparation import Preparation, prepare_window, scene_scaling
from sarseg.model.card import ModelCard
from sarseg.model.file import LoadedModel
from sarseg.prediction.blend import FinishedRows, RowBlender
from sarseg.prediction.boxes import Boxes, BoxSource, check_prompts
from sarseg.prediction.fit import ScalingSource, bands_used, picks_of
from sarseg.prediction.tiles import TileGrid
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window

_SMALLEST_CACHE = 64 * 2**20
_LARGEST_BLOCK = 512  # rows of a GeoTIFF block, as usual
_BYTES_PER_VALUE = 4


@dataclass(frozen=True)
class _Tile:
    window: Window
    bands: NDArray[np.float32]
    valid: NDArray[np.bool_]
    boxes: Boxes | None  # None for a decoder that takes none

    @property
    def skipped(self) -> bool:
        """True where no pixel is valid."""
        return not self.valid.any()

    @property
    def unprompted(self) -> bool:
        """True where there would be something to look at, but no box says where."""
        return not self.skipped and self.boxes is not None and not len(self.boxes)


def map_rows(
    scene: Scene,
    model: LoadedModel,
    *,
    boxes: BoxSource | None = None,
    overlap: int | None = None,
    batch_size: int = 4,
    scaling: ScalingSource = "model",
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[FinishedRows]:
    """The map of ``scene`` in rows of its full width, from the first to the last.

    Options and the bands are checked at once, all else is done as the rows are asked for; see
    ``predict_scene`` on both, and on what is raised. Run it in ``bounded_cache``.
    """
    picks_of(scene, model.card)
    check_prompts(model.card, boxes)
    if batch_size < 1:
        raise UsageError(f"The batch size is {batch_size}: choose 1 or more.")
    grid = tile_grid(scene, model.card, overlap)
    return _rows(scene, model, grid, boxes, batch_size, scaling, progress)


def tile_grid(scene: Scene, card: ModelCard, overlap: int | None) -> TileGrid:
    """The tiles of a map of ``scene``; ``overlap`` None is a quarter of the model's tile size.

    Raises UsageError where the overlap does not fit the tiles.
    """
    default = card.tile_size // 4
    overlap = default if overlap is None else overlap
    return TileGrid(scene.height, scene.width, card.tile_size, overlap)


def bounded_cache(grid: TileGrid, card: ModelCard) -> rasterio.Env:
    """GDAL's block cache with room for the blocks under one row of tiles, and no more.

    By default GDAL keeps blocks until a twentieth of the machine's memory is full of them. Who sets
    GDAL_CACHEMAX for the process is obeyed.
    """
    if "GDAL_CACHEMAX" in os.environ:
        return rasterio.Env()
    num_bands = len(card.inputs)
    row_of_tiles = (grid.tile + _LARGEST_BLOCK) * grid.width * num_bands * _BYTES_PER_VALUE
    return rasterio.Env(GDAL_CACHEMAX=max(row_of_tiles, _SMALLEST_CACHE))


def class_ids(classes: Sequence[LandCoverClass]) -> NDArray[np.uint8]:
    """Class id (256,) of each class index in ``FinishedRows``; nodata stays what it is."""
    ids = np.full(NODATA + 1, NODATA, np.uint8)
    ids[: len(classes)] = [entry.id for entry in classes]
    return ids


def _rows(
    scene: Scene,
    model: LoadedModel,
    grid: TileGrid,
    boxes: BoxSource | None,
    batch_size: int,
    scaling: ScalingSource,
    progress: Callable[[int, int], None] | None,
) -> Iterator[FinishedRows]:
    card = model.card
    picks = picks_of(scene, card)
    skipped = unprompted = 0
    mapped = False
    with _tile_boxes(boxes, scene, card) as boxes_in:
        preparation = _preparation(scene, card, picks, scaling, model.device)
        blender = RowBlender(len(card.classes), grid)
        tiles = (
            _Tile(
                window,
                *prepare_window(scene, window, preparation, picks, model.device),
                boxes_in(window),
            )
            for window in grid
        )
        segmented = _segmented(tiles, model, batch_size)
        for done, (tile, probabilities) in enumerate(segmented, start=1):
            skipped += tile.skipped
            unprompted += tile.unprompted
            rows = blender.add(tile.window, probabilities, tile.valid)
            if rows is not None:
                mapped = mapped or bool((rows.classes != NODATA).any())
                yield replace(rows, skipped=skipped, unprompted=unprompted)
                skipped = unprompted = 0
            if progress:
                progress(done, len(grid))
    if not mapped:
        used = " and ".join(bands_used(scene, card))
        raise InputError(
            f"{scene.name} has no pixel that is valid in {used}: all is nodata, "
            "so there is no map to make."
        )


def _preparation(
    scene: Scene,
    card: ModelCard,
    picks: Sequence[int | None],
    scaling: ScalingSource,
    device: str,
) -> Preparation:
    if scaling == "model":
        return card.preparation
    own = card.preparation
    statistics = scene_scaling(scene, picks, own, own.quantity, device)
    return own.model_copy(update={"scaling": statistics})


def _tile_boxes(
    boxes: BoxSource | None, scene: Scene, card: ModelCard
) -> AbstractContextManager[Callable[[Window], Boxes | None]]:
    return nullcontext(lambda window: None) if boxes is None else boxes.on(scene, card)


def _segmented(
    tiles: Iterator[_Tile], model: LoadedModel, batch_size: int
) -> Iterator[tuple[_Tile, NDArray[np.float32] | None]]:
    """Each tile with its probabilities (K, tile, tile), or None where no pixel is valid."""
    num_classes, size = len(model.card.classes), model.card.tile_size
    # where no box is, all is the first class for certain
    rest = np.broadcast_to(
        np.eye(num_classes, 1, dtype=np.float32)[..., None], (num_classes, size, size)
    )
    while batch := list(islice(tiles, batch_size)):
        shown = [tile for tile in batch if not (tile.skipped or tile.unprompted)]
        probabilities = iter(_probabilities(shown, model) if shown else ())
        for tile in batch:
            if tile.skipped:
                yield tile, None
            else:
                yield tile, rest if tile.unprompted else next(probabilities)


@torch.inference_mode()
def _probabilities(tiles: Sequence[_Tile], model: LoadedModel) -> NDArray[np.float32]:
    """Class probabilities (B, K, tile, tile)."""
    bands = torch.from_numpy(np.stack([tile.bands for tile in tiles])).to(model.device)
    boxes = [torch.from_numpy(tile.boxes) for tile in tiles if tile.boxes is not None]
    prompts = [of_one.to(model.device, torch.float) for of_one in boxes]
    try:
        logits = model.segmenter(bands, prompts) if prompts else model.segmenter(bands)
        probabilities = class_probabilities(logits, model.card)
    except torch.OutOfMemoryError as error:
        raise UsageError(
            f"{len(tiles)} tiles at once do not fit the memory of {model.device}: "
            "choose a smaller --batch-size."
        ) from error
    return np.asarray(probabilities.cpu().numpy(), np.float32)


def class_probabilities(logits: Tensor, card: ModelCard) -> Tensor:
    """Probabilities (B, K, S, S) float32 from a model's logits, at its temperature.

    Raises ModelError where they are no numbers.
    """
    probabilities = (logits.float() / card.temperature).softmax(dim=1)
    if not torch.isfinite(probabilities).all():
        raise ModelError("The model answers with values that are no numbers: it cannot be used.")
    return probabilities
