from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarseg.classes import LandCoverClass
from sarseg.errors import InputError
from sarseg.prediction.regrouping import Regrouping, regrouping
from tests.toy import CLASSES, toy_card


def regrouped(folder: Path, text: str, classes: tuple[LandCoverClass, ...] = CLASSES) -> Regrouping:
    """By a class file of ``text``; the toy model has 3 dark, 0 bright and 7 cross."""
    path = folder / "map.yaml"
    path.write_text(text, encoding="utf-8")
    return regrouping(toy_card().model_copy(update={"classes": classes}), path)


def named(*names: str) -> tuple[LandCoverClass, ...]:
    return tuple(
        LandCoverClass(id=10 + index, name=name, colour=(index, 0, 0))
        for index, name in enumerate(names)
    )


def test_without_a_file_the_classes_are_the_models() -> None:
    assert regrouping(toy_card(), None) == Regrouping(CLASSES, (0, 1, 2))


def test_classes_are_taken_by_name_and_by_id_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = '9: {name: land, colour: "#102030", from: [BRIGHT, 7]}\n4: {name: water, from: dark}\n'
    found = regrouped(tmp_path, text)
    assert [(entry.id, entry.name) for entry in found.classes] == [(9, "land"), (4, "water")]
    assert found.classes[0].colour == (16, 32, 48)
    assert found.groups == (1, 0, 0)


def test_without_from_an_entry_takes_the_class_of_its_name(tmp_path: Path) -> None:
    """Not that of its id, which is another one here."""
    found = regrouped(tmp_path, "3: Bright\n0: Dark\n1: {name: cross, from: []}\n")
    assert [entry.name for entry in found.classes] == ["Bright", "Dark", "cross"]
    assert found.groups == (1, 0, 2)


def test_all_may_become_one_class(tmp_path: Path) -> None:
    found = regrouped(tmp_path, "1: {name: all, from: [dark, 3, bright, cross]}\n")
    assert (len(found.classes), found.groups) == (1, (0, 0, 0))


def test_a_name_goes_before_an_id(tmp_path: Path) -> None:
    found = regrouped(tmp_path, "1: {name: a, from: 10}\n2: {name: b, from: x}", named("x", "10"))
    assert found.groups == (1, 0)


WRONG = {
    "an unknown class": (
        "1: {name: land, from: [brigth, cross]}\n2: dark\n",
        r"map\.yaml lists brigth under `from` of 1 land, which is no class of the model "
        r"\(did you mean bright\?\)\. .*: 3 dark, 0 bright, 7 cross\.",
    ),
    "an unknown id": (
        "1: {name: all, from: [3, 0, 7, 8]}\n",
        r"lists 8 under `from` of 1 all, which is no class of the model\. List",
    ),
    "no class of that name": (
        "3: darkness\n0: bright\n7: cross\n",
        r"has no `from` at 3 darkness, and the model has no class of that name to take instead "
        r"\(did you mean dark\?\)\. List .*: 3 dark, 0 bright, 7 cross\.",
    ),
    "a class of two": (
        "1: {name: water, from: [dark, cross]}\n2: {name: land, from: [bright, 3]}\n",
        r"gives the model's class 3 dark to both 1 water and 2 land; leave it to one of them\.",
    ),
    "a class of none": (
        "1: {name: water, from: dark}\n",
        r"leaves out 0 bright, 7 cross of the model's classes 3 dark, 0 bright, 7 cross; add",
    ),
    "no YAML": ("1: [", r"map\.yaml is not valid YAML"),
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        regrouped(tmp_path, text)


def test_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml cannot be read"):
        regrouping(toy_card(), tmp_path / "none.yaml")


@given(st.lists(st.integers(0, 5), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_any_partition_is_found_again(
    tmp_path_factory: pytest.TempPathFactory, partition: list[int], random: st.DataObject
) -> None:
    model = named(*(f"class of the model {index}" for index in range(len(partition))))
    groups = list(dict.fromkeys(partition))
    lines = [
        f"{200 + group}: {{name: group {group}, from: "
        f"{[model[k].id for k in range(len(model)) if partition[k] == group]}}}"
        for group in groups
    ]
    found = regrouped(tmp_path_factory.mktemp("files"), "\n".join(lines), model)
    assert [found.classes[index].id - 200 for index in found.groups] == partition
