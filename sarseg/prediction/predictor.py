"""From a scene to a land-cover map: prepare, segment, blend and write, tile by tile."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray

from sarseg import __version__
from sarseg.classes import NODATA
from sarseg.errors import InputError, ModelError, UsageError
from sarseg.filters.preparation import (
    Preparation,
    prepare_window,
    scene_scaling,
)
from sarseg.model.card import ModelCard
from sarseg.model.file import LoadedModel
from sarseg.prediction.blend import RowBlender
from sarseg.prediction.boxes import Boxes, BoxSource, check_prompts
from sarseg.prediction.fit import ScalingSource, bands_used, picks_of
from sarseg.prediction.tiles import TileGrid
from sarseg.scenes.landcover import LandCoverWriter
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window

_SMALLEST_CACHE = 64 * 2**20
_LARGEST_BLOCK = 512  # rows of a GeoTIFF block, as usual
_BYTES_PER_VALUE = 4


@dataclass(frozen=True)
class PredictionSummary:
    """What was predicted.

    ``shape`` is (rows, columns), ``bands`` the scene's bands that were used, ``tiles`` counts all
    tiles, ``skipped`` those without a valid pixel and ``unprompted`` those with valid pixels but
    without a box that says where to look; ``pixels`` counts pixels by class name, and those without
    a class under ``nodata``.
    """

    output: Path
    shape: tuple[int, int]
    bands: tuple[str, ...]
    tiles: int
    skipped: int
    unprompted: int
    seconds: float
    pixels: dict[str, int]


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


def predict_scene(
    scene: Scene,
    model: LoadedModel,
    output: Path,
    *,
    boxes: BoxSource | None = None,
    overlap: int | None = None,
    batch_size: int = 4,
    confidence: bool = False,
    overwrite: bool = False,
    scaling: ScalingSource = "model",
    progress: Callable[[int, int], None] | None = None,
) -> PredictionSummary:
    """Write the land-cover map of ``scene`` to ``output``, on the scene's grid.

    ``boxes`` says where a model whose decoder takes boxes has to look, and is for no other; tiles
    without a box hold nothing but the rest, for certain, and are not segmented.

    Tiles overlap by ``overlap`` pixels (default: a quarter of the model's tile size);
    ``batch_size`` tiles are segmented at once; ``confidence`` adds a second band with the blended
    probability of the class in percent. ``progress(done, total)`` is called as tiles are finished.
    Invalid pixels become nodata; tiles without a valid pixel are skipped. Memory grows with the
    scene's width, not with its height.

    Raises ModelError where the model does not fit the scene's bands, OutputError where ``output``
    cannot be written or is one of the files read, InputError where the scene cannot be read or has
    no valid pixel, or no box lies on it, UsageError where options make no sense together. No file
    is left behind then.
    """
    started = time.monotonic()
    card = model.card
    picks = picks_of(scene, card)
    check_prompts(card, boxes)
    if batch_size < 1:
        raise UsageError(f"The batch size is {batch_size}: choose 1 or more.")
    grid = TileGrid(
        scene.height,
        scene.width,
        card.tile_size,
        card.tile_size // 4 if overlap is None else overlap,
    )
    # Class id for each class index; nodata stays what it is.
    ids = np.full(NODATA + 1, NODATA, np.uint8)
    ids[: len(card.classes)] = [entry.id for entry in card.classes]
    counts = np.zeros(NODATA + 1, np.int64)
    skipped = unprompted = 0
    with (
        _bounded_cache(grid, len(card.inputs)),
        LandCoverWriter(
            output,
            scene.georeference,
            card.classes,
            confidence=confidence,
            overwrite=overwrite,
            inputs=[*scene.files, boxes.path] if boxes else scene.files,
            tags=_tags(scene, model, scaling, grid, boxes),
        ) as writer,
        _tile_boxes(boxes, scene, card) as boxes_in,
    ):
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
                classes = ids[rows.classes]
                counts += np.bincount(classes.ravel(), minlength=len(counts))
                writer.write_rows(rows.row, classes, rows.confidence if confidence else None)
            if progress:
                progress(done, len(grid))
        if counts[NODATA] == counts.sum():
            used = " and ".join(bands_used(scene, card))
            raise InputError(
                f"{scene.name} has no pixel that is valid in {used}: all is nodata, "
                "so there is no map to make."
            )
    return PredictionSummary(
        output=output,
        shape=(scene.height, scene.width),
        bands=bands_used(scene, card),
        tiles=len(grid),
        skipped=skipped,
        unprompted=unprompted,
        seconds=time.monotonic() - started,
        pixels={
            **{entry.name: int(counts[entry.id]) for entry in card.classes},
            "nodata": int(counts[NODATA]),
        },
    )


def _bounded_cache(grid: TileGrid, num_bands: int) -> rasterio.Env:
    """GDAL's block cache with room for the blocks under one row of tiles, and no more.

    By default GDAL keeps blocks until a twentieth of the machine's memory is full of them. Who sets
    GDAL_CACHEMAX for the process is obeyed.
    """
    if "GDAL_CACHEMAX" in os.environ:
        return rasterio.Env()
    row_of_tiles = (grid.tile + _LARGEST_BLOCK) * grid.width * num_bands * _BYTES_PER_VALUE
    return rasterio.Env(GDAL_CACHEMAX=max(row_of_tiles, _SMALLEST_CACHE))


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
        probabilities = logits.float().softmax(dim=1)
    except torch.OutOfMemoryError as error:
        raise UsageError(
            f"{len(tiles)} tiles at once do not fit the memory of {model.device}: "
            "choose a smaller --batch-size."
        ) from error
    if not torch.isfinite(probabilities).all():
        raise ModelError("The model answers with values that are no numbers: it cannot be used.")
    return np.asarray(probabilities.cpu().numpy(), np.float32)


def _tags(
    scene: Scene,
    model: LoadedModel,
    scaling: ScalingSource,
    grid: TileGrid,
    boxes: BoxSource | None,
) -> dict[str, str]:
    """How the map came about, for those who find it later."""
    return {
        "SARSEG_VERSION": __version__,
        "SARSEG_MODEL_SHA256": model.sha256,
        "SARSEG_SCENE": scene.name,
        "SARSEG_BANDS": ",".join(bands_used(scene, model.card)),
        "SARSEG_INPUT_UNIT": scene.unit,
        "SARSEG_SCALING": scaling,
        "SARSEG_OVERLAP": str(grid.overlap),
        **({"SARSEG_BOXES": boxes.path.name} if boxes else {}),
    }
