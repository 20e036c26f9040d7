"""The whole chain: real scenes to polygons, and simulated ones to models of every decoder."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import AffineTransformer, GCPTransformer

from sarseg.classes import NODATA
from sarseg.datasets.synthetic import simulate, write_scene
from sarseg.model.file import LoadedModel, load_model, read_card
from sarseg.prediction.boxes import MapBoxes
from sarseg.prediction.predictor import predict_scene
from sarseg.prediction.settings import PredictSettings
from sarseg.prediction.tile_reading import checked_grid
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window
from sarseg.training.run import train
from sarseg.training.settings import TrainSettings
from sarseg.vectors.vectorize import vectorize

SCENES = {
    "GCPs, two files": ["scenes/s1_iw_gcps_vv.tif", "scenes/s1_iw_gcps_vh.tif"],
    "GCPs, one file": ["scenes/s1_sm_gcps_vh.tif"],
    "half nodata": ["scenes/s1_gamma0_vv_utm.tif"],
    "fractional origin": ["scenes/s1_vv_db_utm.tif"],
    "degrees": ["scenes/s1_vv_db_wgs84.tif", "scenes/s1_vh_db_wgs84.tif"],
    "airborne, three bands": ["flevoland/scene.tif"],
}
# zeros that reach the edge of a file without a nodata tag
ZERO_BORDER = "GCPs, two files"


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model()


@pytest.mark.parametrize("which", SCENES)
def test_map_and_polygons_lie_on_the_scene(
    which: str, real_data: Path, model: LoadedModel, tmp_path: Path
) -> None:
    files = [real_data / name for name in SCENES[which]]
    landcover, polygons = tmp_path / "map.tif", tmp_path / "map.gpkg"
    with Scene.open(files) as scene:
        # the scene's own statistics, so that uncalibrated scenes give more than one class
        predict_scene(scene, model, landcover, PredictSettings(scaling="scene"))
    vectorize(landcover, polygons)

    with rasterio.open(files[0]) as given, rasterio.open(landcover) as made:
        assert made.shape == given.shape
        assert made.crs == given.crs
        assert made.transform == given.transform
        assert [point.asdict() | {"id": ""} for point in made.gcps[0]] == [
            point.asdict() | {"id": ""} for point in given.gcps[0]
        ]
        assert made.gcps[1] == given.gcps[1]
        classes = made.read(1)
        assert len(set(np.unique(classes)) - {NODATA}) > 1
        masks = [mask_of(path) for path in files]
        nodata = ~np.logical_and.reduce(masks)
        darkest = np.min([first_band(path) for path in files], axis=0)
        if which == ZERO_BORDER:
            nodata = darkest == 0
            assert (classes == NODATA)[nodata].mean() > 0.9
        else:
            assert (classes[nodata] == NODATA).all()
        noise = darkest[(classes == NODATA) & ~nodata]
        assert noise.size < 0.005 * classes.size  # of the border of digital numbers
        assert (noise <= 15).all()
        crs = made.crs or made.gcps[1]
        transformer = (
            GCPTransformer(made.gcps[0]) if made.gcps[0] else AffineTransformer(made.transform)
        )
    assert_polygons_show(classes, gpd.read_file(polygons, layer="landcover"), transformer, crs)


def mask_of(path: Path) -> np.ndarray:
    with rasterio.open(path) as opened:
        return (opened.read_masks(1) > 0) & np.isfinite(opened.read(1))


def first_band(path: Path) -> np.ndarray:
    with rasterio.open(path) as opened:
        return opened.read(1)


def assert_polygons_show(
    classes: np.ndarray, polygons: gpd.GeoDataFrame, transformer: object, crs: object
) -> None:
    """At the centre of 500 random pixels lies one polygon, and it has the pixel's class."""
    assert polygons.crs == crs
    assert (polygons["area_ha"].isna()).all() == (crs is None)
    generator = np.random.default_rng(11)
    rows, cols = (generator.integers(0, size, 500) for size in classes.shape)
    x, y = transformer.xy(rows, cols)  # type: ignore[attr-defined]
    point_index, polygon_index = shapely.STRtree(polygons.geometry).query(
        shapely.points(x, y), predicate="intersects"
    )
    found = np.full(500, NODATA)
    found[point_index] = polygons["class_id"].to_numpy()[polygon_index]
    assert np.array_equal(found, classes[rows, cols])
    assert len(point_index) == (found != NODATA).sum()


SIDE = 256
TILE = 128
WATER = 1


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scene.tif and labels.tif; chips/, the left half for training, the right for validation."""
    folder = tmp_path_factory.mktemp("simulated")
    scene, labels, split = folder / "scene.tif", folder / "labels.tif", folder / "split.tif"
    write_scene(simulate(7, SIDE, SIDE), scene, labels)
    halves = np.ones((SIDE, SIDE), np.uint8)
    halves[:, TILE:] = 2
    with rasterio.open(labels) as like, rasterio.open(split, "w", **like.profile) as opened:
        opened.write(halves, 1)
    options = ["--labels", labels, "--split", split, "--size", TILE]
    sarseg("tile", scene, "-o", folder / "chips", *options)
    return folder


def sarseg(*arguments: object) -> dict[str, Any]:
    """What a process of the command line prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "sarseg", *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_one_class_in_boxes(simulated: Path, tmp_path: Path) -> None:
    scene, labels = simulated / "scene.tif", simulated / "labels.tif"
    model, lakes = tmp_path / "model.safetensors", tmp_path / "lakes.gpkg"
    chosen = ["--foreground", "water", "--decoder", "box-prompted", "--method", "sam-adapter"]
    data = ["--dataset", simulated / "chips", "-o", model, "--epochs", 1]
    trained = sarseg("train", *data, *chosen)
    assert list(trained["class_pixels"]) == ["not water", "water"]

    vectorize(labels, tmp_path / "all.gpkg")
    polygons = gpd.read_file(tmp_path / "all.gpkg", layer="landcover")
    polygons[polygons["class_name"] == "water"].to_file(lakes)
    with rasterio.open(scene) as given:
        valid = np.isfinite(given.read()).all(axis=0)
    for option, boxes in [("--boxes", lakes), ("--boxes-from", labels)]:
        output = tmp_path / f"{boxes.stem}.tif"
        options = ["--model", model, option, boxes, "--confidence", "--overlap", 32]
        (made,) = sarseg("predict", scene, "-o", output, *options)["maps"]
        with rasterio.open(output) as opened:
            assert opened.tags()["SARSEG_BOXES"] == boxes.name
            assert opened.tags(1) == {"CLASS_0": "not water", "CLASS_1": "water"}
            classes, confidence = opened.read()
        assert np.isin(classes[valid], [0, WATER]).all()
        assert (classes[~valid] == NODATA).all()

    # tiles of the second map whose part of the labels shows no water
    with rasterio.open(labels) as opened:
        water = opened.read(1) == WATER
    with Scene.open([scene]) as opened:
        grid = checked_grid(opened, read_card(model), PredictSettings(overlap=32), MapBoxes(labels))
    windows = [window.within(SIDE, SIDE) for window in grid]
    tiles = [window.slices_in(Window(0, 0, SIDE, SIDE)) for window in windows]
    prompted = [tile for tile in tiles if water[tile].any()]
    assert made["unprompted"] == len(tiles) - len(prompted) > 0
    for tile in prompted:
        valid[tile] = False
    assert valid.any()
    assert (classes[valid] == 0).all()
    assert (confidence[valid] == 100).all()


def test_masks_with_classes(simulated: Path, tmp_path: Path) -> None:
    model, output = tmp_path / "model.safetensors", tmp_path / "map.tif"
    chosen = TrainSettings(
        dataset=str(simulated / "chips"), decoder="mask-classification", epochs=1
    )
    train(chosen, model, overwrite=False)
    loaded = load_model(model)
    with Scene.open([simulated / "scene.tif"]) as scene:
        predict_scene(scene, loaded, output)
    with rasterio.open(output) as opened:
        ids = set(np.unique(opened.read(1))) - {NODATA}
    assert ids <= {entry.id for entry in loaded.card.classes}
