"""What differs between two runs, in words."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarseg.prediction.differences import _CHANGED, _NAMES, differences
from sarseg.prediction.identity import run_identity
from sarseg.prediction.settings import PredictSettings
from sarseg.prediction.tags import running_tags
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from tests.rasters import speckle, write_raster
from tests.toy import toy_model

IDENTITY = {
    "SARSEG_OVERLAP": "64",
    "SARSEG_INPUTS_SHA256": "a" * 64,
    "reading nodata": None,
    "reading allow_missing": False,
    "files": [["/d/a_vv.tif", 9, 1], ["/d/a_vh.tif", 9, 1]],
    "versions": {"sarseg": "0.1", "torch": "2.12"},
    "shape": [40, 52],
}


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"SARSEG_OVERLAP": "32"}, "--overlap was 64 and is now 32"),
        ({"reading nodata": 0.0}, "--nodata was not given and is now 0.0"),
        ({"reading nodata": 0.0, "SARSEG_NODATA": "0.0"}, "--nodata was not given and is now 0.0"),
        ({"reading allow_missing": True}, "--allow-missing was not given and is now given"),
        ({"versions": {"sarseg": "0.1", "torch": "2.13"}}, "torch was 2.12 and is now 2.13"),
        ({"shape": [40, 53]}, "the scene's size was 40, 52 and is now 40, 53"),
        ({"SARSEG_INPUTS_SHA256": "b" * 64}, "the scene's files hold something else"),
        (
            {"SARSEG_INPUTS_SHA256": "b", "files": [["/d/a_vv.tif", 9, 2], ["/d/a_vh.tif", 9, 1]]},
            "files have changed since, or are others: a_vv.tif",
        ),
        ({"of_later": 1}, "of_later was not given and is now 1"),
    ],
)
def test_what_differs_is_told_once(now: dict[str, Any], told: str) -> None:
    (sentence,) = differences(IDENTITY, {**IDENTITY, **now})
    assert sentence.endswith(told)


def test_what_is_no_longer_given_differs() -> None:
    before = {**IDENTITY, "SARSEG_CLASSES": "groups.yaml"}
    told = ["--classes was groups.yaml and is now not given"]
    assert differences(before, IDENTITY) == told


@given(st.dictionaries(st.sampled_from(sorted(_NAMES)), st.floats() | st.text() | st.none()))
def test_the_same_has_no_difference(values: dict[str, Any]) -> None:
    assert differences(values, dict(values)) == []


def test_there_are_words_for_all_that_a_run_is_known_by(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a_vv.tif", speckle(20, 30))
    reading = Reading(nodata=0.0, area="0,0,9,9", calibration="gamma0", resolution=1.0)
    model, settings = toy_model(), PredictSettings(classes=tmp_path / "groups.yaml")
    (tmp_path / "groups.yaml").write_text("1: {name: all, from: [dark, bright, cross]}")
    with Scene.open([path], Reading()) as scene:
        scene.reading = reading
        parts: dict[str, Any] = {"precision": "float32", "batch_size": 1, "strips": [(0, 30)]}
        found = run_identity(scene, model, settings, None, **parts)
    keys = {*found, *running_tags("cpu", "float32", 1)}
    assert keys - {"files", "versions"} <= {*_NAMES, *_CHANGED}
