"""Training tiles set aside for validation, where a dataset comes without such a part."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sarseg.datasets.pairs import some

VALIDATION_SHARE = 0.1
"""Of the training tiles; they are kept aside to choose on. Test tiles never are."""

_NUMBER = re.compile(r"(?:^|[\W_]+)(?:row|col|tile|patch|[rcxy])?\d{1,5}$", re.IGNORECASE)
"""A number at the end of a name; longer ones are dates and orbits, which tell scenes apart."""

_MOST_NUMBERS = 2


@dataclass(frozen=True)
class Division:
    """Tiles for training and for validation, as indices in ascending order, and how they were
    chosen, as a phrase."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    description: str


def parent_scene(name: str) -> str:
    """The name of the scene that a tile was cut from: ``scene_a`` of ``scene_a_03_17``.

    ``name`` says nothing of the layer or the file type any more. A tile number, or a row and a
    column, at its end are left out: up to two numbers of at most five digits, alone between
    separators or after r, c, x, y, row, col, tile or patch. A name of nothing else is empty.
    """
    parent = name.rstrip("-_. ")
    for _ in range(_MOST_NUMBERS):
        parent = _NUMBER.sub("", parent)
    return parent.strip("-_. ")


def divided(names: Sequence[str]) -> Division:
    """Set about a tenth of the tiles called ``names`` aside for validation.

    Whole parent scenes where the names tell several, some of them of more than one tile: those
    whose tiles together come closest to a tenth (of sets as close the smaller one, and of that
    the scenes last by name). Else the last tiles in the order of their names, numbers by their
    value: neighbours in it are neighbours on the ground, and one block shares fewer borders with
    the rest than tiles drawn at random would. Of a single tile none is set aside.
    """
    tiles = Counter(parent_scene(name) for name in names)
    if 1 < len(tiles) < len(names) and "" not in tiles:
        chosen = _closest(tiles, len(names) * VALIDATION_SHARE)
        validation = [i for i, name in enumerate(names) if parent_scene(name) in chosen]
        how = f"all of the scene{'s' * (len(chosen) > 1)} {some(sorted(chosen))}"
        return _division(names, validation, f"{how}, {len(validation)} of")
    ordered = sorted(range(len(names)), key=lambda index: _in_order(names[index]))
    count = min(max(1, round(len(names) * VALIDATION_SHARE)), len(names) - 1)
    if count < 1:
        return Division(tuple(ordered), (), "validation: none, as there is a single training tile")
    division = _division(names, ordered[-count:], f"the last {count} of")
    return Division(
        division.train,
        division.validation,
        f"{division.description} in the order of their names",
    )


def _division(names: Sequence[str], validation: Sequence[int], how: str) -> Division:
    kept = set(validation)
    return Division(
        tuple(index for index in range(len(names)) if index not in kept),
        tuple(sorted(kept)),
        f"validation: {how} {len(names)} training tiles",
    )


def _closest(tiles: Mapping[str, int], wanted: float) -> frozenset[str]:
    """The scenes whose ``tiles`` add up to as close to ``wanted`` as can be; neither none nor all
    of them."""
    sets: dict[int, frozenset[str]] = {0: frozenset()}  # number of tiles -> scenes that have it
    for scene in sorted(tiles, key=_in_order, reverse=True):
        for count, scenes in list(sets.items()):
            sets.setdefault(count + tiles[scene], scenes | {scene})
    possible = sets.keys() - {0, sum(tiles.values())}
    return sets[min(possible, key=lambda count: (abs(count - wanted), count))]


def _in_order(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by their value: tile 2 before tile 10."""
    parts = re.split(r"(\d+)", name.casefold())  # every other one is a number
    return [(int(part), "") if place % 2 else (-1, part) for place, part in enumerate(parts)]
