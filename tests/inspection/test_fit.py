from pathlib import Path

import pytest

from sarseg.errors import ModelError
from sarseg.inspection.fit import inspect_fit
from sarseg.model.bands import exact_inputs
from sarseg.scenes.reader import Scene
from tests.rasters import speckle, write_raster
from tests.toy import toy_card


def test_bands_empty_slots_and_doubts(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vh.tif", speckle(50, 50, mean=1e4))
    with Scene.open([path]) as scene:
        report = inspect_fit(scene, toy_card())
    assert report.bands == ("VH",)
    assert report.empty == ("co-polarised",)
    assert len(report.doubts) == 1


def test_a_misfit_is_an_error(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vh.tif", speckle(50, 50))
    card = toy_card(inputs=exact_inputs(["VV"]))
    with Scene.open([path]) as scene, pytest.raises(ModelError, match="takes VV"):
        inspect_fit(scene, card)
