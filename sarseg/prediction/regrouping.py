"""Which class of a map each class of a model becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from sarseg.classes import LandCoverClass
from sarseg.errors import InputError
from sarseg.model.card import ModelCard
from sarseg.scenes.labels.table import read_class_table


@dataclass(frozen=True)
class Regrouping:
    """The classes of a map, and for each channel of the model, K of them, the index in ``classes``
    of the one that it belongs to. Each class has at least one channel."""

    classes: tuple[LandCoverClass, ...]
    groups: tuple[int, ...]


def regrouping(card: ModelCard, path: Path | None) -> Regrouping:
    """The classes of a map by the class file ``path``, in its order; None: the model's own.

    Under ``from`` an entry lists classes of the model, by name (letter case aside) or by id; a
    class whose name is a number is meant before the one of that id. Without ``from`` the entry
    takes the model's class of its own name.

    Raises InputError where the file cannot be used, an entry takes nothing or what the model does
    not have, or a class of the model is taken by no entry or by two.
    """
    if path is None:
        return Regrouping(card.classes, tuple(range(len(card.classes))))
    table = read_class_table(path)
    taken: dict[int, int] = {}
    for index, entry in enumerate(table.classes):
        wanted = [value for value, class_id in table.sources.items() if class_id == entry.id]
        for value in wanted or [entry.name]:
            channel = _channel(card.classes, value)
            if channel is None:
                raise InputError(_unknown(path, entry, value, card.classes, listed=bool(wanted)))
            other = table.classes[taken.setdefault(channel, index)]
            if other is not entry:
                raise InputError(
                    f"The class file {path} gives the model's class "
                    f"{_shown(card.classes[channel])} to both {_shown(other)} and "
                    f"{_shown(entry)}; leave it to one of them."
                )
    left = [entry for channel, entry in enumerate(card.classes) if channel not in taken]
    if left:
        raise InputError(
            f"The class file {path} leaves out {_listed(left)} of the model's classes "
            f"{_listed(card.classes)}; add each to the `from` of the class that it belongs to."
        )
    return Regrouping(table.classes, tuple(taken[k] for k in range(len(card.classes))))


def _channel(classes: Sequence[LandCoverClass], value: str) -> int | None:
    """The channel of the model's class that ``value`` names, by name before id."""
    names = [entry.name.casefold() for entry in classes]
    if value.casefold() in names:
        return names.index(value.casefold())
    ids = [str(entry.id) for entry in classes]
    return ids.index(value) if value in ids else None


def _unknown(
    path: Path,
    entry: LandCoverClass,
    value: str,
    classes: Sequence[LandCoverClass],
    *,
    listed: bool,
) -> str:
    """The sentence that an ``entry`` wants a class that the model does not have."""
    if listed:
        found = f"lists {value} under `from` of {_shown(entry)}, which is no class of the model"
    else:
        found = (
            f"has no `from` at {_shown(entry)}, and the model has no class of that name to take "
            "instead"
        )
    names = {other.name.casefold(): other.name for other in classes}
    near = get_close_matches(value.casefold(), names, n=1)
    hint = f" (did you mean {names[near[0]]}?)" if near else ""
    return (
        f"The class file {path} {found}{hint}. List names or ids of the model's classes there: "
        f"{_listed(classes)}."
    )


def _shown(entry: LandCoverClass) -> str:
    return f"{entry.id} {entry.name}"


def _listed(classes: Sequence[LandCoverClass]) -> str:
    return ", ".join(map(_shown, classes))
