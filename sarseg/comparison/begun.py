"""What is kept of a trial that has begun, until it is finished: one JSON file beside its model."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sarseg.scenes.output import replacing


class Begun(BaseModel):
    """The ``key`` of a trial, and the ``seconds`` that its parts before have taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    seconds: float = 0.0


def write_begun(path: Path, begun: Begun) -> None:
    """Write ``begun``, whole or not at all. Raises OutputError."""
    with replacing(path) as temporary:
        temporary.write_text(begun.model_dump_json(), encoding="utf-8")


def read_begun(path: Path, key: str) -> Begun | None:
    """What is kept in ``path`` where it is of the trial of this ``key``; else None."""
    try:
        begun = Begun.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):  # none has begun, or one of another version of sarseg
        return None
    return begun if begun.key == key else None
