"""What a model file says about itself."""

import math
from pathlib import Path

from safetensors import safe_open

from sarseg.errors import ModelError
from sarseg.inspection.report import Report
from sarseg.model.backbone import backbone_file
from sarseg.model.card import ModelCard
from sarseg.model.checkpoints import file_sha256
from sarseg.model.file import read_card


class ModelReport(Report):
    """A model file: its size in bytes, how many numbers it stores, and its card.

    ``backbone_weights`` is the file that `predict` would take by itself, None where it would find
    none or the model's own file has all weights; ``backbone_fits`` says whether it is the one that
    the model was trained on.
    """

    file: Path
    size: int
    sha256: str
    parameters: int
    backbone_weights: Path | None
    backbone_fits: bool
    card: ModelCard


def inspect_model(path: Path) -> ModelReport:
    """Read the card of a model file, and look for its backbone; no network is built.

    Raises ModelError where ``path`` is no model file.
    """
    card = read_card(path)
    try:
        weights = None if card.holds_backbone else backbone_file(card.backbone, None)
    except ModelError:
        weights = None
    return ModelReport(
        file=path,
        size=path.stat().st_size,
        sha256=file_sha256(path),
        parameters=_stored_numbers(path),
        backbone_weights=weights,
        backbone_fits=weights is not None and file_sha256(weights) == card.backbone_sha256,
        card=card,
    )


def _stored_numbers(path: Path) -> int:
    with safe_open(path, framework="numpy") as opened:
        names = opened.keys()
        return sum(math.prod(opened.get_slice(name).get_shape()) for name in names)
