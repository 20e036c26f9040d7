"""What an unfinished run is known by, so that only the same one is gone on with."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from sarseg.model.card import library_versions
from sarseg.model.file import LoadedModel
from sarseg.prediction.boxes import BoxSource
from sarseg.prediction.forward import Precision
from sarseg.prediction.inputs import input_files, stamp
from sarseg.prediction.layers import map_layers
from sarseg.prediction.settings import PredictSettings
from sarseg.prediction.tags import device_kind, work_tags
from sarseg.scenes.location import shown
from sarseg.scenes.reader import Scene


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
        "files": [stamp(file) for file in input_files(scene, settings, boxes)],
        "places": list(dict.fromkeys(shown(file) for band in scene.sources for file in band.files)),
        "grid": repr(scene.georeference),
        "shape": [scene.height, scene.width],
        "device": device_kind(model.device),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "batch_size": batch_size,
        "versions": library_versions(),
        "strips": [list(strip) for strip in strips],
    }
