"""The command line: one file a subcommand, each parses, calls one function and prints."""

from typing import Annotated

import typer

from sarseg import __version__
from sarseg.cli import weights
from sarseg.cli.compare import compare
from sarseg.cli.despeckle import despeckle
from sarseg.cli.evaluate import evaluate
from sarseg.cli.filter import filter_scenes
from sarseg.cli.info import info
from sarseg.cli.inspect import inspect
from sarseg.cli.parameters import parameters
from sarseg.cli.predict import predict
from sarseg.cli.pretrain import pretrain
from sarseg.cli.report import report
from sarseg.cli.sentences import in_sentences
from sarseg.cli.suggest import suggest
from sarseg.cli.tile import tile
from sarseg.cli.train import train
from sarseg.cli.vectorize import vectorize

app = typer.Typer(
    help="Land-cover mapping from SAR scenes with the Segment Anything Model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    *(train, pretrain, tile, predict, evaluate, compare, vectorize, report, suggest),
    *(despeckle, info, inspect, parameters),
):
    app.command()(in_sentences(command))
app.command("filter")(in_sentences(filter_scenes))
app.add_typer(weights.app, name="weights")


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
