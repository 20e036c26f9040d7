from pathlib import Path

import numpy as np
import pytest
import torch

from sarseg.analysis.adaptation import adaptation
from sarseg.analysis.examples import example_tiles, simulated_scene
from sarseg.analysis.page import write_page
from sarseg.errors import ModelError
from sarseg.model.file import LoadedModel, load_model


@pytest.fixture(scope="module")
def tiles() -> list[np.ndarray]:
    card = load_model().card
    with simulated_scene(card, 2) as scene:
        return example_tiles(scene, card, 2)


def moved(model: LoadedModel, factor: float) -> LoadedModel:
    """What the method added to the encoder, multiplied."""
    for name, parameter in model.segmenter.image_encoder.named_parameters():
        if parameter.requires_grad:
            assert "blocks" in name or "prompt" in name
            parameter.data *= factor
    return model


def test_without_what_was_added_nothing_changed(tiles: list[np.ndarray]) -> None:
    found = adaptation(moved(load_model(), 0.0), tiles)
    torch.testing.assert_close(found.after.distances, found.before.distances)
    torch.testing.assert_close(found.after.spectra, found.before.spectra)
    found = adaptation(load_model(), tiles)
    assert (found.after.distances - found.before.distances).abs().max() > 0.5
    assert found.tiles == 2
    assert found.whole_image == (2, 5, 8, 11)


def test_pictures_are_those_of_the_first_tile(tmp_path: Path, tiles: list[np.ndarray]) -> None:
    found = adaptation(load_model(), tiles)
    np.testing.assert_array_equal(found.pictures["in"], tiles[0][0])  # the first band is red
    low, high = found.pictures["low"], found.pictures["high"]
    edges = [np.abs(np.diff(each, axis=1)).mean() / each.std() for each in (low, high)]
    assert edges[1] > 2 * edges[0]
    page = tmp_path / "page.html"
    write_page(page, found, "<b>", {"of": "<i>"})
    text = page.read_text(encoding="utf-8")
    assert "<b>" not in text
    assert "&lt;i&gt;" in text
    assert text.count("<circle") == 2 * 12 * 3


def test_weights_that_are_no_numbers_are_refused(tiles: list[np.ndarray]) -> None:
    with pytest.raises(ModelError, match="no numbers"):
        adaptation(moved(load_model(), float("nan")), tiles)
