"""The files that a map is made of, and how they are known again."""

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from sarseg.prediction.boxes import BoxSource
from sarseg.prediction.settings import PredictSettings
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading

_LOOKED_AT = 2**16
"""Bytes at each end of a file."""


def input_files(scene: Scene, settings: PredictSettings, boxes: BoxSource | None) -> list[Path]:
    """All files on this machine that are read."""
    others = [boxes.path if boxes else None, settings.classes, area_file(scene.reading)]
    files = [*scene.files, *(file for file in others if file is not None)]
    return list(dict.fromkeys(file.resolve() for file in files))


def area_file(reading: Reading) -> Path | None:
    """The file of the area of interest, where that is one and no bounds."""
    file = Path(reading.area) if reading.area else None
    return file if file is not None and file.exists() else None


def fingerprint(files: Sequence[Path]) -> str:
    """What files hold, told by size, beginning and end: enough to know them apart, and quick."""
    known = sha256()
    for file in files:
        if not file.is_file():  # told where it is opened
            continue
        with file.open("rb") as content:
            size = content.seek(0, os.SEEK_END)
            known.update(f"{size};".encode())
            for start in (0, max(size - _LOOKED_AT, 0)):
                content.seek(start)
                known.update(content.read(_LOOKED_AT))
    return known.hexdigest()


def stamp(file: Path) -> list[Any]:
    """A file as it is now."""
    try:
        found = file.stat()
    except OSError:
        return [str(file)]
    return [str(file), found.st_size, found.st_mtime_ns]
