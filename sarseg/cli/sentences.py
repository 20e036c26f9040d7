"""Errors as sentences and exit codes, for every command."""

import signal
from collections.abc import Callable
from functools import wraps
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
        # `kill` and batch systems stop as cleanly as Ctrl-C
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            command(*args, **kwargs)
        except SarsegError as error:
            console.fail(str(error))
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as interrupt:
            left = str(interrupt) or "nothing half-written was left behind."
            console.fail(f"interrupted; {left}")
            raise typer.Exit(INTERRUPTED) from interrupt

    return run
