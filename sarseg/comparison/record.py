"""What is kept of a trial: one JSON file, written whole."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from sarseg.scenes.output import replacing

Unit = Literal["field", "chip"]


class Judgement(BaseModel):
    """Counts of a map against its reference, by units of the reference.

    ``classes`` are the names of the legend, K of them. Each of ``counts`` is (unit, class in the
    reference, class in the map, pixels), of what occurs; class K of the map is no class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Unit
    units: int
    classes: tuple[str, ...]
    counts: tuple[tuple[int, int, int, int], ...]

    def by_unit(self) -> NDArray[np.int64]:
        """Confusion matrices ``(units, K, K + 1)``, see ``confusion_matrix``."""
        size = len(self.classes)
        dense = np.zeros((self.units, size, size + 1), np.int64)
        unit, reference, mapped, pixels = np.array(self.counts, np.int64).reshape(-1, 4).T
        dense[unit, reference, mapped] = pixels
        return dense


class TrialRecord(BaseModel):
    """A finished trial.

    ``key`` is what its result depends on (``Trial.key``). ``epochs`` were trained, the weights of
    ``best_epoch`` were kept; ``plateau`` says that patience ended training, and not the budget.
    These and ``validation_miou`` are None for classifiers that are not trained by gradient.
    ``peak_memory`` is in bytes, ``seconds`` are those of training alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    run: str
    value: int | float | str | bool | None
    seed: int
    by_gradient: bool
    epochs: int | None
    best_epoch: int | None
    plateau: bool | None
    validation_miou: float | None
    parameters: int
    trainable_parameters: int
    peak_memory: int
    seconds: float
    machine: str
    versions: dict[str, str]
    finished: str
    settings: dict[str, Any]
    judgement: Judgement


def write_record(path: Path, record: TrialRecord) -> None:
    """Write ``record``, whole or not at all. Raises OutputError."""
    with replacing(path) as temporary:
        temporary.write_text(record.model_dump_json(), encoding="utf-8")


def read_record(path: Path, key: str) -> TrialRecord | None:
    """The finished trial in ``path`` where it is that of ``key``; else None."""
    try:
        record = TrialRecord.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValidationError, ValueError):  # none yet, or of another version of sarseg
        return None
    return record if record.key == key else None
