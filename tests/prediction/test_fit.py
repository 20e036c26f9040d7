from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.transform import Affine

from sarseg.errors import ModelError
from sarseg.filters.frequency import FrequencyFilter
from sarseg.filters.preparation import Preparation
from sarseg.filters.statistics import BandScaling
from sarseg.model.bands import exact_inputs
from sarseg.model.card import ModelCard
from sarseg.prediction.fit import bands_used, doubts, picks_of, scene_levels
from sarseg.scenes.auxiliary import INCIDENCE_ANGLE
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import DEFAULT, Reading
from tests.rasters import speckle, write_raster
from tests.toy import toy_card

TAGGED = {"SARSEG_UNIT": "intensity"}


def doubts_about(path: Path, card: ModelCard, reading: Reading = DEFAULT) -> list[str]:
    with Scene.open([path], reading) as scene:
        return list(doubts(scene, card))


PLAIN = Preparation(despeckle=None, scaling=(BandScaling(centre=-11.0, spread=4.0),) * 2)


def plain_card(**changes: Any) -> ModelCard:
    """A model that despeckles nothing, so that levels are those of the file."""
    return toy_card(**{"preparation": PLAIN, **changes})


def card_with(*scaling: BandScaling, bands: list[str], quantity: str = "db") -> ModelCard:
    preparation = Preparation.model_validate(
        {"despeckle": None, "scaling": scaling, "quantity": quantity}
    )
    return plain_card(inputs=exact_inputs(bands), preparation=preparation)


def test_levels_are_those_after_the_models_filters(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", speckle(200, 200, mean=0.08), tags=TAGGED)
    high = Preparation(
        despeckle=None,
        frequency=FrequencyFilter(high_pass=0.05),
        scaling=(BandScaling(centre=-0.8, spread=4.0),) * 2,
    )
    assert doubts_about(path, plain_card(preparation=high)) == []


def test_bands_by_polarisation(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", speckle(3, 9, 8), descriptions=["HV", "HH", "VV"])
    with Scene.open([path]) as scene:
        assert picks_of(scene, plain_card()) == (1, 0)
        assert bands_used(scene, plain_card()) == ("HH", "HV")
        with pytest.raises(ModelError, match=r"s\.tif has the bands HV, HH, VV, but .* VH"):
            bands_used(scene, plain_card(inputs=exact_inputs(["VV", "VH"])))
        with pytest.raises(ModelError, match=r"s\.tif has the bands"):
            list(doubts(scene, plain_card(inputs=exact_inputs(["VV", "VH"]))))


def test_a_slot_without_a_band_is_none(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vh.tif", speckle(9, 8))
    with Scene.open([path]) as scene:
        assert picks_of(scene, plain_card()) == (None, 0)
        assert bands_used(scene, plain_card()) == ("VH",)


def test_a_calibrated_scene_gives_no_doubts(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", speckle(100, 100, mean=0.08))
    assert doubts_about(path, plain_card()) == []


def test_digital_numbers_are_far_off(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", (speckle(100, 100, mean=300.0) + 1).astype(np.uint16))
    (warning,) = doubts_about(path, plain_card())
    median = 20 * np.log10(np.median(np.floor(speckle(100, 100, mean=300.0) + 1)))
    assert f"VV of vv.tif, read as amplitude by guess, has a median of {median:.1f} dB" in warning
    assert "far from the -11.0 dB (spread 4.0 dB)" in warning
    assert "--scaling scene" in warning
    with Scene.open([path]) as scene:
        assert list(doubts(scene, plain_card(), "scene")) == []
    (warning,) = doubts_about(path, plain_card(), Reading(unit="amplitude"))
    assert "read as amplitude, has a median" in warning


def test_another_spread_is_told(tmp_path: Path) -> None:
    decibels = np.random.default_rng(0).normal(-11.0, 0.5, (100, 100)).astype(np.float32)
    path = write_raster(tmp_path / "vv.tif", decibels, tags={"SARSEG_UNIT": "db"})
    (warning,) = doubts_about(path, plain_card())
    assert "VV of vv.tif, read as db, spreads by 0.5 dB about its median" in warning
    assert "--input-unit" in warning
    wide = write_raster(tmp_path / "w_vv.tif", 30 * (decibels + 11) - 11, tags=TAGGED)
    (warning,) = doubts_about(wide, plain_card(), Reading(unit="db"))
    assert "spreads by 15." in warning
    usual = write_raster(tmp_path / "u_vv.tif", 4 * (decibels + 11) - 11, tags=TAGGED)
    assert doubts_about(usual, plain_card(), Reading(unit="db")) == []


def test_each_band_is_compared_with_its_own_slot(tmp_path: Path) -> None:
    """The bands lie in the file in another order than the model takes them."""
    values = np.stack([speckle(80, 80, mean=0.002), speckle(80, 80, mean=0.2, seed=1)])
    path = write_raster(tmp_path / "s.tif", values, descriptions=["VH", "VV"])
    bright, dark = (BandScaling(centre=centre, spread=4.0) for centre in (-8.0, -28.0))
    assert doubts_about(path, card_with(bright, dark, bands=["VV", "VH"])) == []
    far = doubts_about(path, card_with(dark, bright, bands=["VV", "VH"]))
    assert [warning[:2] for warning in far] == ["VV", "VH"]


def test_a_scene_without_valid_pixels_gives_no_doubts(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", np.full((20, 20), np.nan, np.float32))
    assert doubts_about(path, plain_card()) == []
    with Scene.open([path]) as scene:
        assert scene_levels(scene, (0,), plain_card().preparation) == []


@pytest.mark.parametrize(("side", "doubted"), [(10.0, False), (14.0, False), (16.0, True), (6, 1)])
def test_pixels_of_another_size(tmp_path: Path, side: float, doubted: bool) -> None:
    path = write_raster(
        tmp_path / "vv.tif",
        speckle(50, 50, mean=0.08),
        crs="EPSG:32631",
        transform=Affine(side, 0, 500_000, 0, -side, 5_700_000),
    )
    card = plain_card().model_copy(update={"pixel_size": 10.0})
    found = doubts_about(path, card)
    assert len(found) == doubted
    if doubted:
        assert f"vv.tif has pixels of {side:.3g} m, the training data had 10 m" in found[0]
        assert ("--resolution 10" in found[0]) == (side < 10)
    assert doubts_about(path, plain_card()) == []


def test_a_scene_without_georeferencing_has_pixels_of_any_size(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", speckle(50, 50, mean=0.08))
    assert doubts_about(path, plain_card().model_copy(update={"pixel_size": 10.0})) == []


def test_auxiliary_bands_are_compared_in_their_own_unit(tmp_path: Path) -> None:
    angles = np.random.default_rng(0).normal(38.0, 4.0, (60, 60))
    values = np.stack([speckle(60, 60, mean=0.1), angles.astype(np.float32)])
    path = write_raster(tmp_path / "s.tif", values)
    reading = Reading(bands=("VV", INCIDENCE_ANGLE))
    backscatter = BandScaling(centre=-11.0, spread=4.0)

    def card(centre: float) -> ModelCard:
        angle = BandScaling(centre=centre, spread=4.0, auxiliary=True)
        return card_with(backscatter, angle, bands=["VV", INCIDENCE_ANGLE])

    assert doubts_about(path, card(40.0), reading) == []
    (warning,) = doubts_about(path, card(90.0), reading)
    assert (
        f"incidence_angle of s.tif has a median of {np.median(angles):.1f}, far from the 90.0"
        in warning
    )
    assert warning.endswith("(angles in degrees, heights in m).")
    assert "dB" not in warning
    with Scene.open([path], reading) as scene:
        levels = scene_levels(scene, (0, 1), plain_card().preparation)
    expected = 10 * np.log10(np.median(values[0])), np.median(values[1])
    np.testing.assert_allclose([level.centre for level in levels], expected, rtol=1e-3)
    assert [level.auxiliary for level in levels] == [False, True]


def test_amplitudes_are_compared_as_amplitudes(tmp_path: Path) -> None:
    amplitudes = np.random.default_rng(0).normal(90.0, 20.0, (60, 60)).clip(1, 255)
    path = write_raster(tmp_path / "vv.tif", amplitudes.astype(np.uint8))
    scaling = BandScaling(centre=100.0, spread=25.0)
    assert doubts_about(path, card_with(scaling, bands=["VV"], quantity="amplitude")) == []
    dark = write_raster(tmp_path / "d_vv.tif", (amplitudes / 100).astype(np.float32), tags=TAGGED)
    (warning,) = doubts_about(dark, card_with(scaling, bands=["VV"], quantity="amplitude"))
    assert "has a median of 0.9, far from the 100.0 (spread 25.0)" in warning
