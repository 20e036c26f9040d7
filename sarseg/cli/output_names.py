"""What the outputs of many scenes are called."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sarseg.errors import UsageError
from sarseg.scenes.location import local_file, shown, stem

NameOption = Annotated[
    str,
    typer.Option(
        "--name",
        metavar="TEMPLATE",
        help="Names of the files in --output-dir, of {stem}, the name of the scene's first file or "
        "of its product; {folder}, the folder that it lies in; {number}, counted in this run.",
    ),
]

_FIELDS = ("stem", "folder", "number")
_FIELD = re.compile(r"\{([^{}]*)\}")
_ANY_NUMBER = "\n"
"""No file name has it."""


@dataclass(frozen=True)
class NameTemplate:
    """A name with fields in braces, as in ``{stem}_landcover.tif``.

    ``{stem}`` is the name of the scene's first file, or of its product, without suffix;
    ``{folder}`` that of the folder or the zip file it lies in; ``{number}`` counts the scenes of a
    run from 1, all as wide as the last.

    Raises UsageError where it has another field, is no name of a GeoTIFF, or is a path.
    """

    text: str

    def __post_init__(self) -> None:
        known = ", ".join(f"{{{field}}}" for field in _FIELDS)
        unknown = [field for field in _FIELD.findall(self.text) if field not in _FIELDS]
        if unknown:
            raise UsageError(
                f"--name {self.text} has the field {{{unknown[0]}}}, which is none of {known}."
            )
        if "/" in self.text or os.sep in self.text:
            raise UsageError(
                f"--name {self.text} is a path: give the name of a file, made of {known}, and the "
                "folder by --output-dir."
            )
        if Path(self.text).suffix.lower() not in (".tif", ".tiff"):
            raise UsageError(
                f"--name {self.text} would be no GeoTIFF; end it in .tif or .tiff, as in "
                f"{{stem}}_map.tif. Its fields are {known}."
            )

    def name(self, file: str, number: int, count: int) -> str:
        """What is made of the scene whose first file is ``file``, ``number`` of ``count``."""
        return self._filled(file, f"{number:0{len(str(count))}}")

    def names_of(self, files: Iterable[str]) -> Callable[[str], bool]:
        """Tells of a file name whether one of ``files`` could be called so, in a run of any
        number of scenes."""
        names = {self._filled(file, _ANY_NUMBER) for file in files}
        if "{number}" not in self.text:
            return names.__contains__
        patterns = [re.compile(re.escape(each).replace("\\\n", "[0-9]+")) for each in names]
        return lambda name: any(pattern.fullmatch(name) for pattern in patterns)

    def _filled(self, file: str, number: str) -> str:
        values = {"stem": stem(file), "folder": _folder(file), "number": number}
        return _FIELD.sub(lambda field: values[field[1]], self.text)


def _folder(file: str) -> str:
    parent = Path(shown(file)).parent
    name = parent.name if local_file(file) is None else parent.resolve().name
    return name.removesuffix("!").removesuffix(".zip")


def check_suffix(output: Path, suffixes: Sequence[str], example: str) -> None:
    """Raise UsageError where the name of ``output`` ends in none of ``suffixes``."""
    if output.suffix.lower() not in suffixes:
        raise UsageError(
            f"The output {output} should end in {' or '.join(suffixes)}, as in {example}: programs "
            "tell by its name what it is."
        )
