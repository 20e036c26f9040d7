"""From a scene to a land-cover map: what ``map_rows`` gives is written."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sarseg import __version__
from sarseg.classes import NODATA
from sarseg.model.file import LoadedModel
from sarseg.prediction.boxes import BoxSource
from sarseg.prediction.fit import ScalingSource, bands_used
from sarseg.prediction.mapping import bounded_cache, class_ids, map_rows, tile_grid
from sarseg.prediction.tiles import TileGrid
from sarseg.scenes.landcover import LandCoverWriter
from sarseg.scenes.reader import Scene


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
    mapped = map_rows(
        scene,
        model,
        boxes=boxes,
        overlap=overlap,
        batch_size=batch_size,
        scaling=scaling,
        progress=progress,
    )
    grid = tile_grid(scene, card, overlap)
    ids = class_ids(card.classes)
    counts = np.zeros(NODATA + 1, np.int64)
    skipped = unprompted = 0
    with (
        bounded_cache(grid, card),
        LandCoverWriter(
            output,
            scene.georeference,
            card.classes,
            confidence=confidence,
            overwrite=overwrite,
            inputs=[*scene.files, boxes.path] if boxes else scene.files,
            tags=_tags(scene, model, scaling, grid, boxes),
        ) as writer,
    ):
        for rows in mapped:
            classes = ids[rows.classes]
            counts += np.bincount(classes.ravel(), minlength=len(counts))
            skipped += rows.skipped
            unprompted += rows.unprompted
            writer.write_rows(rows.row, classes, rows.confidence if confidence else None)
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
