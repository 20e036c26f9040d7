"""What a map says about how it came about, and what it depends on."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import rasterio
import torch
from rasterio.errors import RasterioError

from sarseg import __version__
from sarseg.model.card import library_versions
from sarseg.model.file import LoadedModel
from sarseg.prediction.boxes import BoxSource
from sarseg.prediction.fit import bands_used
from sarseg.prediction.forward import Precision
from sarseg.prediction.mapping import checked_grid, map_layers
from sarseg.prediction.settings import PredictSettings
from sarseg.scenes.georeference import Georeference, quietly_georeferenced
from sarseg.scenes.location import shown
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading

_RUNNING = ("SARSEG_DEVICE", "SARSEG_PRECISION", "SARSEG_BATCH_SIZE")
_MISSING = "SARSEG_MISSING"

_LOOKED_AT = 2**16
"""Bytes at each end of a file."""


def work_tags(
    scene: Scene, model: LoadedModel, settings: PredictSettings, boxes: BoxSource | None = None
) -> dict[str, str]:
    """Tags that say what was asked for: nothing of when, where, or by whom."""
    grid = checked_grid(scene, model.card, settings, boxes)
    given = {
        "SARSEG_BACKBONE_SHA256": model.backbone_sha256 or None,
        "SARSEG_INPUTS_SHA256": _fingerprint(input_files(scene, settings, boxes)),
        "SARSEG_CLASSES": settings.classes and settings.classes.name,
        "SARSEG_BOXES": boxes and boxes.path.name,
    }
    return {
        "SARSEG_VERSION": __version__,
        "SARSEG_MODEL_SHA256": model.sha256,
        "SARSEG_SCENE": scene.name,
        "SARSEG_BANDS": ",".join(bands_used(scene, model.card)),
        "SARSEG_INPUT_UNIT": scene.unit,
        "SARSEG_SCALING": settings.scaling,
        "SARSEG_OVERLAP": str(grid.overlap),
        "SARSEG_BLEND": settings.window,
        "SARSEG_TTA": settings.views,
        **{key: str(value) for key, value in given.items() if value is not None},
        **_reading_tags(scene.reading),
    }


def _reading_tags(reading: Reading) -> dict[str, str]:
    """What was said of how to read the scene; its unit and bands have tags of their own."""
    area = _area_file(reading)
    given = {
        "SARSEG_AOI": reading.area if area is None else area.name,
        "SARSEG_NODATA": reading.nodata,
        "SARSEG_CALIBRATION": None if reading.calibration == "sigma0" else reading.calibration,
        "SARSEG_TO_CRS": reading.to_crs,
        "SARSEG_RESOLUTION": reading.resolution,
        "SARSEG_KEEP_LAYOVER": "yes" if reading.keep_layover else None,
    }
    return {key: str(value) for key, value in given.items() if value is not None}


def running_tags(device: str, precision: Precision, batch_size: int) -> dict[str, str]:
    """Tags that say what else the last digits of probabilities depend on."""
    return dict(zip(_RUNNING, (_kind(device), precision, str(batch_size)), strict=True))


def missing_tags(tiles: int) -> dict[str, str]:
    """A tag that says of how many tiles parts could not be read; none where all was."""
    return {_MISSING: str(tiles)} if tiles else {}


def run_identity(
    scene: Scene,
    model: LoadedModel,
    settings: PredictSettings,
    boxes: BoxSource | None,
    *,
    precision: Precision,
    batch_size: int,
    strips: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """All that the bytes of a map depend on, and how the work is divided into ``strips`` of a first
    column and a width: JSON values."""
    return {
        **work_tags(scene, model, settings, boxes),
        "bands": map_layers(model.card, settings).bands,
        **{f"reading {key}": value for key, value in asdict(scene.reading).items()},
        "files": [_stamp(file) for file in input_files(scene, settings, boxes)],
        "places": list(dict.fromkeys(shown(file) for band in scene.sources for file in band.files)),
        "grid": repr(scene.georeference),
        "shape": [scene.height, scene.width],
        "device": _kind(model.device),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "batch_size": batch_size,
        "versions": library_versions(),
        "strips": [list(strip) for strip in strips],
    }


def input_files(scene: Scene, settings: PredictSettings, boxes: BoxSource | None) -> list[Path]:
    """All files on this machine that are read."""
    others = [boxes.path if boxes else None, settings.classes, _area_file(scene.reading)]
    files = [*scene.files, *(file for file in others if file is not None)]
    return list(dict.fromkeys(file.resolve() for file in files))


def finished_map(
    output: Path,
    scene: Scene,
    model: LoadedModel,
    settings: PredictSettings,
    boxes: BoxSource | None = None,
) -> int | None:
    """Of how many tiles parts are missing in ``output``, where that is the map that was asked for
    and no older than what it is made of; None where it is not."""
    files = input_files(scene, settings, boxes)
    try:
        newest = max((file.stat().st_mtime_ns for file in files), default=0)
        if output.stat().st_mtime_ns < newest:
            return None
        with quietly_georeferenced(), rasterio.open(output) as dataset:
            tags, bands = dataset.tags(), dataset.descriptions
            difference = Georeference.of(dataset).difference(scene.georeference)
    except (OSError, RasterioError):
        return None
    expected = work_tags(scene, model, settings, boxes)
    for key, wanted in zip(_RUNNING, (None, settings.precision, settings.batch_size), strict=True):
        if wanted is not None and wanted != "auto":
            expected[key] = str(wanted)
        else:
            tags.pop(key, None)
    holes = tags.pop(_MISSING, None)
    if holes is not None and not scene.reading.allow_missing:
        return None
    made = {key: value for key, value in tags.items() if key.startswith("SARSEG_")}
    if made != expected or tuple(bands) != map_layers(model.card, settings).bands or difference:
        return None
    return int(holes or 0)


def _area_file(reading: Reading) -> Path | None:
    """The file of the area of interest, where that is one and no bounds."""
    file = Path(reading.area) if reading.area else None
    return file if file is not None and file.exists() else None


def _kind(device: str) -> str:
    """``cuda`` of ``cuda:1``."""
    return torch.device(device).type


def _fingerprint(files: Sequence[Path]) -> str:
    """What files hold, told by size, beginning and end: enough to know them apart, and quick."""
    known = sha256()
    for file in files:
        if not file.is_file():  # told where it is opened
            continue
        with file.open("rb") as content:
            size = content.seek(0, os.SEEK_END)
            known.update(f"{size};".encode())
            for start in (0, max(size - _LOOKED_AT, 0)):
                content.seek(start)
                known.update(content.read(_LOOKED_AT))
    return known.hexdigest()


def _stamp(file: Path) -> list[Any]:
    """A file as it is now."""
    try:
        found = file.stat()
    except OSError:
        return [str(file)]
    return [str(file), found.st_size, found.st_mtime_ns]
