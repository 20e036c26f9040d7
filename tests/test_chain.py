"""The whole chain on real scenes: map and polygons lie where the scene lies."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import AffineTransformer, GCPTransformer

from sarseg.classes import NODATA
from sarseg.model.file import LoadedModel, load_model
from sarseg.prediction.predictor import predict_scene
from sarseg.scenes.reader import Scene
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
        predict_scene(scene, model, landcover, scaling="scene")
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
        if which == ZERO_BORDER:
            zeros = sum(first_band(path) == 0 for path in files) > 0
            assert (classes == NODATA)[zeros].mean() > 0.9
            assert zeros[classes == NODATA].all()
        else:
            assert np.array_equal(classes == NODATA, nodata)
        crs = made.crs or made.gcps[1]
        transformer = (
            GCPTransformer(made.gcps[0]) if made.gcps[0] else AffineTransformer(made.transform)
        )
    assert_polygons_show(classes, gpd.read_file(polygons), transformer, crs)


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
