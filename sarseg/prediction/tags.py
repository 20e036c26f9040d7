"""What a map says about how it came about."""

import torch

from sarseg import __version__
from sarseg.model.file import LoadedModel
from sarseg.prediction.boxes import BoxSource
from sarseg.prediction.fit import bands_used
from sarseg.prediction.forward import Precision
from sarseg.prediction.inputs import area_file, fingerprint, input_files
from sarseg.prediction.settings import PredictSettings
from sarseg.prediction.tile_reading import checked_grid
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading

RUNNING = ("SARSEG_DEVICE", "SARSEG_PRECISION", "SARSEG_BATCH_SIZE")
"""Tags of ``running_tags``, in their order."""
MISSING = "SARSEG_MISSING"
"""Of how many tiles parts could not be read."""


def work_tags(
    scene: Scene, model: LoadedModel, settings: PredictSettings, boxes: BoxSource | None = None
) -> dict[str, str]:
    """Tags that say what was asked for: nothing of when, where, or by whom."""
    grid = checked_grid(scene, model.card, settings, boxes)
    given = {
        "SARSEG_BACKBONE_SHA256": model.backbone_sha256 or None,
        "SARSEG_INPUTS_SHA256": fingerprint(input_files(scene, settings, boxes)),
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
    area = area_file(reading)
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
    return dict(zip(RUNNING, (device_kind(device), precision, str(batch_size)), strict=True))


def missing_tags(tiles: int) -> dict[str, str]:
    """A tag that says of how many tiles parts could not be read; none where all was."""
    return {MISSING: str(tiles)} if tiles else {}


def device_kind(device: str) -> str:
    """``cuda`` of ``cuda:1``."""
    return torch.device(device).type
