"""Options that several commands share, spelled once."""

from pathlib import Path
from typing import Annotated

import typer

OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace the output where it exists.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object on stdout.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
BandsOption = Annotated[
    str | None,
    typer.Option(
        "--bands",
        metavar="VV,VH",
        help="Polarisations of the scene's bands in order, where they are not recognised.",
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu or cuda.")]
BackboneWeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--backbone-weights",
        metavar="FILE",
        help="Meta's SAM checkpoint, for models on vit_b, vit_l or vit_h.",
    ),
]
UnitOption = Annotated[
    str,
    typer.Option(
        "--input-unit",
        metavar="UNIT",
        help="What the numbers are: auto, intensity, amplitude or db.",
    ),
]


def split_names(names: str | None) -> list[str] | None:
    """``"VV, VH"`` as a list; None stays None."""
    if names is None:
        return None
    return [name.strip() for name in names.split(",") if name.strip()]
