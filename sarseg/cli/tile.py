"""``sarseg tile``: training chips from a scene and its labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sarseg.cli import console
from sarseg.cli.filter_options import (
    AUTO,
    NO_FILTER,
    DespeckleOption,
    HighPassOption,
    LooksOption,
    LowPassOption,
    filter_chain,
)
from sarseg.cli.options import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    assigned_settings,
)
from sarseg.cli.scene_options import takes_reading
from sarseg.errors import UsageError
from sarseg.scenes.reading import DEFAULT, Reading

if TYPE_CHECKING:
    from sarseg.datasets.chips import TilingSummary


@takes_reading
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
    despeckle: DespeckleOption = None,
    looks: LooksOption = AUTO,
    low_pass: LowPassOption = None,
    high_pass: HighPassOption = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the speckle filter, as in despeckle.size=9. Repeatable.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    reading: Reading = DEFAULT,
) -> None:
    """Cut a scene and its labels into georeferenced training chips, with a manifest.

    Chips may be filtered here, with the scene round them, or later by `sarseg train`, which leaves
    the labels near a chip's edge out then.
    """
    from sarseg.datasets.chips import write_chips

    console.set_quiet(quiet)
    settings = assigned_settings(assignments or (), ["despeckle"])["despeckle_settings"]
    filters = filter_chain(despeckle or NO_FILTER, looks, settings, low_pass, high_pass)
    with console.progress("Cutting chips") as report:
        summary = write_chips(
            files,
            output,
            reading=reading,
            filters=filters,
            labels=labels,
            split=split,
            class_names=classes,
            ignore=_ids(ignore or []),
            size=size,
            overlap=overlap,
            overwrite=overwrite,
            progress=report,
        )
    for doubt in summary.doubts:
        console.warn(doubt)
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
