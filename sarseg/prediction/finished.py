"""Whether a map that is there is the one that is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import RasterioError

from sarseg.model.file import LoadedModel
from sarseg.prediction.boxes import BoxSource
from sarseg.prediction.differences import differences
from sarseg.prediction.inputs import input_files
from sarseg.prediction.layers import map_layers
from sarseg.prediction.settings import PredictSettings
from sarseg.prediction.tags import MISSING, RUNNING, work_tags
from sarseg.scenes.georeference import Georeference, quietly_georeferenced
from sarseg.scenes.reader import Scene


@dataclass(frozen=True)
class FinishedMap:
    """A map that is there: in what it differs from the one that is asked for, each a sentence's
    worth, and of how many tiles parts are ``missing``."""

    differences: tuple[str, ...]
    missing: int


def finished_map(
    output: Path,
    scene: Scene,
    model: LoadedModel,
    settings: PredictSettings,
    boxes: BoxSource | None = None,
) -> FinishedMap | None:
    """The map ``output``, compared with the one that is asked for; None where it is no map that
    sarseg made."""
    try:
        made_at = output.stat().st_mtime_ns
        with quietly_georeferenced(), rasterio.open(output) as dataset:
            tags, bands = dataset.tags(), dataset.descriptions
            grid = Georeference.of(dataset).difference(scene.georeference)
    except (OSError, RasterioError):
        return None
    made: dict[str, Any] = {key: value for key, value in tags.items() if key.startswith("SARSEG_")}
    if not made:
        return None
    missing = int(made.pop(MISSING, 0))
    expected: dict[str, Any] = dict(work_tags(scene, model, settings, boxes))
    for key, wanted in zip(RUNNING, (None, settings.precision, settings.batch_size), strict=True):
        if wanted is not None and wanted != "auto":
            expected[key] = str(wanted)
        else:
            made.pop(key, None)
    made["bands"], expected["bands"] = list(bands), list(map_layers(model.card, settings).bands)
    found = differences(made, expected)
    if grid:
        found.append(f"the scene's grid is another one ({grid})")
    newer = [file.name for file in input_files(scene, settings, boxes) if _newer(file, made_at)]
    if newer:
        found.append(f"{', '.join(newer)} changed after it was made")
    if missing and not scene.reading.allow_missing:
        found.append("it was made with --allow-missing and has holes")
    return FinishedMap(tuple(found), missing)


def _newer(file: Path, made_at: int) -> bool:
    return file.exists() and file.stat().st_mtime_ns > made_at
