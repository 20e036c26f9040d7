from dataclasses import dataclass, field
from typing import Any

import pytest

from sarseg.evaluation.leaks import dataset_leaks, scene_leaks
from sarseg.model.card import ModelCard
from tests.toy import toy_card


@dataclass
class Record:
    height: int = 100
    width: int = 200
    files: tuple[str, ...] = field(default=("/elsewhere/vv.tif", "/elsewhere/vh.tif"))


@pytest.fixture
def card() -> ModelCard:
    record: dict[str, Any] = {
        "name": "polder",
        "files": ["data/vv.tif", "data/vh.tif"],
        "height": 100,
        "width": 200,
    }
    training = {"split_digest": "abc", "scenes": [record], "division": "by split.tif"}
    return toy_card().model_copy(update={"training": training})


@pytest.mark.parametrize(
    ("part", "word"), [("train", "trained on"), ("validation", "chosen by"), ("test", None)]
)
def test_parts_of_the_dataset_of_the_model(card: ModelCard, part: Any, word: str | None) -> None:
    warnings = list(dataset_leaks(card, "chips", "abc", [Record()], part))
    if word is None:
        assert warnings == []
    else:
        (warning,) = warnings
        assert word in warning


def test_another_division_of_the_same_scene(card: ModelCard) -> None:
    (warning,) = dataset_leaks(card, "others", "def", [Record(), Record(height=3)], "test")
    assert "'vv.tif'" in warning


def test_other_chips(card: ModelCard) -> None:
    assert list(dataset_leaks(card, "others", "def", [Record(files=("a.tif",))], "train")) == []


@pytest.mark.parametrize("part", [None, "train", "validation"])
def test_a_scene_that_was_trained_on(card: ModelCard, part: Any) -> None:
    (warning,) = scene_leaks(card, ["/tmp/vh.tif"], 100, 200, part, "by split.tif")
    assert "the scene 'vh.tif':" in warning


def test_the_test_part_of_it_is_fine(card: ModelCard) -> None:
    assert list(scene_leaks(card, ["/tmp/vv.tif"], 100, 200, "test", "by split.tif")) == []


@pytest.mark.parametrize(
    "division", [None, "by other.tif", "blocks of 96 pixels, dealt by the seed 1"]
)
def test_the_test_part_of_another_division_may_be_what_was_seen(
    card: ModelCard, division: str | None
) -> None:
    (warning,) = scene_leaks(card, ["/tmp/vv.tif"], 100, 200, "test", division)
    assert "may be what it has seen" in warning


@pytest.mark.parametrize(("name", "height"), [("hh.tif", 100), ("vv.tif", 101)])
def test_other_scenes(card: ModelCard, name: str, height: int) -> None:
    assert list(scene_leaks(card, [name], height, 200, None, None)) == []


def test_a_card_that_does_not_tell() -> None:
    assert list(scene_leaks(toy_card(), ["vv.tif"], 100, 200, None, None)) == []
    assert list(dataset_leaks(toy_card(), "chips", "abc", [Record()], "train")) == []
