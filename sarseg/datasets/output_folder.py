"""The folder of chips appears whole or not at all, and replaces nothing but another of its kind."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sarseg.datasets.manifest import MANIFEST_NAME, is_chip_folder
from sarseg.errors import OutputError

IMAGE_FOLDER = "images"
LABEL_FOLDER = "labels"
QUICKLOOK_NAME = "quicklook.png"

_OUR_ENTRIES = {MANIFEST_NAME, IMAGE_FOLDER, LABEL_FOLDER, QUICKLOOK_NAME}


def check_output_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise OutputError where ``folder`` could not be written, before any work is done.

    An existing folder must be empty, or, with ``overwrite``, hold chips of sarseg and nothing
    else: it is deleted as a whole, and a user's own files must not go with it.
    """
    parent = folder.resolve().parent
    if not parent.is_dir():
        raise OutputError(f"The folder {parent} of the output does not exist; create it first.")
    if not os.access(parent, os.W_OK):
        raise OutputError(f"The folder {parent} of the output is not writable.")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"The output {folder} is a file; name a folder.")
    entries = {entry.name for entry in folder.iterdir()}
    if not entries:
        return
    if not is_chip_folder(folder):
        raise OutputError(
            f"The output {folder} exists and is not a folder of chips; name a new or empty one."
        )
    if not overwrite:
        raise OutputError(f"The output {folder} holds chips; give --overwrite to replace them.")
    if foreign := sorted(entries - _OUR_ENTRIES):
        raise OutputError(
            f"The output {folder} also holds {foreign[0]}, which sarseg did not write and "
            "will not delete; move it, or name another folder."
        )


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside ``folder`` to write in; it takes the name ``folder`` at the end.

    On any exception what was written is deleted, and ``folder`` is as before.
    """
    target = folder.resolve()
    try:
        with tempfile.TemporaryDirectory(
            dir=target.parent, prefix=f".{target.name}.sarseg-partial-"
        ) as hidden:
            # One level down, because temporary folders are private and an output is not.
            new, old = Path(hidden, "new"), Path(hidden, "old")
            new.mkdir()
            yield new
            if target.exists():
                target.rename(old)
            try:
                new.rename(target)
            except BaseException:
                if old.exists():
                    old.rename(target)
                raise
    except OSError as error:
        raise OutputError(f"The output {folder} could not be written: {error}.") from error
