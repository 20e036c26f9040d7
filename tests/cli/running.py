"""The command line run by tests."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.rasters import hidden_files


class Run(NamedTuple):
    code: int
    stdout: str
    stderr: str


Sarseg = Callable[..., Run]
"""The fixture ``sarseg``: takes arguments, and ``stdin`` as a text."""


def interrupted(folder: Path, sent: signal.Signals, *arguments: object) -> Run:
    """The run of a process that is sent a signal once it has begun to write in ``folder``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sarseg", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not hidden_files(folder) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert hidden_files(folder), "it never began to write"
    process.send_signal(sent)
    stdout, stderr = process.communicate(timeout=120)
    return Run(process.returncode, stdout, stderr)
