"""``sarseg vectorize``: a land-cover map to polygons."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sarseg.cli import console
from sarseg.cli.options import JsonOption, OverwriteOption, QuietOption

if TYPE_CHECKING:
    from sarseg.vectors.vectorize import VectorizeSummary


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
            "--output", "-o", metavar="FILE", help="Polygons to write: .gpkg, .geojson or .json."
        ),
    ],
    layer: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the layer in a GeoPackage.")
    ] = "landcover",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Turn a land-cover map into polygons with class_id, class_name and area_ha.

    One polygon for each 4-connected region of equal class. Pixels without data are left out.

    area_ha is the area on the ellipsoid, null where the map has no CRS.

    An output that is replaced loses all its layers.
    """
    console.set_quiet(quiet)

    from sarseg.vectors.vectorize import vectorize as write_vectors

    summary = write_vectors(landcover, output, layer=layer, overwrite=overwrite)
    _say(summary)
    if as_json:
        console.emit(
            {
                "output": summary.output,
                "polygons": summary.polygons,
                "classes": {
                    total.name: {"polygons": total.polygons, "area_ha": total.area_ha}
                    for total in summary.classes
                },
                "crs": summary.crs,
                "engine": summary.engine,
            }
        )


def _say(summary: "VectorizeSummary") -> None:
    from rich.table import Table

    table = Table("class", "polygons", "area (ha)")
    for column in table.columns[1:]:
        column.justify = "right"
    for total in summary.classes:
        area = "–" if total.area_ha is None else f"{total.area_ha:,.2f}"
        table.add_row(total.name, f"{total.polygons:,}", area)
    console.stderr.print(table)
    console.say(
        f"{summary.polygons:,} polygons written to {summary.output} "
        f"(CRS: {summary.crs or 'none'}; polygonised by {summary.engine})."
    )
    if summary.crs is None:
        console.warn(
            "the map has no CRS, so area_ha is null; a GeoJSON file cannot say so, and programs "
            "will take its coordinates for degrees."
            if summary.output.suffix.lower() != ".gpkg"
            else "the map has no CRS, so area_ha is null."
        )
