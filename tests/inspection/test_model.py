import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sarseg.errors import ModelError
from sarseg.inspection.model import inspect_model
from sarseg.model.backbone import EMBEDDED_WEIGHTS, embedded_file
from sarseg.model.card import ModelCard
from sarseg.model.checkpoints import file_sha256
from sarseg.model.file import EMBEDDED_MODEL
from tests.toy import toy_card


def write_model(path: Path, card: ModelCard) -> Path:
    """A file of 20 numbers that fit no network: only the card is to be read."""
    tensors = {"a": np.zeros((3, 4), np.float32), "b": np.zeros(8, np.float16)}
    save_file(tensors, path, {"sarseg": card.model_dump_json()})
    return path


def card_on(backbone: str, sha256: str = "0" * 64) -> ModelCard:
    return toy_card().model_copy(update={"backbone": backbone, "backbone_sha256": sha256})


def test_the_shipped_model() -> None:
    report = inspect_model(embedded_file(EMBEDDED_MODEL))
    assert report.card.backbone == "vit_t"
    assert report.backbone_weights == embedded_file(EMBEDDED_WEIGHTS)
    assert report.backbone_fits
    assert report.sha256 == file_sha256(report.file)
    assert report.size == report.file.stat().st_size
    assert report.parameters * 2 <= report.size  # 16 bits each at least


def test_only_the_card_is_read(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.safetensors", card_on("vit_t"))
    report = inspect_model(path)
    assert report.parameters == 20
    assert report.card == card_on("vit_t")
    assert not report.backbone_fits  # trained on others than those that are shipped
    told = json.loads(json.dumps(report.model_dump(mode="json"), allow_nan=False))
    assert told["card"]["classes"][0] == {"id": 3, "name": "dark", "colour": [0, 0, 255]}
    assert ModelCard.model_validate(told["card"]) == report.card


def test_a_backbone_that_is_not_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARSEG_CACHE", str(tmp_path))
    report = inspect_model(write_model(tmp_path / "m.safetensors", card_on("vit_h")))
    assert report.backbone_weights is None
    assert not report.backbone_fits


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        inspect_model(tmp_path / "gone.safetensors")
    with pytest.raises(ModelError, match="without sarseg's card"):
        inspect_model(embedded_file(EMBEDDED_WEIGHTS))
