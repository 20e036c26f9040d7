"""A map becomes polygons, these are corrected by hand, and are labels of the next model."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pandas
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.windows import Window

from sarseg.classes import NODATA
from sarseg.datasets.manifest import read_manifest
from sarseg.model.file import read_card
from tests.cli.running import Sarseg
from tests.vectors.maps import UTM, write_map

SCENE = Path(__file__).parents[2] / "sample_data" / "scene.tif"
SIDE = 256
CHIP = 128
DELETED, UNSURE, RENAMED = 0, 1, 2
"""Places of the largest polygons, by what is done to them."""

LAYER = "landcover"


def read(polygons: Path) -> geopandas.GeoDataFrame:
    return pyogrio.read_dataframe(polygons, layer=LAYER, fid_as_index=True)


def save(frame: geopandas.GeoDataFrame, polygons: Path) -> None:
    """Replace the layer; what else is in the GeoPackage stays, as when QGIS saves it."""
    pyogrio.write_dataframe(frame, polygons, layer=LAYER)


def styles(polygons: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(polygons)) as database:
        return database.execute("SELECT f_table_name, styleQML FROM layer_styles").fetchall()


def shown(frame: geopandas.GeoDataFrame, like: Path) -> tuple[np.ndarray, np.ndarray]:
    """Class of the last polygon that the centre of each pixel lies in, and where that is sure."""
    with rasterio.open(like) as opened:
        rows, cols = np.indices(opened.shape)
        x, y = opened.transform * (cols + 0.5, rows + 0.5)
    ids, sure = np.full(x.shape, NODATA), np.ones(x.shape, bool)
    for geometry, class_id in zip(frame.geometry, frame["class_id"], strict=True):
        shapely.prepare(geometry)
        inside = shapely.contains_xy(geometry, x, y)
        ids[inside] = NODATA if np.isnan(class_id) else class_id
        sure &= inside | ~shapely.intersects_xy(geometry, x, y)  # not on its border
    return ids, sure


def in_chips(folder: Path) -> np.ndarray:
    """The labels of all chips, side by side."""
    ids = np.full((SIDE, SIDE), NODATA, np.uint8)
    for chip in read_manifest(folder).chips:
        if chip.label is not None:
            with rasterio.open(folder / chip.label) as opened:
                labels = opened.read(1)
            row, col = chip.window.row, chip.window.col
            part = ids[row : row + CHIP, col : col + CHIP]
            part[labels != NODATA] = labels[labels != NODATA]
    return ids


def move_a_shared_corner(frame: geopandas.GeoDataFrame) -> None:
    """As QGIS's vertex tool does, with topological editing: in all polygons that have it."""
    corners = np.unique(shapely.get_coordinates(frame.geometry), axis=0)
    for corner in corners:
        holders = shapely.touches(frame.geometry.values, shapely.Point(corner))
        if holders.sum() < 2:
            continue

        def moved(coordinates: np.ndarray, corner: np.ndarray = corner) -> np.ndarray:
            return coordinates + np.all(coordinates == corner, axis=1)[:, None] * [-10.1, 7.3]

        changed = shapely.transform(frame.geometry.values[holders], moved)
        if shapely.is_valid(changed).all():
            frame.loc[holders, "geometry"] = changed
            return
    raise AssertionError("no corner can be moved")


def test_corrected_polygons_train_the_next_model(tmp_path: Path, sarseg: Sarseg) -> None:
    scene, landcover = tmp_path / "scene.tif", tmp_path / "map.tif"
    polygons, chips = tmp_path / "polygons.gpkg", tmp_path / "chips"
    with rasterio.open(SCENE) as opened:
        window = Window(800, 600, SIDE, SIDE)
        place = {"height": SIDE, "width": SIDE, "transform": opened.window_transform(window)}
        with rasterio.open(scene, "w", **opened.profile | place) as cut:
            cut.write(opened.read(window=window))
            cut.update_tags(**opened.tags())
            cut.descriptions = opened.descriptions
    assert sarseg("predict", scene, "-o", landcover).code == 0
    options = ["--min-area", "0.05ha", "--simplify", "3m"]
    assert sarseg("vectorize", landcover, "-o", polygons, *options).code == 0
    coloured = styles(polygons)
    assert [name for name, _ in coloured] == [LAYER]

    frame = read(polygons)
    before, _ = shown(frame, scene)
    largest = frame.area.sort_values(ascending=False).index
    frame["class_id"] = frame["class_id"].astype("Int64")  # which holds nulls
    wrong = frame.loc[largest[RENAMED], "class_id"]
    right = next(class_id for class_id in sorted(set(frame["class_id"])) if class_id != wrong)
    frame.loc[largest[RENAMED], "class_id"] = right
    frame.loc[largest[UNSURE], "class_id"] = None
    move_a_shared_corner(frame)
    frame = frame.drop(largest[DELETED])
    pond = frame.iloc[[0]].copy()
    pond["class_id"] = 77
    pond["geometry"] = shapely.box(*frame.total_bounds).centroid.buffer(100)
    frame = pandas.concat([frame, pond], ignore_index=True)
    save(frame, polygons)
    assert styles(polygons) == coloured

    run = sarseg(
        "tile", scene, "--labels", polygons, "--size", CHIP, "-o", chips,
        "--split", "blocks", "--block-size", CHIP, "--shares", "75,25,0",
    )  # fmt: skip
    assert run.code == 0, run.stderr
    labels = in_chips(chips)
    frame["class_id"] = frame["class_id"].astype(float)
    expected, sure = shown(frame, scene)
    assert sure.mean() > 0.99
    assert np.array_equal(labels[sure], expected[sure])
    assert (expected != before).mean() > 0.1
    assert {int(right), 77, NODATA} <= set(np.unique(labels))

    model = tmp_path / "model.safetensors"
    run = sarseg(
        "train", "--dataset", chips, "-o", model, "--epochs", 1, "--batch-size", 4, "--json"
    )
    assert run.code == 0, run.stderr
    assert json.loads(run.stdout)["output"] == str(model)
    assert {entry.id for entry in read_card(model).classes} == set(np.unique(labels)) - {NODATA}


def test_what_qgis_saves_in_place_is_read(tmp_path: Path, sarseg: Sarseg) -> None:
    """Through GDAL's own bindings, with multipolygons, as QGIS edits a GeoPackage."""
    ogr = pytest.importorskip("osgeo.ogr")
    classes = np.kron([[1, 2, 1], [3, 1, 2]], np.ones((20, 20))).astype(np.uint8)
    landcover = write_map(tmp_path / "map.tif", classes, **UTM)
    scene = tmp_path / "scene_VV.tif"
    with rasterio.open(landcover) as opened:
        profile = opened.profile | {"dtype": "float32", "nodata": None}
    with rasterio.open(scene, "w", **profile) as opened:
        opened.write(np.random.default_rng(0).exponential(0.1, (1, 40, 60)).astype(np.float32))
    polygons = tmp_path / "polygons.gpkg"
    assert sarseg("vectorize", landcover, "-o", polygons, "--dissolve").code == 0

    edited = ogr.Open(str(polygons), 1)
    layer = edited.GetLayerByName(LAYER)
    of_class = {feature["class_id"]: feature for feature in layer}
    layer.DeleteFeature(of_class[3].GetFID())
    of_class[2]["class_id"] = 9
    layer.SetFeature(of_class[2])
    del of_class, layer, edited  # the last one closes the file

    chips = tmp_path / "chips"
    run = sarseg("tile", scene, "--labels", polygons, "--size", 64, "-o", chips)
    assert run.code == 0, run.stderr
    (chip,) = read_manifest(chips).chips
    with rasterio.open(chips / str(chip.label)) as opened:
        labels = opened.read(1)[:40, :60]
    assert np.array_equal(labels, np.array([0, 1, 9, NODATA])[classes])
