"""Which class of a map is which of its reference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import NODATA, LandCoverClass, unnamed_class
from sarseg.errors import InputError


@dataclass(frozen=True)
class SharedLegend:
    """The classes that are judged, K of them: the map's, then those that only the reference has.

    ``of_map`` and ``of_reference`` (256,) hold the index, 0..K-1, of each class id of the map and
    of the reference, 255 where it has none. ``notes`` are sentences on what was matched how;
    ``unknown`` are the classes that only the reference has.
    """

    classes: tuple[LandCoverClass, ...]
    of_map: NDArray[np.uint8]
    of_reference: NDArray[np.uint8]
    notes: tuple[str, ...]
    unknown: tuple[LandCoverClass, ...] = ()

    def told(self, pixels: NDArray[np.int64]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Warnings, and notes, where the reference has ``pixels`` (K,) of each class."""
        if not self.unknown:
            return (), self.notes
        sentence = (
            f"The map does not know {_listed(self.unknown)} of the reference: all predictions "
            "there count as errors."
        )
        mapped = len(self.classes) - len(self.unknown)
        if 2 * pixels[mapped:].sum() <= pixels.sum():
            return (), (*self.notes, sentence)
        own = self.classes[next((i for i in range(mapped) if not pixels[i]), 0)]
        cure = (
            "That is most of what is judged. Where they are classes of the map under other names, "
            "name them alike with --classes (chips: of `sarseg tile`), e.g. "
            f"{{{own.id}: {{name: {own.name}, from: [its label values]}}}}."
        )
        return (f"{sentence} {cure}",), self.notes


def shared_legend(
    mapped: Sequence[LandCoverClass], reference: Sequence[LandCoverClass]
) -> SharedLegend:
    """Match the classes of a ``reference`` with those ``mapped``.

    Classes of one name (letter case aside) are the same. Else those of one id are, unless the
    map's class of that id has its partner already, or both have names and other names show that
    the ids of the two mean different things. What the map does not know stays a class of its own:
    every prediction there is wrong; but where the map tells one class from ``not`` that class, it
    belongs to the latter.

    Raises InputError where not one class of the reference is one of the map.
    """
    rest = _rest(mapped)
    partners = _partners(mapped, reference, by_id=rest is None)
    if reference and not partners:
        raise InputError(
            f"No class of the reference ({_listed(reference)}) is a class of the map "
            f"({_listed(mapped)}), neither by its id nor by its name. Check that the labels belong "
            "to this map, or translate them by --classes."
        )
    notes = [*_notes(partners, reference)]
    unknown = [entry for entry in reference if entry.id not in partners]
    if rest is not None and unknown:
        notes.append(f"Counted as {rest.name}: {_listed(unknown)} of the reference.")
        partners |= {entry.id: rest for entry in unknown}
        unknown = []
    of_map, of_reference = (np.full(NODATA + 1, NODATA, np.uint8) for _ in range(2))
    classes = list(mapped)
    for index, entry in enumerate(mapped):
        of_map[entry.id] = index
    for entry in reference:
        if entry.id not in partners:
            continue
        index = of_reference[entry.id] = of_map[partners[entry.id].id]
        if _unnamed(classes[index]):  # the reference says more
            classes[index] = entry.model_copy(update={"id": classes[index].id})
    for index, entry in enumerate(unknown, start=len(mapped)):
        of_reference[entry.id] = index
    return SharedLegend((*classes, *unknown), of_map, of_reference, tuple(notes), tuple(unknown))


def _rest(mapped: Sequence[LandCoverClass]) -> LandCoverClass | None:
    """The class of two that is called ``not`` the other."""
    names = [entry.name for entry in mapped]
    rests = [entry for entry in mapped if entry.name in [f"not {name}" for name in names]]
    return rests[0] if len(mapped) == 2 and rests else None


def _partners(
    mapped: Sequence[LandCoverClass], reference: Sequence[LandCoverClass], *, by_id: bool
) -> dict[int, LandCoverClass]:
    """The map's class for each class id of the reference that has one.

    ``by_id``: also where their names differ.
    """
    by_name = {_key(entry): entry for entry in mapped if not _unnamed(entry)}
    partners = {entry.id: by_name[_key(entry)] for entry in reference if _key(entry) in by_name}
    taken = {partner.id for partner in partners.values()}
    same_ids = by_id and all(class_id == partner.id for class_id, partner in partners.items())
    free = {entry.id: entry for entry in mapped if entry.id not in taken}
    return partners | {
        entry.id: free[entry.id]
        for entry in reference
        if entry.id not in partners
        and entry.id in free
        and (same_ids or _unnamed(entry) or _unnamed(free[entry.id]))
    }


def _notes(
    partners: dict[int, LandCoverClass], reference: Sequence[LandCoverClass]
) -> Iterator[str]:
    matched = [(entry, partners[entry.id]) for entry in reference if entry.id in partners]
    if by_name := [
        f"{one.name} ({one.id} and {own.id})" for one, own in matched if one.id != own.id
    ]:
        yield (
            "Matched by name, as the ids in the reference and in the map differ: "
            f"{', '.join(by_name)}."
        )
    if matched and all(_unnamed(one) != _unnamed(own) for one, own in matched):
        nameless = "reference" if _unnamed(matched[0][0]) else "map"
        yield f"The {nameless} does not name its classes: they are matched by their ids alone."
    for one, own in matched:
        if not (_unnamed(one) or _unnamed(own)) and _key(one) != _key(own):
            yield (
                f"Class {one.id} is {one.name} in the reference and {own.name} in the map: they "
                "are taken for the same by their id."
            )


def _key(entry: LandCoverClass) -> str:
    return entry.name.casefold()


def _unnamed(entry: LandCoverClass) -> bool:
    return entry.name == unnamed_class(entry.id).name


def _listed(classes: Sequence[LandCoverClass]) -> str:
    return ", ".join(f"{entry.id} {entry.name}" for entry in classes)
