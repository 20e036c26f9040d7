"""Outputs appear whole or not at all: checks beforehand, a temporary name meanwhile."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from sarseg.errors import OutputError


def check_output(path: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Raise OutputError where ``path`` could not be written, before any work is done.

    ``inputs`` are files that the work reads: none of them may be replaced.
    """
    try:
        _check_place(path, overwrite)
    except OSError as error:
        raise OutputError(f"The output {path} cannot be written: {error.strerror}.") from error
    if path.exists() and any(other.exists() and path.samefile(other) for other in inputs):
        raise OutputError(f"The output {path} is also an input; name another file.")


def _check_place(path: Path, overwrite: bool) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(
            f"The folder {folder} of the output {path} does not exist; create it first."
        )
    if not os.access(folder, os.W_OK):
        raise OutputError(f"The folder {folder} of the output {path} is not writable.")
    if path.is_dir():
        raise OutputError(f"The output {path} is a folder; name a file.")
    if path.exists() and not path.is_file():
        raise OutputError(f"The output {path} is a device or a pipe; name a file.")
    if path.exists() and not overwrite:
        raise OutputError(f"The output {path} exists; give --overwrite to replace it.")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a hidden name beside ``path`` to write to; it takes the name ``path`` at the end.

    On any exception what was written under the hidden name is deleted, and ``path`` is as before.
    The suffix stays, because writers choose the format by it.
    """
    # named before it is there, so that no interruption finds it made but not yet known
    temporary = path.with_name(f".{path.stem}.sarseg-partial-{token_hex(6)}{path.suffix}")
    try:
        mode = _create(temporary, path)
        yield temporary
        temporary.chmod(mode)  # some writers make a private file of their own
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"The output {path} could not be written: {error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _create(temporary: Path, path: Path) -> int:
    """Make an empty file; the permissions that the user's new files have."""
    try:
        temporary.touch(exist_ok=False)
        return stat.S_IMODE(temporary.stat().st_mode)
    except OSError as error:
        raise OutputError(f"The output {path} cannot be written: {error.strerror}.") from error
