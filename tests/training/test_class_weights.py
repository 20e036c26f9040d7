"""What classes weigh: by number, by frequency, as published."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarseg.classes import LandCoverClass
from sarseg.datasets.fusar import RELEASES
from sarseg.errors import DatasetError, UsageError
from sarseg.training.class_weights import class_weights
from sarseg.training.settings import TrainSettings

CLASSES = [
    LandCoverClass(id=number, name=name, colour=(number, 0, 0))
    for number, name in enumerate(["water", "forest", "town"])
]


def weights(
    chosen: object, counts: tuple[int, ...] = (100, 0, 400), dataset: str = "chips"
) -> tuple[float, ...]:
    return class_weights(TrainSettings(dataset=dataset, class_weights=chosen), CLASSES, counts)


def test_none_weighs_all_alike() -> None:
    assert weights("none") == (1.0, 1.0, 1.0)


def test_frequency_by_hand() -> None:
    """1/10 and 1/20, divided by their mean; the class that is not there weighs nothing."""
    assert weights("frequency") == pytest.approx((4 / 3, 0.0, 2 / 3))


@given(st.lists(st.integers(0, 10**9), min_size=3, max_size=3).filter(any))
def test_frequency_has_mean_one_and_prefers_the_rare(counts: list[int]) -> None:
    found = weights("frequency", tuple(counts))
    present = [weight for weight, count in zip(found, counts, strict=True) if count]
    assert sum(present) / len(present) == pytest.approx(1)
    assert all(not weight for weight, count in zip(found, counts, strict=True) if not count)
    by_count = sorted(
        (count, -weight) for weight, count in zip(found, counts, strict=True) if count
    )
    assert [-weight for _, weight in by_count] == sorted(present, reverse=True)


@pytest.mark.parametrize("chosen", ["1.5,1,0.5", " 1.5 , 1, 0.5", [1.5, 1, 0.5]])
def test_numbers_are_taken_as_they_are(chosen: object) -> None:
    assert weights(chosen) == (1.5, 1.0, 0.5)


@pytest.mark.parametrize("chosen", ["1", "1,2", "1,2,3,4"])
def test_a_number_for_each_class(chosen: str) -> None:
    given = len(chosen.split(","))
    with pytest.raises(UsageError, match=f"gives {given} numbers for 3 .* of water, forest, town"):
        weights(chosen)


@pytest.mark.parametrize("chosen", ["0,0,0", "0,1,0"])
def test_some_labelled_class_must_weigh_something(chosen: str) -> None:
    with pytest.raises(UsageError, match="no labelled class with a weight above 0"):
        weights(chosen)


def test_published_weights() -> None:
    """METHODS of arXiv 2401.02326, section IV, in the order of the palettes."""
    named = {
        name: dict(
            zip([entry.name for entry in release.classes], release.published_weights, strict=True)
        )
        for name, release in RELEASES.items()
    }
    assert named["fusar"] == {
        "building": 1.5,
        "vegetation": 1.0,
        "water": 0.5,
        "road": 1.9,
        "background": 0.1,
    }
    assert named["fusar2"] == {
        "water": 0.4,
        "woodland": 1.6,
        "vegetation": 0.4,
        "bare soil": 1.6,
        "industry": 1.0,
        "residence": 0.5,
        "road": 1.5,
        "paddy": 1.7,
        "planting": 1.4,
        "human built": 0.9,
    }
    assert weights("published", dataset="fusar") == RELEASES["fusar"].published_weights
    with pytest.raises(DatasetError, match="no published class weights for chips; only for fusar"):
        weights("published")
