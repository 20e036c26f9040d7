"""What the commands say: human lines on stderr, one JSON object on stdout, progress."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console

stderr = Console(stderr=True, highlight=False, soft_wrap=True)

LOG_INTERVAL_SECONDS = 10.0
"""Between two progress lines where stderr is a file and not a terminal."""


class Report(Protocol):
    """Takes how much of a work is done, and a note on how it goes."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


def set_quiet(quiet: bool) -> None:
    """Silence everything but errors."""
    stderr.quiet = quiet


def say(text: str) -> None:
    """Print one line for people; ``text`` is taken literally, without markup."""
    stderr.print(text, markup=False)


def warn(text: str) -> None:
    """Print a line that deserves attention although the work goes on."""
    stderr.print("warning:", style="yellow", end=" ")
    stderr.print(text, markup=False)


def fail(text: str) -> None:
    """Print an error, also under ``--quiet``."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("error:", style="bold red", end=" ")
    console.print(text, markup=False)


def emit(result: Mapping[str, Any]) -> None:
    """Print the machine-readable result: one JSON object on stdout."""
    print(json.dumps(result, default=str))


@contextmanager
def progress(description: str) -> Iterator[Report]:
    """Yield a ``Report``: a bar on a terminal, from the first report on, a plain line now and then
    in a log."""
    if stderr.is_terminal and not stderr.quiet:
        yield from _progress_bar(description)
    else:
        yield _progress_lines(description)


def _progress_bar(description: str) -> Iterator[Report]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    bar = Progress(*columns, console=stderr)
    task = bar.add_task(description, total=None, note="")

    def report(done: int, total: int, note: str = "") -> None:
        bar.start()  # nothing where it has begun
        bar.update(task, completed=done, total=total, note=note)

    try:
        yield report
    finally:
        if bar.live.is_started:
            bar.stop()


def _progress_lines(description: str) -> Report:
    started = last = time.monotonic()

    def report(done: int, total: int, note: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if done == total or now - last >= LOG_INTERVAL_SECONDS:
            last = now
            spent = f"{now - started:.0f} s" + (f"; {note}" if note else "")
            say(f"{description}: {done} of {total} ({spent})")

    return report
