from pathlib import Path

import numpy as np
import pytest

from sarseg.errors import InputError, ModelError, UsageError
from sarseg.filters.preparation import BandScaling, Preparation
from sarseg.prediction.predictor import predict_scene
from sarseg.prediction.rows import map_rows
from sarseg.prediction.settings import PredictSettings
from sarseg.prediction.tile_reading import checked_grid
from sarseg.scenes.opening import open_raster
from sarseg.scenes.reader import Scene
from tests.rasters import speckle, write_raster
from tests.toy import Constant, toy_card, toy_model

PLAIN = Preparation(despeckle=None, scaling=(BandScaling(centre=-11.0, spread=4.0),) * 2)


@pytest.fixture
def half_empty(tmp_path: Path) -> Path:
    values = speckle(300, 170)
    values[:200, :150] = -9999.0
    return write_raster(tmp_path / "s_vv.tif", values, nodata=-9999.0)


def test_the_rows_are_those_of_the_map(tmp_path: Path, half_empty: Path) -> None:
    with Scene.open([half_empty]) as scene:
        model = toy_model()
        settings = PredictSettings(confidence=True, batch_size=3, precision="float32")
        predict_scene(scene, model, tmp_path / "map.tif", settings)
        rows = list(map_rows(scene, model, settings))
    with open_raster(str(tmp_path / "map.tif")) as dataset:
        classes, confidence = dataset.read()
    starts = np.cumsum([0, *(len(each.classes) for each in rows)])
    assert [each.row for each in rows] == starts[:-1].tolist()
    found = np.concatenate([each.classes for each in rows])
    np.testing.assert_array_equal(found, classes)
    np.testing.assert_array_equal(np.concatenate([each.confidence for each in rows]), confidence)


def test_options_are_refused_before_the_first_row(half_empty: Path) -> None:
    with Scene.open([half_empty]) as scene, pytest.raises(UsageError, match="choose 0 to 56"):
        map_rows(scene, toy_model(), PredictSettings(overlap=57))


def test_bands_are_refused_before_the_first_row(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", speckle(20, 20))
    with Scene.open([path]) as scene, pytest.raises(ModelError, match="the model takes"):
        map_rows(scene, toy_model())


def test_a_scene_without_a_valid_pixel_ends_in_a_sentence(tmp_path: Path) -> None:
    values = np.full((80, 80), np.nan, np.float32)
    path = write_raster(tmp_path / "s_vv.tif", values)
    with Scene.open([path]) as scene, pytest.raises(InputError, match="no pixel that is valid"):
        list(map_rows(scene, toy_model()))


@pytest.mark.parametrize(("temperature", "expected"), [(1.0, 73), (0.5, 88), (2.0, 62), (20.0, 51)])
def test_logits_are_divided_by_the_temperature(
    tmp_path: Path, temperature: float, expected: int
) -> None:
    """Of logits 1 and 0, the first class has 1 / (1 + exp(-1 / T))."""
    path = write_raster(tmp_path / "s_vv.tif", speckle(30, 30))
    card = toy_card().model_copy(update={"temperature": temperature})
    model = toy_model(Constant([1.0, 0.0, -1e9]), card)
    with Scene.open([path]) as scene:
        (rows,) = map_rows(scene, model, PredictSettings(confidence=True))
    assert np.unique(rows.confidence).tolist() == [expected]
    assert np.unique(rows.classes).tolist() == [3]


def test_the_overlap_is_a_quarter_unless_given(half_empty: Path) -> None:
    with Scene.open([half_empty]) as scene:
        for overlap, expected in ((None, 16), (3, 3)):
            settings = PredictSettings(overlap=overlap)
            assert checked_grid(scene, toy_card(), settings, None).overlap == expected
