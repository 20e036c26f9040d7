from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine, from_origin

from sarseg.errors import InputError, OutputError, UsageError
from sarseg.filters.preparation import BandScaling, Preparation
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading
from sarseg.suggestion.suggest import SuggestionSummary, suggest
from tests.rasters import hidden_files, write_raster
from tests.toy import toy_card, toy_model

PLAIN = Preparation(despeckle=None, scaling=(BandScaling(centre=-11.0, spread=4.0),) * 2)
SIDE = 32
DOUBT = {
    (0, 1): (0.0, -5.0),  # dark or bright
    (2, 3): (0.2, -5.0),  # the same, a little less so
    (3, 0): (2.0, 1.9),  # bright or cross
}
"""Row and column of squares: both bands in spreads round the centre."""

UTM = {"crs": "EPSG:32631", "transform": from_origin(500_000, 5_000_000, 10, 10)}
TURNED = {"crs": "EPSG:32631", "transform": Affine(8, 6, 500_000, 6, -8, 5_000_000)}


def scene_file(folder: Path, **profile: Any) -> Path:
    """4 x 4 squares of 32 pixels and half a row more: all sure but three; one is nodata."""
    spreads = np.empty((2, 4, 4))
    spreads[0], spreads[1] = 3.0, -5.0
    for place, values in DOUBT.items():
        spreads[:, *place] = values
    decibels = -11 + 4 * spreads.repeat(SIDE, axis=1).repeat(SIDE, axis=2)
    decibels = np.concatenate([decibels, decibels[:, -SIDE // 2 + 1 :]], axis=1)
    decibels[:, : SIDE // 2 + 1, :SIDE] = np.nan
    path = folder / "scene.tif"
    return write_raster(path, decibels.astype(np.float32), descriptions=["VV", "VH"], **profile)


def suggestions(
    scene: Path, output: Path, count: int = 3, side: int = SIDE, **options: Any
) -> SuggestionSummary:
    model = toy_model(card=toy_card(preparation=PLAIN))
    with Scene.open([scene]) as opened:
        return suggest(opened, model, output, count=count, side=side, **options)


@pytest.mark.parametrize("profile", [UTM, TURNED, {}], ids=["utm", "turned", "unplaced"])
def test_squares_of_doubt_come_first_each_of_another_kind(
    tmp_path: Path, profile: dict[str, Any]
) -> None:
    path, output = scene_file(tmp_path, **profile), tmp_path / "here.gpkg"
    summary = suggestions(path, output, overwrite=False)
    # the last row of squares, which is cut, repeats the one above
    assert (summary.suggested, summary.candidates, summary.side) == (3, 4, SIDE)
    frame = pyogrio.read_dataframe(output)
    assert frame["rank"].tolist() == [1, 2, 3]
    assert (np.diff(frame["score"]) <= 0).all()
    with rasterio.open(path) as opened:
        transform = opened.transform
    # the first two doubts are alike: the one that is of another kind comes between them
    for polygon, (row, col) in zip(frame.geometry, [(0, 1), (3, 0), (2, 3)], strict=True):
        corners = [(col, row), (col + 1, row), (col + 1, row + 1), (col, row + 1)]
        expected = shapely.Polygon([transform * (SIDE * x, SIDE * y) for x, y in corners])
        assert polygon.equals(expected)
    assert frame["classes"][0] == "dark 50%, bright 50%"
    assert frame["classes"][1].startswith("bright 5")
    assert "cross 4" in frame["classes"][1]
    assert frame["valid"].tolist() == [100.0] * 3
    assert frame["entropy"].between(50, 70).all()  # of two of three classes: ln 2 / ln 3
    assert summary.entropy == pytest.approx(frame["entropy"].mean() / 100)
    assert summary.entropy_of_candidates == pytest.approx(0.61, abs=0.02)


def test_all_candidates_where_fewer_than_asked_for(tmp_path: Path) -> None:
    output = tmp_path / "here.fgb"
    summary = suggestions(scene_file(tmp_path, **UTM), output, count=99)
    assert summary.suggested == summary.candidates == pyogrio.read_info(output)["features"]


def test_squares_are_cut_at_the_edges_of_the_scene(tmp_path: Path) -> None:
    output = tmp_path / "here.gpkg"
    suggestions(scene_file(tmp_path, **UTM), output, count=99, side=50)
    whole = shapely.union_all(pyogrio.read_dataframe(output).geometry)
    left, top = 500_000, 5_000_000
    assert whole.bounds == (left, top - 10 * 143, left + 10 * 128, top)


def test_a_scene_with_nothing_to_learn_from(tmp_path: Path) -> None:
    """Half of it is nodata, and the model is sure of the rest."""
    output, decibels = tmp_path / "here.gpkg", np.full((2, 64, 64), -11 + 5 * 4, np.float32)
    decibels[1], decibels[:, 33:] = -11 - 5 * 4, np.nan
    bands, unit = ["VV", "VH"], {"SARSEG_UNIT": "db"}
    path = write_raster(tmp_path / "scene.tif", decibels, descriptions=bands, tags=unit)
    with pytest.raises(InputError, match=r"No square of 32 pixels of scene\.tif .*--size"):
        suggestions(path, output)
    assert not output.exists()
    assert not hidden_files(tmp_path)


def test_outputs_are_refused_before_any_work(tmp_path: Path) -> None:
    path, output = scene_file(tmp_path), tmp_path / "here.gpkg"
    with pytest.raises(UsageError, match="the map has no CRS"):
        suggestions(path, tmp_path / "here.geojson")
    with pytest.raises(UsageError, match="names no vector format"):
        suggestions(path, tmp_path / "here.tif")
    output.touch()
    with pytest.raises(OutputError, match="exists"):
        suggestions(path, output)
    for count, side in (0, 50), (5, 15):
        with pytest.raises(UsageError, match="1 or more, of 16 pixels or more"):
            suggestions(path, tmp_path / "other.gpkg", count, side)


def test_the_area_of_interest_is_not_replaced(tmp_path: Path) -> None:
    path, area = scene_file(tmp_path, **UTM), tmp_path / "area.gpkg"
    frame = geopandas.GeoDataFrame(geometry=[shapely.box(500_000, 4_999_000, 501_000, 5_000_000)])
    frame.set_crs("EPSG:32631").to_file(area)
    model, before = toy_model(card=toy_card(preparation=PLAIN)), area.read_bytes()
    with Scene.open([path], Reading(area=str(area))) as opened:
        with pytest.raises(OutputError, match=r"area\.gpkg"):
            suggest(opened, model, area, count=1, side=SIDE, overwrite=True)
        summary = suggest(opened, model, tmp_path / "here.gpkg", count=9, side=SIDE)
    assert area.read_bytes() == before
    whole = shapely.union_all(pyogrio.read_dataframe(summary.output).geometry)
    assert shapely.box(500_000, 4_999_000, 501_000, 5_000_000).covers(whole)


def test_scenes_that_lie_nowhere(tmp_path: Path) -> None:
    flat = {"crs": "EPSG:32631", "transform": Affine(10, 10, 500_000, 10, 10, 5_000_000)}
    with pytest.raises(InputError, match=r"cannot be told where the pixels of scene\.tif lie"):
        suggestions(scene_file(tmp_path, **flat), tmp_path / "here.gpkg")


def test_on_the_ground_by_control_points_and_as_geojson(tmp_path: Path) -> None:
    def points(step: float, left: float, top: float) -> list[GroundControlPoint]:
        places = [(row, col) for row in (0, 70, 143) for col in (0, 60, 128)]
        return [GroundControlPoint(r, c, left + step * c, top - step * r) for r, c in places]

    folder = tmp_path / "points"
    folder.mkdir()
    path = scene_file(folder, gcps=points(1e-4, 5.0, 45.0), crs="EPSG:4326")
    for output in (tmp_path / "here.gpkg", tmp_path / "here.geojson"):
        suggestions(path, output)
        frame = pyogrio.read_dataframe(output)
        assert frame.crs == "EPSG:4326"
        for polygon, (row, col) in zip(frame.geometry, [(0, 1), (3, 0), (2, 3)], strict=True):
            left, top = 5.0 + 1e-4 * SIDE * col, 45.0 - 1e-4 * SIDE * row
            expected = shapely.box(left, top - 1e-4 * SIDE, left + 1e-4 * SIDE, top)
            assert polygon.symmetric_difference(expected).area < 1e-6 * expected.area


def test_models_that_look_inside_boxes_are_refused(tmp_path: Path) -> None:
    card = toy_card(preparation=PLAIN).model_copy(update={"decoder": "box-prompted"})
    with (
        Scene.open([scene_file(tmp_path, **UTM)]) as opened,
        pytest.raises(UsageError, match="inside boxes only"),
    ):
        suggest(opened, toy_model(card=card), tmp_path / "here.gpkg", count=1, side=SIDE)
