"""``sarseg tile``: training chips from a scene and its labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sarseg.cli import console
from sarseg.cli.options import (
    BandsOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    UnitOption,
    split_names,
)
from sarseg.errors import UsageError

if TYPE_CHECKING:
    from sarseg.datasets.chips import TilingSummary


def tile(
    files: Annotated[
        list[str], typer.Argument(metavar="SCENE", help="The file or files of one scene.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write the chips to.")
    ],
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="Raster of class ids on the scene's grid."),
    ] = None,
    split: Annotated[
        Path | None,
        typer.Option(
            "--split", help="Raster on the same grid: 1 train, 2 validation, 3 test, else none."
        ),
    ] = None,
    size: Annotated[int, typer.Option("--size", help="Rows, and columns, of a chip.")] = 448,
    overlap: Annotated[
        int, typer.Option("--overlap", help="Pixels that neighbouring chips share.")
    ] = 0,
    bands: BandsOption = None,
    input_unit: UnitOption = "auto",
    classes: Annotated[
        Path | None,
        typer.Option(
            "--classes",
            metavar="NAMES.YAML",
            help="Names of the class ids, where the labels bring none.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore",
            metavar="ID[,ID]",
            help="Label values that mean unlabelled, besides the nodata tag and 255. Repeatable.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Cut a scene and its labels into georeferenced training chips, with a manifest."""
    from sarseg.datasets.chips import write_chips
    from sarseg.scenes.unit import parse_unit

    console.set_quiet(quiet)
    with console.progress("Cutting chips") as report:
        summary = write_chips(
            files,
            output,
            bands=split_names(bands),
            unit=parse_unit(input_unit),
            labels=labels,
            split=split,
            class_names=classes,
            ignore=_ids(ignore or []),
            size=size,
            overlap=overlap,
            overwrite=overwrite,
            progress=report,
        )
    _print_summary(summary, output)
    if as_json:
        console.emit(_result(summary, output))


def _ids(texts: list[str]) -> list[int]:
    parts = [part.strip() for text in texts for part in text.split(",")]
    try:
        return [int(part) for part in parts]
    except ValueError as error:
        raise UsageError(
            f"--ignore takes label values, as in --ignore 0 or --ignore 0,99; "
            f"{','.join(texts)!r} is something else."
        ) from error


def _print_summary(summary: "TilingSummary", output: Path) -> None:
    from rich.table import Table

    manifest = summary.manifest
    if manifest.pixels:
        table = Table("class", *manifest.pixels, title="Labelled pixels")
        for column in table.columns[1:]:
            column.justify = "right"
        for entry in manifest.classes:
            counts = (counts.get(entry.id, 0) for counts in manifest.pixels.values())
            table.add_row(f"{entry.id} {entry.name}", *(f"{count:,}" for count in counts))
        table.add_section()
        totals = (sum(counts.values()) for counts in manifest.pixels.values())
        table.add_row("all", *(f"{total:,}" for total in totals))
        console.stderr.print(table)
    line = f"{summary.images} chips of {manifest.size} x {manifest.size} pixels in {output}"
    line += f"; bands {', '.join(manifest.bands)}, {manifest.unit}"
    if summary.dropped:
        line += f"; {summary.dropped} without a valid pixel left out"
    console.say(line + ".")


def _result(summary: "TilingSummary", output: Path) -> dict[str, Any]:
    manifest = summary.manifest
    splits = [chip.split for chip in manifest.chips]
    return {
        "output": str(output),
        "images": summary.images,
        "dropped": summary.dropped,
        "size": manifest.size,
        "bands": manifest.bands,
        "unit": manifest.unit,
        "classes": [entry.model_dump() for entry in manifest.classes],
        "chips": {split: splits.count(split) for split in sorted(set(splits))},
        "pixels": manifest.pixels,
    }
