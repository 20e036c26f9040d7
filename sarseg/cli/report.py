"""``sarseg report``: a land-cover map as a page, or a picture, to look at."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sarseg.cli import console
from sarseg.cli.options import JsonOption, OverwriteOption, QuietOption
from sarseg.cli.output_names import check_suffix
from sarseg.cli.scene_options import check_scene_named, takes_reading
from sarseg.errors import UsageError
from sarseg.scenes.reading import DEFAULT, Reading

if TYPE_CHECKING:
    from sarseg.report.survey import MapSurvey


@takes_reading
def report(
    landcover: Annotated[
        Path,
        typer.Argument(
            metavar="MAP", help="Land-cover map: any raster with classes 0 to 254 in band 1."
        ),
    ],
    scene: Annotated[
        list[str] | None,
        typer.Option(
            "--scene",
            metavar="FILE",
            help="The scene to show below the map; once for each of its files.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="REPORT.html", help="Page to write."),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(
            "--png", metavar="FILE.png", help="Picture to write, with legend and scale bar."
        ),
    ] = None,
    title: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What stands above it.", show_default="by the scene"),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    reading: Reading = DEFAULT,
) -> None:
    """Show a land-cover map: one HTML page that needs nothing else, a picture, or both.

    The page has the map over the scene, areas of the classes, the confidence, and what made the
    map. It opens by double-click and asks for nothing from any network.
    """
    console.set_quiet(quiet)
    if output is None and png is None:
        raise UsageError("Nothing to write was named: give -o report.html, --png map.png, or both.")
    check_scene_named(scene, reading)
    _check_outputs(landcover, scene or [], output, png, overwrite)

    from sarseg.report.backdrop import backdrop
    from sarseg.report.page import write_page
    from sarseg.report.quicklook import write_quicklook
    from sarseg.report.survey import survey_map
    from sarseg.scenes.reader import Scene

    with Scene.open(scene, reading) if scene else nullcontext() as opened:
        with console.progress("Rows") as progress:
            survey = survey_map(landcover, progress)
        below = backdrop(opened, survey) if opened else None
    heading = title if title is not None else _title(survey)
    if output is not None:
        write_page(output, survey, below, heading)
        console.say(f"Wrote {output} ({output.stat().st_size / 1e6:.1f} MB).")
    if png is not None:
        write_quicklook(png, survey, below, heading)
        console.say(f"Wrote {png}.")
    if survey.unmeasured is not None:
        console.warn(f"the map gives no areas, so classes are told in pixels: {survey.unmeasured}.")
    if as_json:
        console.emit({"page": output, "png": png, **_found(survey)})


def _check_outputs(
    landcover: Path, scene: list[str], output: Path | None, png: Path | None, overwrite: bool
) -> None:
    from sarseg.scenes.output import check_output

    for path, suffixes, example in (
        (output, (".html", ".htm"), "report.html"),
        (png, (".png",), "map.png"),
    ):
        if path is None:
            continue
        check_suffix(path, suffixes, example)
        check_output(path, overwrite=overwrite, inputs=[landcover, *map(Path, scene)])


def _title(survey: "MapSurvey") -> str:
    return f"Land cover of {survey.tags.get('SARSEG_SCENE') or survey.path.name}"


def _found(survey: "MapSurvey") -> dict[str, Any]:
    return {
        "area_ha": survey.area_ha,
        "confidence": survey.mean_confidence,
        "classes": [
            {
                "id": total.entry.id,
                "name": total.entry.name,
                "pixels": total.pixels,
                "area_ha": total.area_ha,
                "share": total.share,
                "confidence": total.confidence,
            }
            for total in survey.totals
        ],
    }
