"""What an unfinished prediction has done so far, on disk, so that it can be gone on with.

Beside the output lies a hidden folder: rows of the map that are finished, as raw bytes strip by
strip; the sums of the tiles that are not yet; and ``journal.json``, which says how far both go.
Whatever a file holds beyond that was written after the last save, and is written again.
"""

import json
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from sarseg.classes import NODATA
from sarseg.errors import OutputError, UsageError
from sarseg.prediction.mapping import Step, TileCounts
from sarseg.scenes.landcover import RawStrip

_FILE = "journal.json"
_LOCK = "lock"
_SAVING_SHARE = 0.02
"""Part of the time that may be spent on saving."""

_SOONEST_SECONDS = 2.0


@dataclass(frozen=True)
class Position:
    """How far a run is: strips before ``strip`` are complete, and of this one ``tiles`` are blended
    and ``rows`` of the map finished; ``counts`` are those of all tiles so far, ``pixels`` those
    of finished rows by class id (256,), and ``missing`` sentences about what could not
    be read."""

    strip: int = 0
    tiles: int = 0
    rows: int = 0
    counts: TileCounts = field(default_factory=TileCounts)
    pixels: tuple[int, ...] = (0,) * (NODATA + 1)
    missing: tuple[str, ...] = ()

    def after(
        self, step: Step, rows: int, pixels: NDArray[np.int64], missing: Iterable[str] = ()
    ) -> "Position":
        """The position after a step that finished ``rows`` of the map with ``pixels`` (256,)."""
        return replace(
            self,
            tiles=step.done,
            rows=self.rows + rows,
            counts=self.counts + step.counts,
            pixels=tuple((np.array(self.pixels) + pixels).tolist()),
            missing=tuple(missing),
        )

    def next_strip(self) -> "Position":
        """The beginning of the next strip."""
        return replace(self, strip=self.strip + 1, tiles=0, rows=0)


@dataclass(frozen=True)
class _Record:
    """What ``journal.json`` holds; ``sums`` names the file of the sums, None between strips."""

    identity: dict[str, Any]
    position: Position
    sums: str | None


_RECORD = TypeAdapter(_Record)


def journal_folder(output: Path) -> Path:
    """Where the journal of a run that writes ``output`` lies."""
    return output.with_name(f".{output.name}.sarseg-run")


def unfinished(output: Path) -> Mapping[str, Any] | None:
    """What the unfinished run of ``output`` was asked to do; None where there is none."""
    record = _read(journal_folder(output))
    return None if record is None else record.identity


class Journal:
    """The journal of the run that writes ``output``; a context manager.

    ``identity`` (JSON values) is all that the map depends on. With ``resume``, an unfinished run of
    the same identity is gone on with: ``position`` says from where. Without, and where there is
    none, the run begins anew and what lay there goes: ``discarded`` is its position.

    The folder stays where the ``with`` block ends in an exception after something was saved, and
    goes otherwise.

    Raises UsageError where ``resume`` finds a run of another identity, OutputError where the folder
    cannot be written or another process is at work in it.
    """

    def __init__(
        self, output: Path, identity: Mapping[str, Any], num_bands: int, *, resume: bool
    ) -> None:
        self.output = output
        self.folder = journal_folder(output)
        self.position = Position()
        self.discarded: Position | None = None
        self._identity: dict[str, Any] = json.loads(json.dumps(identity))
        self._num_bands = num_bands
        self._resume = resume
        self._sums: str | None = None
        self._lock = FileLock(self.folder / _LOCK)
        self._last, self._interval = time.monotonic(), _SOONEST_SECONDS

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise OutputError(
                f"Another process is writing {self.output} at this moment: wait for it, or name "
                "another file."
            ) from error
        except OSError as error:
            raise self._failure(error) from error
        try:
            self._take_up()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or not self.saved:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()
        if error is None or not self.saved:
            shutil.rmtree(self.folder, ignore_errors=True)  # where an open lock could not go

    @property
    def saved(self) -> bool:
        """True where a later run could go on."""
        return self.position.tiles > 0 or self.position.strip > 0

    def strip_file(self, number: int) -> Path:
        """The raw rows of a strip."""
        return self.folder / f"strip-{number}.bil"

    def sums(self) -> NDArray[np.uint32] | None:
        """The sums that were saved with ``position``."""
        if self._sums is None:
            return None
        loaded: NDArray[np.uint32] = np.load(self.folder / self._sums, allow_pickle=False)
        return loaded

    def append(self, strip: int, bands: NDArray[np.uint8]) -> None:
        """Add finished rows (n, h, w) to a strip."""
        try:
            with self.strip_file(strip).open("ab") as file:
                file.write(np.ascontiguousarray(bands.transpose(1, 0, 2)).data)
        except OSError as error:
            raise self._failure(error) from error

    @property
    def due(self) -> bool:
        """True where it is time to save."""
        return time.monotonic() - self._last >= self._interval

    def save(self, position: Position, sums: NDArray[np.uint32] | None) -> None:
        """Record that the rows appended so far, and ``sums``, are what there is at ``position``."""
        began = time.monotonic()
        before = self._sums
        self._sums = None if sums is None else f"sums-{position.strip}-{position.tiles}.npy"
        record = _Record(self._identity, position, self._sums)
        try:
            if sums is not None:
                with (self.folder / str(self._sums)).open("wb") as file:
                    np.save(file, sums)
                    _to_disk(file.fileno())
            for strip in {self.position.strip, position.strip}:
                if self.strip_file(strip).exists():
                    with self.strip_file(strip).open("rb") as file:
                        _to_disk(file.fileno())
            new = self.folder / f"{_FILE}.new"
            with new.open("w", encoding="utf-8") as text:
                json.dump(asdict(record), text)
                text.flush()
                _to_disk(text.fileno())
            new.replace(self.folder / _FILE)
        except OSError as error:
            self._sums = before
            raise self._failure(error) from error
        self.position = position
        if before not in (None, self._sums):
            (self.folder / str(before)).unlink(missing_ok=True)
        self._last = time.monotonic()
        self._interval = max(_SOONEST_SECONDS, (self._last - began) / _SAVING_SHARE)

    def discard(self) -> None:
        """Forget what was saved: nobody would go on with it."""
        self.position = Position()

    def raw_strips(self, columns: Iterable[tuple[int, int]]) -> list[RawStrip]:
        """All strips, of which ``columns`` gives first column and width."""
        return [
            RawStrip(self.strip_file(number), col, width)
            for number, (col, width) in enumerate(columns)
        ]

    def _take_up(self) -> None:
        found = _read(self.folder)
        if found is not None and self._resume:
            if differences := _differences(found.identity, self._identity):
                raise UsageError(
                    f"The unfinished run of {self.output} cannot be gone on with: "
                    f"{'; '.join(differences)}. Give what it was begun with, or leave out --resume "
                    "to begin anew."
                )
            self.position, self._sums = found.position, found.sums
            self._forget_what_came_later(found)
            return
        self.discarded = None if found is None else found.position
        for path in self.folder.iterdir():
            if path.name != _LOCK:
                path.unlink()

    def _forget_what_came_later(self, found: _Record) -> None:
        kept = {_LOCK, _FILE, found.sums}
        kept |= {self.strip_file(number).name for number in range(found.position.strip + 1)}
        for path in self.folder.iterdir():
            if path.name not in kept:
                path.unlink()
        last = self.strip_file(found.position.strip)
        if last.exists():
            columns = self._identity["strips"]
            width = columns[found.position.strip][1] if found.position.strip < len(columns) else 0
            os.truncate(last, found.position.rows * self._num_bands * width)

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(
            f"The unfinished map of {self.output} could not be written to {self.folder}: "
            f"{error.strerror or error}."
        )


def _read(folder: Path) -> _Record | None:
    try:
        return _RECORD.validate_json((folder / _FILE).read_bytes())
    except (OSError, ValidationError):  # not there, or of another version: nothing to go on with
        return None


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"{key.replace('_', ' ')} was {_short(before.get(key))} and is now {_short(now.get(key))}"
        for key in now
        if before.get(key) != now[key]
    ]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _to_disk(descriptor: int) -> None:
    os.fsync(descriptor)
