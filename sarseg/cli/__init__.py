"""The command line: one file a subcommand, each parses, calls one function and prints."""

import signal
from collections.abc import Callable
from functools import wraps
from typing import Annotated, ParamSpec

import typer

from sarseg import __version__
from sarseg.cli import console
from sarseg.cli.predict import predict
from sarseg.cli.tile import tile
from sarseg.cli.train import train
from sarseg.cli.vectorize import vectorize
from sarseg.errors import SarsegError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 + SIGINT."""

Parameters = ParamSpec("Parameters")


def in_sentences(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """``command`` with its errors told as sentences and exit codes instead of tracebacks."""

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
            console.fail("interrupted; nothing half-written was left behind.")
            raise typer.Exit(INTERRUPTED) from interrupt

    return run


app = typer.Typer(
    help="Land-cover mapping from SAR scenes with the Segment Anything Model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (train, tile, predict, vectorize):
    app.command()(in_sentences(command))


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"sarseg {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Land-cover mapping from SAR scenes with the Segment Anything Model."""


def main() -> None:
    """Entry point of the console script."""
    app()
