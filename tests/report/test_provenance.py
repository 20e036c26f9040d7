"""What made a map, in words."""

from pathlib import Path

import pytest

from sarseg.report.provenance import facts
from sarseg.report.survey import survey_map
from tests.georeferences import gcp_georeference
from tests.report.maps import UNPLACED, UTM, random_map, write_landcover

SCENE = "S1A_IW_GRDH_1SDV_20200101T054321_20200101T054346_030612_0381E8_ABCD.SAFE"


def test_tags_become_words(tmp_path: Path) -> None:
    tags = {
        "SARSEG_VERSION": "1.2",
        "SARSEG_MODEL_SHA256": "ab" * 32,
        "SARSEG_SCENE": SCENE,
        "SARSEG_SCALING": "model",
        "SARSEG_OVERLAP": "112",
        "SARSEG_LATER": "something new",
        "OTHER": "not ours",
    }
    path = write_landcover(tmp_path / "map.tif", *random_map(20, 30), tags=tags, **UTM)
    found = facts(survey_map(path))
    assert found["Model (SHA-256)"] == "ab" * 32
    assert found["Version of sarseg"] == "1.2"
    assert found["Scaled by"] == "the statistics of the training set"
    assert found["Overlap of tiles"] == "112 pixels"
    assert found["SARSEG_LATER"] == "something new"
    assert "not ours" not in found.values()
    assert found["Acquired"] == "2020-01-01 05:43:21 to 2020-01-01 05:43:46 UTC"
    assert found["Coordinate reference system"] == "WGS 84 / UTM zone 31N (EPSG:32631)"
    assert found["Extent"] == "x 620000 to 620600, y 4829600 to 4830000"
    assert found["Size"] == "20 rows × 30 columns"
    assert found["Pixel at the centre"].endswith("m on the ground")


def test_a_day_is_a_day(tmp_path: Path) -> None:
    path = write_landcover(
        tmp_path / "map.tif", *random_map(20, 30), tags={"SARSEG_SCENE": "a_20200101.tif"}
    )
    assert facts(survey_map(path))["Acquired"] == "2020-01-01"


def test_nothing_is_made_up(tmp_path: Path) -> None:
    found = facts(survey_map(write_landcover(tmp_path / "map.tif", *random_map(20, 30))))
    assert list(found) == ["Size", "With a class", "Coordinate reference system"]
    assert found["Coordinate reference system"] == "none"


@pytest.mark.parametrize("reason", UNPLACED)
def test_control_points_that_tell_no_place(tmp_path: Path, reason: str) -> None:
    path = write_landcover(tmp_path / "map.tif", *random_map(40, 40), **UNPLACED[reason])
    found = facts(survey_map(path))
    assert found["Place"] == f"not known: {reason}"
    assert not {"Placed by", "Pixel at the centre", "Extent"} & set(found)


def test_control_points(tmp_path: Path) -> None:
    georeference = gcp_georeference()
    path = write_landcover(
        tmp_path / "map.tif",
        random_map(georeference.height, georeference.width)[0],
        gcps=list(georeference.gcps),
        crs=georeference.gcp_crs,
    )
    found = facts(survey_map(path))
    assert found["Placed by"] == "35 ground control points"
    assert found["Coordinate reference system"] == "WGS 84 (EPSG:4326)"
