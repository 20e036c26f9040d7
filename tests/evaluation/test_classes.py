import numpy as np
import pytest

from sarseg.classes import LandCoverClass, unnamed_class
from sarseg.errors import InputError
from sarseg.evaluation.classes import shared_legend


def named(**ids: int) -> list[LandCoverClass]:
    return [LandCoverClass(id=i, name=name, colour=(i, i, i)) for name, i in ids.items()]


def pairs(mapped: list[LandCoverClass], reference: list[LandCoverClass]) -> dict[int, int]:
    """The class id of the map for each id of the reference that has one."""
    legend = shared_legend(mapped, reference)
    of_index = {int(legend.of_map[entry.id]): entry.id for entry in mapped}
    found = {entry.id: int(legend.of_reference[entry.id]) for entry in reference}
    return {class_id: of_index[index] for class_id, index in found.items() if index in of_index}


def test_equal_ids_and_names() -> None:
    legend = shared_legend(named(water=1, road=2), named(road=2, water=1))
    assert [entry.name for entry in legend.classes] == ["water", "road"]
    assert legend.of_map[[1, 2, 3]].tolist() == [0, 1, 255]
    assert legend.of_reference[[1, 2, 3, 255]].tolist() == [0, 1, 255, 255]
    assert legend.notes == ()


def test_names_count_more_than_ids_and_that_is_told() -> None:
    mapped, reference = named(water=1, road=2, field=3), named(Road=1, Water=2)
    assert pairs(mapped, reference) == {1: 2, 2: 1}
    (note,) = shared_legend(mapped, reference).notes
    assert "by name" in note
    assert "Road (1 and 2)" in note


def test_other_names_of_the_same_id_are_the_same_class_and_that_is_told() -> None:
    mapped, reference = named(water=1, woodland=2), named(water=1, forest=2)
    assert pairs(mapped, reference) == {1: 1, 2: 2}
    (note,) = shared_legend(mapped, reference).notes
    assert "forest" in note
    assert "woodland" in note


def test_ids_do_not_count_where_names_show_that_they_mean_other_things() -> None:
    """As for polygons, whose names are numbered in alphabetical order."""
    mapped, reference = named(water=1, road=2, field=3), named(field=1, moor=2, water=3)
    assert pairs(mapped, reference) == {1: 3, 3: 1}
    legend = shared_legend(mapped, reference)
    assert [entry.name for entry in legend.classes] == ["water", "road", "field", "moor"]
    assert legend.of_reference[2] == 3
    warnings, notes = legend.told(np.array([4, 0, 2, 6]))
    assert warnings == ()
    assert any("does not know 2 moor" in note for note in notes)


def test_a_reference_that_the_map_hardly_knows_is_a_warning_with_a_cure() -> None:
    mapped = [*named(water=1), *named(**{"built-up": 2})]
    legend = shared_legend(mapped, [*named(water=1), *named(built=3)])
    (warning,), notes = legend.told(np.array([4, 0, 5]))
    assert "does not know 3 built" in warning
    assert "--classes" in warning
    assert "{2: {name: built-up, from: [" in warning
    assert notes == legend.notes == ()


def test_a_class_that_has_its_partner_takes_no_other() -> None:
    mapped, reference = named(water=1, road=2), [*named(water=2), *named(lake=1)]
    assert pairs(mapped, reference) == {2: 1}


@pytest.mark.parametrize("mapped_named", [True, False])
def test_without_names_ids_count_and_the_known_name_is_taken(mapped_named: bool) -> None:
    unnamed = [unnamed_class(1), unnamed_class(2)]
    known = named(water=1, road=2)
    mapped, reference = (known, unnamed) if mapped_named else (unnamed, known)
    legend = shared_legend(mapped, reference)
    assert [entry.name for entry in legend.classes] == ["water", "road"]
    assert [entry.colour for entry in legend.classes] == [(1, 1, 1), (2, 2, 2)]
    (note,) = legend.notes
    assert note.startswith(f"The {'reference' if mapped_named else 'map'} does not name")


def test_one_class_against_the_rest() -> None:
    mapped = [*named(water=1), LandCoverClass(id=0, name="not water", colour=(9, 9, 9))]
    legend = shared_legend(mapped, named(field=0, lake=1, water=2))
    assert [entry.name for entry in legend.classes] == ["water", "not water"]
    assert legend.of_reference[[0, 1, 2]].tolist() == [1, 1, 0]
    assert any("Counted as not water: 0 field, 1 lake" in note for note in legend.notes)


def test_nothing_in_common() -> None:
    with pytest.raises(InputError, match=r"2 moor\) is a class of the map \(1 water"):
        shared_legend(named(water=1), named(moor=2))


def test_without_a_reference_all_classes_are_the_maps() -> None:
    legend = shared_legend(named(water=1), ())
    assert [entry.name for entry in legend.classes] == ["water"]
