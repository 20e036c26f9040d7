import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio.shutil
import shapely
import torch
from rasterio._env import get_gdal_config, set_gdal_config
from torch import Tensor, nn

from sarseg.errors import InputError, ModelError, OutputError, UsageError
from sarseg.filters.despeckle import Lee
from sarseg.filters.preparation import BandScaling, Preparation
from sarseg.model.file import LoadedModel
from sarseg.prediction.boxes import FeatureBoxes, MapBoxes
from sarseg.prediction.predictor import PredictionSummary, predict_scene
from sarseg.prediction.settings import PredictSettings
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.opening import open_raster
from sarseg.scenes.reader import Scene
from tests.features import write_features
from tests.rasters import hidden_files, speckle, write_raster
from tests.toy import CLASSES, Constant, toy_card, toy_model

PLAIN = Preparation(despeckle=None, scaling=(BandScaling(centre=-11.0, spread=4.0),) * 2)


RUN = ("boxes", "overwrite", "resume", "progress", "tell")


def predict(
    files: list[Path], output: Path, model: LoadedModel | None = None, **options: Any
) -> PredictionSummary:
    """In float32 and in batches of 4, unless said otherwise: nothing is measured."""
    run = {key: options.pop(key) for key in RUN if key in options}
    chosen = PredictSettings(**{"batch_size": 4, "precision": "float32", **options})
    with Scene.open(files) as scene:
        return predict_scene(scene, model or toy_model(), output, chosen, **run)


def read(path: Path, band: int = 1) -> np.ndarray:
    with open_raster(str(path)) as dataset:
        return np.asarray(dataset.read(band))


@pytest.fixture
def decibels(tmp_path: Path) -> Path:
    """VV in dB: dark and bright stripes askew, no speckle, no multiple of any tile."""
    rows, cols = np.mgrid[:150, :210]
    values = np.where((rows + 2 * cols) // 50 % 2, -18.0, -4.0).astype(np.float32)
    return write_raster(tmp_path / "s_vv.tif", values)


def test_every_pixel_gets_the_class_that_the_model_sees_there(
    tmp_path: Path, decibels: Path
) -> None:
    """A model that looks at one pixel at a time must give a map without any trace of the tiles."""
    model = toy_model(card=toy_card(preparation=PLAIN))
    summary = predict([decibels], tmp_path / "map.tif", model, confidence=True)
    expected = np.where(read(decibels) < -11.0, 3, 0)
    np.testing.assert_array_equal(read(tmp_path / "map.tif"), expected)
    for value in (0, 3):
        assert len(np.unique(read(tmp_path / "map.tif", 2)[expected == value])) == 1
    assert summary.bands == ("VV",)
    assert summary.shape == (150, 210)
    assert summary.pixels == {
        "dark": int((expected == 3).sum()),
        "bright": int((expected == 0).sum()),
        "cross": 0,
        "nodata": 0,
    }


def test_the_map_depends_on_neither_batch_nor_overlap_of_a_pixelwise_model(
    tmp_path: Path, decibels: Path
) -> None:
    maps = []
    for number, options in enumerate(
        [{}, {"batch_size": 1}, {"batch_size": 50}, {"overlap": 0}, {"overlap": 32}, {"overlap": 7}]
    ):
        predict([decibels], tmp_path / f"{number}.tif", **options)
        maps.append(read(tmp_path / f"{number}.tif"))
    for other in maps[1:]:
        np.testing.assert_array_equal(other, maps[0])


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (5, 3), (64, 64), (65, 63)])
def test_constant_in_constant_out_for_every_shape(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = write_raster(tmp_path / "vv.tif", speckle(*shape))
    model = toy_model(Constant([0.3, 0.1, 0.7]))
    predict([path], tmp_path / "map.tif", model, confidence=True)
    assert (read(tmp_path / "map.tif") == 7).all()
    assert np.unique(read(tmp_path / "map.tif", 2)).tolist() == [45]
    assert read(tmp_path / "map.tif").shape == shape


def test_a_crop_has_the_class_of_the_whole_away_from_its_edge(tmp_path: Path) -> None:
    """No statistics of the tile or of the scene enter."""
    values = speckle(200, 200, mean=0.08)
    whole = write_raster(tmp_path / "a_vv.tif", values)
    crop = write_raster(tmp_path / "b_vv.tif", values[50:150, 60:170])
    predict([whole], tmp_path / "whole.tif")
    predict([crop], tmp_path / "crop.tif")
    np.testing.assert_array_equal(
        read(tmp_path / "crop.tif")[3:-3, 3:-3], read(tmp_path / "whole.tif")[53:147, 63:167]
    )


def test_invalid_pixels_become_nodata_and_empty_tiles_are_skipped(tmp_path: Path) -> None:
    values = speckle(300, 300)
    values[:200, :200] = -9999.0
    values[250, 250] = -9999.0
    path = write_raster(tmp_path / "vv.tif", values, nodata=-9999.0)
    summary = predict([path], tmp_path / "map.tif", confidence=True)
    for band in (1, 2):
        np.testing.assert_array_equal(read(tmp_path / "map.tif", band) == 255, values == -9999.0)
    assert 0 < summary.skipped < summary.tiles
    assert summary.pixels["nodata"] == 200 * 200 + 1


def test_progress_counts_all_tiles(tmp_path: Path, decibels: Path) -> None:
    seen: list[tuple[int, int]] = []
    summary = predict(
        [decibels], tmp_path / "map.tif", progress=lambda done, total: seen.append((done, total))
    )
    batches = range(4, summary.tiles, 4)
    assert seen == [(done, summary.tiles) for done in (*batches, summary.tiles)]


def test_each_band_goes_to_its_slot(tmp_path: Path) -> None:
    bright = np.full((20, 20), -3.0, np.float32)
    vv = write_raster(tmp_path / "vv.tif", bright - 8.0)
    vh = write_raster(tmp_path / "vh.tif", bright)
    for files, class_id in [([vh, vv], 7), ([vv, vh], 7), ([vh], 7)]:
        predict(files, tmp_path / "map.tif", overwrite=True)
        assert (read(tmp_path / "map.tif") == class_id).all()


def test_scaling_by_the_scene(tmp_path: Path) -> None:
    """Digital numbers without calibration look all bright to the model, until scaled."""
    path = write_raster(tmp_path / "vv.tif", (speckle(100, 100, mean=300.0) + 1).astype(np.uint16))
    assert predict([path], tmp_path / "model.tif").pixels["dark"] == 0
    dark = predict([path], tmp_path / "scene.tif", scaling="scene").pixels["dark"]
    assert 2_000 < dark < 8_000
    with open_raster(str(tmp_path / "scene.tif")) as dataset:
        tags = dataset.tags()
    assert tags["SARSEG_SCALING"] == "scene"
    assert tags["SARSEG_BANDS"] == "VV"
    assert tags["SARSEG_MODEL_SHA256"] == "0" * 64


class Broken(nn.Module):
    """Fails at the ``call``-th batch, or answers with NaN."""

    def __init__(self, failure: BaseException | None, call: int = 2) -> None:
        super().__init__()
        self.failure, self.left = failure, call

    def forward(self, bands: Tensor) -> Tensor:
        self.left -= 1
        if self.left == 0 and self.failure:
            raise self.failure
        return torch.full_like(bands[:, :1], torch.nan if self.left == 0 else 0.0).repeat(
            1, 3, 1, 1
        )


@pytest.mark.parametrize(
    ("failure", "seen"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (RuntimeError("defect"), RuntimeError),
        (None, ModelError),
    ],
)
def test_a_failure_in_the_middle_leaves_nothing(
    tmp_path: Path, decibels: Path, failure: BaseException | None, seen: type[BaseException]
) -> None:
    with pytest.raises(seen):
        predict([decibels], tmp_path / "map.tif", toy_model(Broken(failure)))
    assert {path.name for path in tmp_path.iterdir()} == {"s_vv.tif"}


class TooLarge(nn.Module):
    """Has room for so many tiles, and no more."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def forward(self, bands: Tensor) -> Tensor:
        if len(bands) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return bands.repeat(1, 2, 1, 1)[:, :3]


def test_a_batch_that_does_not_fit_is_halved(tmp_path: Path, decibels: Path) -> None:
    told: list[str] = []
    summary = predict(
        [decibels], tmp_path / "map.tif", toy_model(TooLarge(1)), batch_size=4, tell=told.append
    )
    assert summary.batch_size == 1
    assert [line.split(": ")[1] for line in told] == [
        f"{tiles} at once now." for tiles in ("2 tiles", "1 tile")
    ]
    with pytest.raises(UsageError, match="A batch of 1 tile does not fit the memory of cpu"):
        predict([decibels], tmp_path / "none.tif", toy_model(TooLarge(0)))
    assert hidden_files(tmp_path) == []


def test_a_file_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", speckle(1500, 300), nodata=-1.0)
    path.write_bytes(path.read_bytes()[:-500_000])
    (tmp_path / "map.tif").write_text("old")
    with pytest.raises(InputError, match=r"vv\.tif cannot be read at rows"):
        predict([path], tmp_path / "map.tif", overwrite=True)
    assert (tmp_path / "map.tif").read_text() == "old"
    assert hidden_files(tmp_path) == []


@pytest.mark.parametrize("empty", [0, 1])
def test_a_scene_without_valid_pixels_is_refused(tmp_path: Path, empty: int) -> None:
    values = speckle(2, 100, 90)
    values[empty] = np.nan
    path = write_raster(tmp_path / "s_vv_vh.tif", values)
    with pytest.raises(InputError, match=r"s_vv_vh\.tif has no pixel that is valid in VV and VH"):
        predict([path], tmp_path / "map.tif")
    assert {path.name for path in tmp_path.iterdir()} == {"s_vv_vh.tif"}


def test_a_scene_is_never_overwritten(tmp_path: Path, decibels: Path) -> None:
    before = decibels.read_bytes()
    link = tmp_path / "link.tif"
    link.symlink_to(decibels)
    rasterio.shutil.copy(decibels, tmp_path / "a_vv.vrt", driver="VRT")
    for scene, output in [
        (decibels, decibels),
        (decibels, link),
        (tmp_path / "a_vv.vrt", decibels),
    ]:
        with pytest.raises(OutputError, match="is also an input"):
            predict([scene], output, overwrite=True)
    assert decibels.read_bytes() == before


def test_impossible_options(tmp_path: Path, decibels: Path) -> None:
    for options, told in [({"batch_size": 0}, "batch size"), ({"overlap": 57}, "0 to 56")]:
        with pytest.raises(UsageError, match=told):
            predict([decibels], tmp_path / "map.tif", **options)
    with pytest.raises(OutputError, match="does not exist"):
        predict([decibels], tmp_path / "no" / "map.tif")


def test_memory_does_not_grow_with_the_height(tmp_path: Path) -> None:
    def peak(height: int) -> int:
        path = write_raster(tmp_path / f"{height}_vv.tif", speckle(height, 100), nodata=-1.0)
        output = tmp_path / f"{height}.tif"
        tracemalloc.start()
        predict([path], output, confidence=True)
        largest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return largest

    peak(300)  # what is loaded and cached once
    assert peak(6_000) < 1.2 * peak(1_000)


class InBoxes(nn.Module):
    """Class 1 in the boxes, class 0 elsewhere; counts the tiles that it is shown."""

    shown = 0

    def forward(self, bands: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        assert len(bands) == len(boxes)
        self.shown += len(bands)
        answer = torch.zeros(len(bands), 2, *bands.shape[-2:])
        answer[:, 1] = -20.0
        for logits, of_one in zip(answer, boxes, strict=True):
            assert len(of_one)
            for x0, y0, x1, y1 in of_one.int().tolist():
                logits[1, y0 : y1 + 1, x0 : x1 + 1] = 20.0
        return answer


def boxed_model() -> LoadedModel:
    card = toy_card().model_copy(
        update={"classes": (CLASSES[1], CLASSES[0]), "decoder": "box-prompted"}
    )
    return toy_model(InBoxes(), card)


@pytest.fixture
def lakes(tmp_path: Path) -> np.ndarray:
    """Where the boxes of boxes.gpkg lie, and class 3 of earlier.tif."""
    mask = np.zeros((150, 210), np.bool_)
    mask[40:60, 30:90] = mask[70:71, 10:11] = True
    shapes = [shapely.box(30, 40, 90, 60), shapely.box(10, 70, 11, 71)]
    write_features(tmp_path / "boxes.gpkg", shapes)
    write_raster(tmp_path / "earlier.tif", np.where(mask, 3, 0).astype(np.uint8))
    return mask


def test_what_lies_in_boxes_is_mapped_and_the_rest_is_the_rest(
    tmp_path: Path, decibels: Path, lakes: np.ndarray
) -> None:
    model, output = boxed_model(), tmp_path / "map.tif"
    boxes = FeatureBoxes(tmp_path / "boxes.gpkg")
    summary = predict([decibels], output, model, boxes=boxes, confidence=True, overlap=0)
    np.testing.assert_array_equal(read(output), np.where(lakes, 3, 0))
    assert (read(output, 2) == 100).all()
    assert summary.tiles == 12
    assert summary.skipped == 0
    assert summary.unprompted == 12 - model.segmenter.shown  # type: ignore[operator]
    assert model.segmenter.shown == 3  # the first box lies in two tiles
    assert summary.pixels == {"bright": 150 * 210 - 1201, "dark": 1201, "nodata": 0}
    with open_raster(str(output)) as dataset:
        assert dataset.tags()["SARSEG_BOXES"] == "boxes.gpkg"


def test_tiles_that_overlap_agree_on_boxes(
    tmp_path: Path, decibels: Path, lakes: np.ndarray
) -> None:
    for overlap in (7, 16, 32):
        boxes = FeatureBoxes(tmp_path / "boxes.gpkg")
        options = {"boxes": boxes, "overlap": overlap, "batch_size": 3, "overwrite": True}
        predict([decibels], tmp_path / "map.tif", boxed_model(), **options)
        np.testing.assert_array_equal(read(tmp_path / "map.tif"), np.where(lakes, 3, 0))


def test_an_earlier_map_says_where_to_look(
    tmp_path: Path, decibels: Path, lakes: np.ndarray
) -> None:
    lakes[70, 10] = False  # in a tile of its own with overlap 0, so that boxes are the masks
    write_raster(tmp_path / "earlier.tif", np.where(lakes, 3, 0).astype(np.uint8))
    boxes = MapBoxes(tmp_path / "earlier.tif")
    summary = predict([decibels], tmp_path / "map.tif", boxed_model(), boxes=boxes, overlap=0)
    np.testing.assert_array_equal(read(tmp_path / "map.tif"), np.where(lakes, 3, 0))
    assert summary.unprompted == 10
    with pytest.raises(OutputError, match="is also an input"):
        predict([decibels], boxes.path, boxed_model(), boxes=boxes, overwrite=True)


def test_invalid_pixels_in_boxes_stay_invalid(tmp_path: Path, lakes: np.ndarray) -> None:
    values = speckle(150, 210)
    values[:64] = np.nan  # the whole of the first row of tiles
    values[100, 100] = np.nan
    path = write_raster(tmp_path / "vv.tif", values)
    boxes = FeatureBoxes(tmp_path / "boxes.gpkg")
    summary = predict([path], tmp_path / "map.tif", boxed_model(), boxes=boxes, overlap=0)
    expected = np.where(np.isnan(values), 255, np.where(lakes, 3, 0))
    np.testing.assert_array_equal(read(tmp_path / "map.tif"), expected)
    assert (summary.skipped, summary.unprompted) == (4, 7)


def test_boxes_are_for_models_that_take_them(tmp_path: Path, decibels: Path) -> None:
    """Said before anything is read: the files are not there."""
    with pytest.raises(UsageError, match=r"maps dark inside boxes only.* --boxes,.* --boxes-from"):
        predict([decibels], tmp_path / "map.tif", boxed_model())
    for boxes in (FeatureBoxes(tmp_path / "gone.gpkg"), MapBoxes(tmp_path / "gone.tif")):
        with pytest.raises(UsageError, match="classwise, maps the whole scene and takes no boxes"):
            predict([decibels], tmp_path / "map.tif", boxes=boxes)
        with pytest.raises(InputError, match="gone"):
            predict([decibels], tmp_path / "map.tif", boxed_model(), boxes=boxes)
    assert {path.name for path in tmp_path.iterdir()} == {"s_vv.tif"}


class CacheSize(nn.Module):
    """Notes how much GDAL may keep of what it read."""

    def forward(self, bands: Tensor) -> Tensor:
        self.found = get_gdal_config("GDAL_CACHEMAX")
        return bands.repeat(1, 2, 1, 1)[:, :3]


def test_gdal_does_not_fill_the_memory_with_blocks(
    tmp_path: Path, decibels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter, usual = CacheSize(), 100_000_000
    set_gdal_config("GDAL_CACHEMAX", usual)
    predict([decibels], tmp_path / "map.tif", toy_model(segmenter))
    assert segmenter.found == 64 * 2**20 != usual
    monkeypatch.setenv("GDAL_CACHEMAX", "512")
    set_gdal_config("GDAL_CACHEMAX", usual)
    predict([decibels], tmp_path / "map.tif", toy_model(segmenter), overwrite=True)
    assert segmenter.found == usual


def test_lee_is_what_the_model_file_says(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", speckle(100, 100, mean=0.08))
    scaling = (BandScaling(centre=-11.0, spread=4.0),) * 2
    shares = []
    for number, despeckle in enumerate([None, Lee(size=9, looks=1.0)]):
        card = toy_card(preparation=Preparation(despeckle=despeckle, scaling=scaling))
        summary = predict([path], tmp_path / f"{number}.tif", toy_model(card=card))
        shares.append(summary.pixels["dark"])
    assert shares[0] - shares[1] > 500


SCENES = [
    ["scenes/s1_iw_gcps_vv.tif", "scenes/s1_iw_gcps_vh.tif"],
    ["scenes/s1_iw_gcps_vh.tif"],
    ["scenes/s1_sm_gcps_vh.tif"],
    ["scenes/s1_gamma0_vv_utm.tif"],
    ["scenes/s1_vv_db_utm.tif"],
    ["scenes/s1_vv_db_wgs84.tif", "scenes/s1_vh_db_wgs84.tif"],
    ["flevoland/scene.tif"],
]


def first_band(path: Path) -> np.ndarray:
    with open_raster(str(path)) as dataset:
        return np.asarray(dataset.read(1))


def valid_pixels(path: Path) -> np.ndarray:
    with open_raster(str(path)) as dataset:
        values = dataset.read(1)
        # Without a nodata tag, zeros are at the border only in these scenes.
        filled = values != 0 if dataset.nodata is None else dataset.read_masks(1) != 0
        return np.asarray(filled & np.isfinite(values))


@pytest.mark.parametrize("files", SCENES, ids=lambda files: files[0])
def test_real_scenes_agree_with_their_maps(
    tmp_path: Path, real_data: Path, files: list[str]
) -> None:
    paths = [real_data / file for file in files]
    output = tmp_path / "map.tif"
    predict(paths, output, confidence=True, scaling="scene")
    with open_raster(str(paths[0])) as scene, open_raster(str(output)) as landcover:
        one, other = Georeference.of(scene), Georeference.of(landcover)
        assert (landcover.crs, landcover.transform) == (scene.crs, scene.transform)
        assert (landcover.width, landcover.height) == (scene.width, scene.height)
        points = [[(p.row, p.col, p.x, p.y, p.z) for p in grid.gcps] for grid in (one, other)]
        assert points[0] == points[1]
        assert one.gcp_crs == other.gcp_crs
        valid = np.logical_and.reduce([valid_pixels(path) for path in paths])
        empty = landcover.read(1) == 255
        np.testing.assert_array_equal(landcover.read(2) == 255, empty)
        assert empty[~valid].all()
        noise = np.min([first_band(path) for path in paths], axis=0)[empty & valid]
        assert noise.size < 0.005 * empty.size  # of the border of digital numbers
        assert (noise <= 15).all()
        assert np.isin(landcover.read(1), [0, 3, 7, 255]).all()
