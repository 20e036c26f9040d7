"""Which of a scene's bands a model is given."""

from itertools import permutations

import numpy as np
import pytest

from sarseg.errors import ModelError
from sarseg.model.bands import CO_AND_CROSS_POL, channels_from_bands, exact_inputs, select_bands


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        (["VV", "VH"], ["VV", "VH"]),
        (["VH", "VV"], ["VV", "VH"]),
        (["HH", "HV", "VV"], ["HH", "HV"]),  # one transmitted polarisation, not VV + HV
        (["HH", "HV", "VH", "VV"], ["VV", "VH"]),
        (["VV"], ["VV", None]),
        (["HV"], [None, "HV"]),
        (["VV", "HV"], ["VV", "HV"]),
        (["incidence", "HH"], ["HH", None]),
    ],
)
def test_the_embedded_model_takes_what_fits(
    available: list[str], expected: list[str | None]
) -> None:
    picks = select_bands(CO_AND_CROSS_POL, available, "scene.tif")
    assert [None if pick is None else available[pick] for pick in picks] == expected


def test_a_model_of_exact_bands_finds_them_by_name() -> None:
    assert select_bands(exact_inputs(["HH", "VV"]), ["VV", "HV", "HH"], "scene.tif") == (2, 0)


def test_what_does_not_fit_is_refused_with_what_would() -> None:
    with pytest.raises(ModelError, match=r"scene\.tif has the bands band 1, .*VV or HH.*--bands"):
        select_bands(CO_AND_CROSS_POL, ["band 1"], "scene.tif")
    with pytest.raises(ModelError, match=r"all of: HH, HV\."):
        select_bands(exact_inputs(["HH", "HV"]), ["HH"], "scene.tif")


def test_quad_pol_is_mixed_by_name_in_any_order() -> None:
    values = {"HH": 1.0, "HV": 2.0, "VH": 4.0, "VV": 8.0}
    for order in permutations(values):
        weights = np.array(channels_from_bands(exact_inputs(order)))
        assert (weights @ [values[name] for name in order]).tolist() == [1.0, 3.0, 8.0]


@pytest.mark.parametrize("bands", [["HH"], ["VV", "VH"], ["a", "b", "c"], ["a", "b", "c", "d"]])
def test_every_channel_is_a_mean_of_bands(bands: list[str]) -> None:
    weights = np.array(channels_from_bands(exact_inputs(bands)))
    assert weights.shape == (3, len(bands))
    assert weights.sum(axis=1).tolist() == [1.0, 1.0, 1.0]
    assert (weights.sum(axis=0) > 0).all()
