"""``sarseg vectorize``: a land-cover map to polygons."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sarseg.cli import console
from sarseg.cli.options import JsonOption, OverwriteOption, QuietOption, split_names
from sarseg.errors import UsageError

if TYPE_CHECKING:
    from sarseg.vectors.vectorize import VectorizeSummary

_SIGPIPE = 141
"""What shells say of a program that wrote to a pipe that nobody reads."""

_MAP = "The map, before"
_POLYGONS = "The polygons"
_FILES = "The files"


def vectorize(
    landcover: Annotated[
        str,
        typer.Argument(
            metavar="MAP", help="Land-cover map: any raster with integer classes in band 1."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Polygons: .gpkg, .parquet, .fgb, .geojson, .geojsonl, .shp, or - for lines of "
            "GeoJSON on stdout.",
        ),
    ],
    min_area: Annotated[
        str | None,
        typer.Option(
            "--min-area",
            metavar="AREA",
            help="Give smaller regions to a neighbour: 0.5ha, 5000m2 or 20px.",
            rich_help_panel=_MAP,
        ),
    ] = None,
    rule: Annotated[
        Literal["border", "area"],
        typer.Option(
            "--replace-by",
            help="Which neighbour: that with the longest common border, or of the largest area.",
            rich_help_panel=_MAP,
        ),
    ] = "border",
    majority: Annotated[
        int | None,
        typer.Option(
            "--majority",
            metavar="PX",
            help="First give each pixel the most frequent class of PX x PX pixels: 3, 5, 7, ...",
            rich_help_panel=_MAP,
        ),
    ] = None,
    smooth: Annotated[
        bool,
        typer.Option(
            "--smooth", help="Cut the corners of the pixel staircase.", rich_help_panel=_POLYGONS
        ),
    ] = False,
    simplify: Annotated[
        str | None,
        typer.Option(
            "--simplify",
            metavar="LENGTH",
            help="Simplify shared borders by this tolerance: 10m or 1px.",
            rich_help_panel=_POLYGONS,
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            metavar="NAMES",
            help="Write these alone: ids or names joined by commas.",
            show_default="all",
            rich_help_panel=_POLYGONS,
        ),
    ] = None,
    dissolve: Annotated[
        bool,
        typer.Option(
            "--dissolve",
            help="One feature a class, instead of one a region.",
            rich_help_panel=_POLYGONS,
        ),
    ] = False,
    layer: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Name of the layer in a GeoPackage.", rich_help_panel=_FILES
        ),
    ] = "landcover",
    append: Annotated[
        bool,
        typer.Option(
            "--append",
            help="Add the layer to a GeoPackage and keep its others.",
            rich_help_panel=_FILES,
        ),
    ] = False,
    summary_file: Annotated[
        Path | None,
        typer.Option(
            "--summary",
            metavar="FILE",
            help="Write the totals of the classes: .csv or .json.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    style: Annotated[
        bool,
        typer.Option(
            help="Write the map's colours for QGIS (.qml) and others (.sld): into a GeoPackage, "
            "beside other files.",
            rich_help_panel=_FILES,
        ),
    ] = True,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Turn a land-cover map into polygons that share their borders.

    One polygon for each 4-connected region, with class_id, class_name, area_ha (on the ellipsoid),
    perimeter_m, pixels, and confidence_mean and confidence_min where the map has them.

    Example: sarseg vectorize landcover.tif -o landcover.gpkg --min-area 0.5ha --simplify 10m
    """
    console.set_quiet(quiet)
    if majority is not None and (majority < 3 or majority % 2 == 0):
        raise UsageError(f"--majority is {majority}: choose an odd number from 3 on.")
    if as_json and output == Path("-"):
        raise UsageError("-o - and --json both write to stdout: give one of them.")

    from sarseg.scenes.output import check_output
    from sarseg.vectors.measures import Measure
    from sarseg.vectors.totals import check_summary, write_summary
    from sarseg.vectors.vectorize import VectorizeSettings
    from sarseg.vectors.vectorize import vectorize as write_vectors

    names = split_names(classes)
    if names is not None and not names:
        raise UsageError("--classes names no class: give ids or names joined by commas.")
    settings = VectorizeSettings(
        majority=majority,
        min_area=None if min_area is None else Measure.of_area(min_area),
        rule=rule,
        smooth=smooth,
        simplify=None if simplify is None else Measure.of_length(simplify),
        select=None if names is None else tuple(names),
        dissolve=dissolve,
    )
    if summary_file is not None:
        if summary_file.resolve() == output.resolve():
            raise UsageError(f"-o and --summary both name {output}: give each a file of its own.")
        check_summary(summary_file)
        check_output(summary_file, overwrite=overwrite, inputs=[Path(landcover)])
    try:
        summary = write_vectors(
            landcover,
            output,
            settings,
            layer=layer,
            overwrite=overwrite,
            append=append,
            styled=style,
        )
    except BrokenPipeError as error:  # as in `| head`: nobody wants more
        raise typer.Exit(_SIGPIPE) from error
    if summary_file is not None:
        write_summary(summary_file, summary.classes)
    _say(summary)
    if as_json:
        console.emit(
            {
                "output": summary.output,
                "polygons": summary.polygons,
                "classes": [asdict(total) for total in summary.classes],
                "crs": summary.crs,
                "gcp_order": summary.gcp_order,
                "notes": summary.notes,
            }
        )


def _say(summary: "VectorizeSummary") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("class", "polygons", "pixels", "area (ha)", "share")
    for column in table.columns[1:]:
        column.justify = "right"
    for total in summary.classes:
        area = "–" if total.area_ha is None else f"{total.area_ha:,.2f}"
        row = f"{total.polygons:,}", f"{total.pixels:,}", area, f"{total.share:.1%}"
        table.add_row(Text(total.class_name), *row)
    console.stderr.print(table)
    placed = f"CRS: {summary.crs or 'none'}"
    if summary.gcp_order is not None:
        placed += f", by ground control points and a polynomial of order {summary.gcp_order}"
    target = "stdout" if summary.output == Path("-") else summary.output
    noun = "polygon" if summary.polygons == 1 else "polygons"
    console.say(f"{summary.polygons:,} {noun} written to {target} ({placed}).")
    for note in summary.notes:
        console.warn(note)
    if any(total.area_ha is None for total in summary.classes):
        why = "no CRS" if summary.crs is None else "a CRS that does not give all pixels a size"
        console.warn(f"the map has {why}, so areas are in pixels, and area_ha is null.")
