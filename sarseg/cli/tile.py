"""``sarseg tile``: training chips from a scene and its labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sarseg.cli import console
from sarseg.cli.filter_options import (
    FILTERS,
    DespeckleOption,
    HighPassOption,
    LooksOption,
    LowPassOption,
)
from sarseg.cli.label_options import (
    BlockSizeOption,
    ClassesOption,
    GuardOption,
    IgnoreOption,
    LabelAttributeOption,
    LabelsOption,
    SharesOption,
    SplitAttributeOption,
    SplitOption,
    SplitSeedOption,
    ignored_values,
    spatial_blocks,
)
from sarseg.cli.options import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    assigned_settings,
)
from sarseg.cli.scene_options import takes_reading
from sarseg.errors import UsageError
from sarseg.filters.names import AUTO, NO_FILTER
from sarseg.scenes.reading import DEFAULT, Reading

if TYPE_CHECKING:
    from sarseg.datasets.chips import TilingSummary
    from sarseg.datasets.manifest import DropRules


@takes_reading
def tile(
    files: Annotated[
        list[str], typer.Argument(metavar="SCENE", help="The file or files of one scene.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write the chips to.")
    ],
    size: Annotated[int, typer.Option("--size", help="Rows, and columns, of a chip.")] = 448,
    overlap: Annotated[
        int, typer.Option("--overlap", help="Pixels that neighbouring chips share.")
    ] = 0,
    min_valid: Annotated[
        float,
        typer.Option(
            "--min-valid",
            metavar="SHARE",
            help="Leave out chips with a smaller share of valid pixels, 0 to 1, or with none.",
        ),
    ] = 0.0,
    min_labelled: Annotated[
        float,
        typer.Option(
            "--min-labelled",
            metavar="SHARE",
            help="Leave out chips with a smaller share of labelled pixels in every split.",
        ),
    ] = 0.0,
    no_quicklook: Annotated[
        bool,
        typer.Option("--no-quicklook", help="Leave out quicklook.png, some chips of each split."),
    ] = False,
    labels: LabelsOption = None,
    label_attribute: LabelAttributeOption = None,
    classes: ClassesOption = None,
    ignore: IgnoreOption = None,
    split: SplitOption = None,
    split_attribute: SplitAttributeOption = None,
    block_size: BlockSizeOption = None,
    guard: GuardOption = None,
    shares: SharesOption = None,
    split_seed: SplitSeedOption = None,
    despeckle: DespeckleOption = None,
    looks: LooksOption = AUTO,
    low_pass: LowPassOption = None,
    high_pass: HighPassOption = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            rich_help_panel=FILTERS,
            help="A setting of the speckle filter, as in despeckle.size=9. Repeatable.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    reading: Reading = DEFAULT,
) -> None:
    """Cut a scene and its labels into georeferenced training chips, with a manifest.

    Chips may be filtered here, with the scene round them, or later by
    `sarseg train`, which leaves the labels near a chip's edge out then.
    """
    from sarseg.datasets.chips import write_chips
    from sarseg.filters.choice import filter_chain

    console.set_quiet(quiet)
    settings = assigned_settings(assignments or (), ["despeckle"])["despeckle_settings"]
    filters = filter_chain(despeckle or NO_FILTER, looks, settings, low_pass, high_pass)
    blocks = spatial_blocks(
        split, size, block_size=block_size, guard=guard, shares=shares, seed=split_seed
    )
    with console.progress("Cutting chips") as report:
        summary = write_chips(
            files,
            output,
            reading=reading,
            filters=filters,
            size=size,
            overlap=overlap,
            labels=labels,
            label_attribute=label_attribute,
            class_names=classes,
            ignore=ignored_values(ignore),
            split=split,
            split_attribute=split_attribute,
            blocks=blocks,
            drop=_drop_rules(min_valid, min_labelled),
            quicklook=not no_quicklook,
            overwrite=overwrite,
            progress=report,
        )
    for doubt in summary.doubts:
        console.warn(doubt)
    _print_summary(summary, output)
    if as_json:
        console.emit(_result(summary, output))


def _drop_rules(min_valid: float, min_labelled: float) -> "DropRules":
    from sarseg.datasets.manifest import DropRules

    for name, share in (("--min-valid", min_valid), ("--min-labelled", min_labelled)):
        if not 0 <= share <= 1:
            raise UsageError(f"{name} is {share:g}; a share of a chip's pixels is from 0 to 1.")
    return DropRules(min_valid=min_valid, min_labelled=min_labelled)


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
    console.say(line + ".")
    dropped = manifest.dropped
    if summary.dropped_invalid:
        least = f"less than {dropped.min_valid:.3g}" if dropped.min_valid else "none"
        console.say(
            f"Left out: {summary.dropped_invalid} chips with {least} of their pixels valid."
        )
    if summary.dropped_unlabelled:
        console.say(
            f"Left out: {summary.dropped_unlabelled} chips with less than "
            f"{dropped.min_labelled:.3g} of their pixels labelled in any split."
        )


def _result(summary: "TilingSummary", output: Path) -> dict[str, Any]:
    manifest = summary.manifest
    splits = [chip.split for chip in manifest.chips]
    return {
        "output": str(output),
        "images": summary.images,
        "dropped": {"invalid": summary.dropped_invalid, "unlabelled": summary.dropped_unlabelled},
        "size": manifest.size,
        "bands": manifest.bands,
        "unit": manifest.unit,
        "division": manifest.division,
        "classes": [entry.model_dump() for entry in manifest.classes],
        "chips": {split: splits.count(split) for split in sorted(set(splits))},
        "pixels": manifest.pixels,
    }
