"""Options that choose filters of a scene."""

from typing import Annotated

import typer

FILTERS = "Filters"
"""The panel of these options in a help text."""

DespeckleOption = Annotated[
    str | None,
    typer.Option(
        "--despeckle",
        metavar="FILTER",
        rich_help_panel=FILTERS,
        help="Speckle filter before all else: none, lee, kuan, enhanced-lee, gamma-map, frost, "
        "enhanced-frost, refined-lee or non-local-means.",
    ),
]
LooksOption = Annotated[
    str,
    typer.Option(
        "--looks",
        metavar="X",
        rich_help_panel=FILTERS,
        help="Equivalent number of looks, for the speckle filter; auto: estimated from the scene.",
    ),
]
LowPassOption = Annotated[
    float | None,
    typer.Option(
        "--low-pass",
        metavar="F",
        rich_help_panel=FILTERS,
        help="Passes frequencies below F, in cycles per pixel (<= 0.5).",
    ),
]
HighPassOption = Annotated[
    float | None,
    typer.Option(
        "--high-pass",
        metavar="F",
        rich_help_panel=FILTERS,
        help="Passes frequencies above F, in cycles per pixel (<= 0.5).",
    ),
]
