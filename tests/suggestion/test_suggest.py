from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.transform import Affine, from_origin

from sarseg.errors import InputError, OutputError, UsageError
from sarseg.filters.preparation import BandScaling, Preparation
from sarseg.scenes.reader import Scene
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
    # of 20 squares, those of the last row are half a pixel row short of a half, and one is nodata
    assert (summary.suggested, summary.candidates, summary.side) == (3, 15, SIDE)
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
    assert summary.entropy > 3 * summary.entropy_of_candidates


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


def test_a_scene_without_enough_valid_pixels(tmp_path: Path) -> None:
    output = tmp_path / "here.gpkg"
    with pytest.raises(InputError, match=r"No square of 900 pixels of scene\.tif .*--size"):
        suggestions(scene_file(tmp_path, **UTM), output, side=900)
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
    for count, side in (0, 5), (5, 0):
        with pytest.raises(UsageError, match="1 or more"):
            suggestions(path, tmp_path / "other.gpkg", count, side)
