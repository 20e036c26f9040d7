"""What an unfinished prediction has done so far, on disk, so that it can be gone on with.

Beside the output lies a hidden folder: rows of the map that are finished, as raw bytes strip by
strip; the sums of the tiles that are not yet; and ``journal.json``, which says how far both go.
Whatever a file holds beyond that was written after the last save, and is written again.
"""

import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from sarseg.classes import NODATA
from sarseg.errors import OutputError
from sarseg.prediction.differences import differences
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

    def after(self, step: Step, rows: int, pixels: NDArray[np.int64]) -> "Position":
        """The position after a step that finished ``rows`` of the map with ``pixels`` (256,)."""
        return replace(
            self,
            tiles=step.done,
            rows=self.rows + rows,
            counts=self.counts + step.counts,
            pixels=tuple((np.array(self.pixels) + pixels).tolist()),
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


def kept(output: Path, identity: Mapping[str, Any], num_bands: int) -> Position:
    """From where ``Journal`` would go on with the unfinished run of ``output``; nothing is changed.

    Raises OutputError where that is a run of another ``identity``.
    """
    folder = journal_folder(output)
    found = _read(folder)
    if found is None:
        return Position()
    _refuse_other(found, identity, output)
    return Position() if _damaged(folder, found, num_bands) else found.position


class Journal:
    """The journal of the run that writes ``output``; a context manager.

    ``identity`` (JSON values) is all that the map depends on. With ``resume``, an unfinished run of
    the same identity is gone on with: ``position`` says from where. Without, and where there is
    none or a damaged one, the run begins anew and what lay there goes: ``discarded`` says why.

    The folder stays where the ``with`` block ends in an exception after something was saved, and
    goes otherwise.

    Raises OutputError where ``resume`` finds a run of another identity, where the folder cannot be
    written, or where another process is at work in it.
    """

    def __init__(
        self, output: Path, identity: Mapping[str, Any], num_bands: int, *, resume: bool
    ) -> None:
        self.output = output
        self.folder = journal_folder(output)
        self.position = Position()
        self.discarded: str | None = None
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
        except OSError as error:
            self._lock.release()
            raise self._failure(error) from error
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
        leave = error is not None and self.saved
        if not leave:
            for path in self.folder.iterdir():
                if path.name != _LOCK:
                    path.unlink(missing_ok=True)
        self._lock.release()
        if not leave:
            with suppress(OSError):  # another process may have begun here by now
                (self.folder / _LOCK).unlink(missing_ok=True)
                self.folder.rmdir()

    @property
    def saved(self) -> bool:
        """True where a later run could go on."""
        return self.position.tiles > 0 or self.position.strip > 0

    def strip_file(self, number: int) -> Path:
        """The raw rows of a strip."""
        return _strip_file(self.folder, number)

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
                    os.fsync(file.fileno())
            for strip in {self.position.strip, position.strip}:
                if self.strip_file(strip).exists():
                    with self.strip_file(strip).open("r+b") as file:  # Windows wants it writable
                        os.fsync(file.fileno())
            new = self.folder / f"{_FILE}.new"
            with new.open("w", encoding="utf-8") as text:
                json.dump(asdict(record), text)
                text.flush()
                os.fsync(text.fileno())
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
            _refuse_other(found, self._identity, self.output)
            if _damaged(self.folder, found, self._num_bands):
                self.discarded = "it is damaged"
            else:
                self.position, self._sums = found.position, found.sums
                self._forget_what_came_later(found)
                return
        elif found is not None:
            self.discarded = "--resume would have gone on with it"
        for path in self.folder.iterdir():
            if path.name != _LOCK:
                path.unlink()

    def _forget_what_came_later(self, found: _Record) -> None:
        number = found.position.strip
        kept = {
            _LOCK,
            _FILE,
            found.sums,
            *(self.strip_file(each).name for each in range(number + 1)),
        }
        for path in self.folder.iterdir():
            if path.name not in kept:
                path.unlink()
        last = self.strip_file(number)
        if last.exists():
            width = found.identity["strips"][number][1]
            os.truncate(last, found.position.rows * self._num_bands * width)

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(
            f"The unfinished map of {self.output} could not be written to {self.folder}: "
            f"{error.strerror or error}."
        )


def _read(folder: Path) -> _Record | None:
    try:
        return _RECORD.validate_json((folder / _FILE).read_bytes())
    except (FileNotFoundError, ValidationError):  # of another version: nothing to go on with
        return None


def _strip_file(folder: Path, number: int) -> Path:
    return folder / f"strip-{number}.bil"


def _refuse_other(found: _Record, identity: Mapping[str, Any], output: Path) -> None:
    if different := differences(found.identity, identity):
        raise OutputError(
            f"The unfinished run of {output} cannot be gone on with: {'; '.join(different)}. "
            "Give what it was begun with, or leave out --resume to begin anew."
        )


def _damaged(folder: Path, found: _Record, num_bands: int) -> bool:
    """True where files do not hold what the record says."""
    position, strips = found.position, found.identity["strips"]
    rows = [found.identity["shape"][0]] * position.strip + [position.rows]
    sizes = [height * num_bands * width for height, (_, width) in zip(rows, strips, strict=False)]
    files = [_strip_file(folder, number) for number in range(len(sizes))]
    if any(
        (file.stat().st_size if file.exists() else 0) < size
        for file, size in zip(files, sizes, strict=True)
    ):
        return True
    try:
        return found.sums is not None and np.load(folder / found.sums).dtype != np.uint32
    except (OSError, ValueError):
        return True
