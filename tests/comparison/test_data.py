import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sarseg.comparison.config import DatasetData, SceneData
from sarseg.comparison.data import data_digest
from tests.training.chips import two_band_chips


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_band_chips(tmp_path_factory.mktemp("digest"), size=32)


def _changed(chips: Path, folder: Path, **changes: Any) -> str:
    """The digest of a copy of ``chips`` whose manifest says something else."""
    shutil.copytree(chips, folder)
    manifest = folder / "chips.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **changes}))
    return data_digest(DatasetData(dataset=str(folder)))


def test_what_the_numbers_of_chips_mean_is_in_their_digest(chips: Path, tmp_path: Path) -> None:
    told = json.loads((chips / "chips.json").read_text())
    first = data_digest(DatasetData(dataset=str(chips)))
    assert _changed(chips, tmp_path / "moved") == first
    renamed = [{**entry, "name": f"other {entry['name']}"} for entry in told["classes"]]
    changes: list[dict[str, Any]] = [
        {"unit": "amplitude" if told["unit"] != "amplitude" else "intensity"},
        {"bands": told["bands"][::-1]},
        {"classes": renamed},
        {"filters": {"despeckle": {"name": "lee", "size": 5, "looks": 4.0}}},
    ]
    found = {_changed(chips, tmp_path / str(n), **each) for n, each in enumerate(changes)}
    assert len(found) == len(changes)
    assert first not in found


def test_all_files_of_a_shapefile_are_in_the_digest(tmp_path: Path) -> None:
    for name in ("scene.tif", "split.tif", "la[b]els.shp", "la[b]els.dbf", "lab.dbf"):
        (tmp_path / name).write_bytes(name.encode())
    data = SceneData(
        scene=(str(tmp_path / "scene.tif"),),
        labels=tmp_path / "la[b]els.shp",
        split=str(tmp_path / "split.tif"),
    )
    first = data_digest(data)
    (tmp_path / "lab.dbf").write_bytes(b"other labels")
    assert data_digest(data) == first
    (tmp_path / "la[b]els.dbf").write_bytes(b"other classes")
    assert data_digest(data) != first
