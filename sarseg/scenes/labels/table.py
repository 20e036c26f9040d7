"""Names, colours and source values of classes, from a YAML file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sarseg.classes import MAX_CLASS_ID, LandCoverClass, unnamed_class
from sarseg.errors import InputError
from sarseg.yaml_text import load_yaml, yaml_fault

_HEX_COLOUR = re.compile(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})", re.IGNORECASE)


@dataclass(frozen=True)
class ClassTable:
    """Classes, and which values of a label file mean them.

    ``sources`` leads from a value, as text, to a class id; it is empty where the values are the
    ids themselves.
    """

    path: Path
    classes: tuple[LandCoverClass, ...]
    sources: Mapping[str, int]

    def missing(self, value: str) -> str:
        """The end of a sentence about a ``value`` of a label file that no class takes."""
        return (
            f"which no class in {self.path} lists under `from`. Add it to the class that it "
            f"belongs to, or give --ignore {value} if it means unlabelled."
        )


def read_class_table(path: Path) -> ClassTable:
    """Classes from a YAML file.

    It maps ids to names (``3: water``) or to a name, a colour and source values (``3: {name: water,
    colour: "#0000ff", from: [80, 210]}``; the colour may be ``[0, 0, 255]``, the source value a
    single one). Raises InputError where it is anything else, or two classes have an id, a name
    (letter case aside) or a source value in common.
    """
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The class file {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = yaml_fault(error)
        raise InputError(f"The class file {path} is not valid YAML: {reason}.") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"The class file {path} must map class ids to names, as in 3: water.")
    classes: list[LandCoverClass] = []
    sources: dict[str, int] = {}
    for class_id, entry in content.items():
        fields = dict(entry) if isinstance(entry, dict) else {"name": entry}
        values = _source_values(path, class_id, fields.pop("from", []))
        classes.append(_land_cover_class(path, class_id, entry, fields))
        for value in values:
            if sources.setdefault(value, class_id) != class_id:
                raise InputError(
                    f"The class file {path} lists the value {value} under `from` of both "
                    f"{sources[value]} and {class_id}; leave it to one of them."
                )
    _check_names(path, classes)
    return ClassTable(path, tuple(classes), sources)


def read_class_names(path: Path) -> tuple[LandCoverClass, ...]:
    """The classes of a YAML file; see ``read_class_table``."""
    return read_class_table(path).classes


def _check_names(path: Path, classes: Sequence[LandCoverClass]) -> None:
    ids: dict[str, int] = {}
    for entry in classes:
        if (other := ids.setdefault(entry.name.casefold(), entry.id)) != entry.id:
            raise InputError(
                f"The class file {path} calls both {other} and {entry.id} {entry.name}. Give them "
                "two names, or make them one class, with the label values of both under `from`."
            )


def _source_values(path: Path, class_id: Any, given: Any) -> list[str]:
    values = given if isinstance(given, list) else [given]
    for value in values:
        if type(value) not in (int, str):  # YAML has truth values, dates and more
            raise InputError(
                f"The class file {path} has {value!r} under `from` of {class_id}; whole numbers "
                "and words in quotes may stand there, as in from: [10, 20]."
            )
    return [str(value) for value in values]


def _land_cover_class(
    path: Path, class_id: Any, entry: Any, fields: dict[str, Any]
) -> LandCoverClass:
    colour = fields.get("colour")
    if isinstance(colour, str) and (parts := _HEX_COLOUR.fullmatch(colour)):
        fields["colour"] = tuple(int(part, 16) for part in parts.groups())
    try:
        if (
            type(class_id) is not int
        ):  # YAML takes `yes` for a truth value, which Python takes for 1
            raise TypeError
        fields.setdefault("colour", unnamed_class(class_id).colour)
        return LandCoverClass.model_validate({"id": class_id, **fields})
    except (ValidationError, TypeError, ValueError) as error:
        raise InputError(
            f"The class file {path} has an unusable entry {class_id!r}: {entry!r}. An entry is "
            f"an id from 0 to {MAX_CLASS_ID} with a name, or with {{name: water, colour: "
            '"#0000ff", from: [80]}.'
        ) from error
