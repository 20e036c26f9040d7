"""What the polygons of each class add up to, and the files that hold it."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TextIO

import numpy as np

from sarseg.errors import UsageError
from sarseg.scenes.output import replacing
from sarseg.vectors.formats.features import Features

EXTENSIONS = (".csv", ".json")


@dataclass(frozen=True)
class ClassTotal:
    """The polygons of one class.

    ``pixels`` is how many they cover, ``area_ha`` their area, None where it is not known of all;
    ``share`` (0..1) is the part they have of all polygons' area, or of their pixels where not all
    areas are known.
    """

    class_id: int
    class_name: str
    polygons: int
    pixels: int
    area_ha: float | None
    share: float


class Totals:
    """Adds up features as they come, batch by batch."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._sums: dict[int, tuple[int, int, float]] = {}

    def add(self, features: Features) -> None:
        """Count ``features``, which have the fields class_id, class_name, pixels and area_ha."""
        ids, first, rows = np.unique(
            features.fields["class_id"], return_index=True, return_inverse=True
        )
        polygons = np.bincount(rows)
        pixels = np.zeros(len(ids), np.int64)
        np.add.at(pixels, rows, features.fields["pixels"])
        areas = np.bincount(rows, features.fields["area_ha"])
        names = features.fields["class_name"][first]
        for class_id, name, *sums in zip(ids, names, polygons, pixels, areas, strict=True):
            before = self._sums.get(int(class_id), (0, 0, 0.0))
            self._names.setdefault(int(class_id), str(name))
            self._sums[int(class_id)] = (
                before[0] + int(sums[0]),
                before[1] + int(sums[1]),
                before[2] + float(sums[2]),
            )

    def classes(self) -> tuple[ClassTotal, ...]:
        """The totals by ascending id."""
        known = all(np.isfinite(area) for _, _, area in self._sums.values())
        weights = {key: area if known else pixels for key, (_, pixels, area) in self._sums.items()}
        whole = sum(weights.values())
        return tuple(
            ClassTotal(
                class_id,
                self._names[class_id],
                polygons,
                pixels,
                float(area) if np.isfinite(area) else None,
                weights[class_id] / whole,
            )
            for class_id, (polygons, pixels, area) in sorted(self._sums.items())
        )


def check_summary(path: Path) -> None:
    """Raise UsageError where the extension of ``path`` names no format of summaries."""
    if path.suffix.lower() not in EXTENSIONS:
        raise UsageError(
            f"The extension of {path} names no format for totals; end the name in "
            f"{' or '.join(EXTENSIONS)}."
        )


def write_summary(path: Path, totals: Sequence[ClassTotal]) -> None:
    """Write ``totals`` to ``path`` (.csv, .json), whole or not at all; what is there is replaced.

    CSV has a column for each field of ``ClassTotal``, JSON an object ``classes`` with a list of
    them; an unknown area is empty, or null. Raises UsageError (``check_summary``) and OutputError.
    """
    check_summary(path)
    write = _write_csv if path.suffix.lower() == ".csv" else _write_json
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        write(file, totals)


def _write_csv(file: TextIO, totals: Sequence[ClassTotal]) -> None:
    table = csv.DictWriter(file, [field.name for field in fields(ClassTotal)], lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(total) for total in totals)


def _write_json(file: TextIO, totals: Sequence[ClassTotal]) -> None:
    json.dump({"classes": list(map(asdict, totals))}, file, ensure_ascii=False, indent=2)
    file.write("\n")
