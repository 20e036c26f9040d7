"""Errors as sentences and exit codes, for every command."""

import signal
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import ParamSpec

import typer

from sarseg.cli import console
from sarseg.errors import SarsegError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 + SIGINT."""

Parameters = ParamSpec("Parameters")


def in_sentences(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """``command`` with its errors told as sentences and exit codes instead of tracebacks.

    A command that leaves something behind when interrupted says so in its KeyboardInterrupt.
    """

    @wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        stopped = False

        def stop(number: int, frame: FrameType | None) -> None:
            nonlocal stopped
            stopped = True
            raise KeyboardInterrupt

        # `kill` and batch systems stop as cleanly as Ctrl-C
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        try:
            command(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:
            # a library that is interrupted while it enters a context may raise its own error after
            if stopped or isinstance(error, KeyboardInterrupt):
                told = str(error) if isinstance(error, KeyboardInterrupt) else ""
                console.fail(f"interrupted; {told or 'nothing half-written was left behind.'}")
                raise typer.Exit(INTERRUPTED) from error
            if isinstance(error, SarsegError):
                console.fail(str(error))
                raise typer.Exit(error.exit_code) from error
            raise

    return run
