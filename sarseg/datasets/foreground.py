"""One class of a dataset against all the others together."""

import hashlib
from dataclasses import replace

import numpy as np

from sarseg.classes import LandCoverClass
from sarseg.datasets.altered import AlteredSource
from sarseg.datasets.sample import IGNORE, ChipData, ChipRef, ChipSource
from sarseg.errors import DatasetError

GREY = (190, 190, 190)
"""The colour of what is not the foreground."""


class OneAgainstRest(AlteredSource):
    """A ``ChipSource`` of two classes: the rest, index 0, and the foreground, index 1.

    ``foreground`` is the name or the id of one of the source's classes, and keeps its id, name and
    colour. The rest is called ``not <name>`` and is grey; its id is 0, or 1 where the foreground
    has 0. Pixels that the source leaves out stay left out.

    Raises DatasetError where the source has no such class.
    """

    def __init__(self, source: ChipSource, foreground: str) -> None:
        super().__init__(source)
        self._index = _index_of(foreground, source)
        chosen = source.classes[self._index]
        rest = LandCoverClass(id=int(chosen.id == 0), name=f"not {chosen.name}", colour=GREY)
        self.classes = (rest, chosen)

    def read(self, ref: ChipRef) -> ChipData:
        """Read one chip from disk. Raises DatasetError where its files cannot be used."""
        chip = self._source.read(ref)
        is_foreground = (chip.labels == self._index).astype(np.uint8)
        return replace(chip, labels=np.where(chip.labels == IGNORE, chip.labels, is_foreground))

    def digest(self) -> str:
        """SHA-256 over the source's digest and the foreground."""
        told = f"{self._source.digest()} {self.classes[1].model_dump_json()}"
        return hashlib.sha256(told.encode()).hexdigest()


def _index_of(wanted: str, source: ChipSource) -> int:
    for key in ("name", "id"):
        for index, entry in enumerate(source.classes):
            if str(getattr(entry, key)) == wanted:
                return index
    known = ", ".join(f"{entry.name} ({entry.id})" for entry in source.classes)
    raise DatasetError(
        f"{source.name} has no class {wanted!r} to be the foreground; it has: {known}."
    )
