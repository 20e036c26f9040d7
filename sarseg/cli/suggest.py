"""``sarseg suggest``: where labels would help a model most."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from sarseg.cli import console
from sarseg.cli.jobs import read_as
from sarseg.cli.options import (
    BackboneWeightsOption,
    DeviceOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
)
from sarseg.cli.scene_options import takes_reading
from sarseg.errors import UsageError
from sarseg.scenes.reading import DEFAULT, Reading
from sarseg.wording import counted


@takes_reading
def suggest(
    files: Annotated[
        list[str], typer.Argument(metavar="SCENE", help="The file or files of one scene.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Polygons, best first: .gpkg, .parquet, .fgb, .geojson, .geojsonl, .shp, or - for "
            "lines of GeoJSON on stdout.",
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="FILE",
            help="The model that is to learn, from `sarseg train`; else the embedded one.",
        ),
    ] = None,
    backbone_weights: BackboneWeightsOption = None,
    count: Annotated[
        int, typer.Option("--count", min=1, metavar="N", help="How many squares.")
    ] = 20,
    size: Annotated[
        int, typer.Option("--size", min=16, metavar="PX", help="Side of a square.")
    ] = 128,
    scaling: Annotated[
        Literal["model", "scene"],
        typer.Option(help="Scale by the statistics of the training set, or by the scene's own."),
    ] = "model",
    batch_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="Tiles segmented at once.")
    ] = 4,
    overwrite: OverwriteOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    reading: Reading = DEFAULT,
) -> None:
    """Rank the squares of a scene by how much a model would learn from their labels.

    First come those that the model is unsure of, each of another mixture of classes than those
    before. Open them in QGIS over the scene and label what lies in them.

    Example: sarseg suggest vv.tif vh.tif -o label_here.gpkg --count 20
    """
    console.set_quiet(quiet)
    if as_json and output == Path("-"):
        raise UsageError("-o - and --json both write to stdout: give one of them.")

    from sarseg.model.device import choose_device
    from sarseg.model.file import load_model
    from sarseg.prediction.fit import doubts
    from sarseg.prediction.settings import PredictSettings
    from sarseg.scenes.reader import Scene
    from sarseg.suggestion.suggest import suggest as write_suggestions

    with Scene.open(files, reading) as scene:
        loaded = load_model(model, backbone_weights=backbone_weights, device=choose_device(device))
        console.say(f"{scene.name}: {read_as(scene)}.")
        for warning in (*scene.doubts, *doubts(scene, loaded.card, scaling)):
            console.warn(warning)
        with console.progress("Tiles") as report:
            summary = write_suggestions(
                scene,
                loaded,
                output,
                count=count,
                side=size,
                settings=PredictSettings(scaling=scaling, batch_size=batch_size),
                overwrite=overwrite,
                progress=report,
            )
    for note in summary.notes:
        console.warn(note)
    console.say(
        f"Wrote {output}: {counted(summary.suggested, 'square')} of {size} pixels, where the "
        f"entropy is {summary.entropy:.0%} of what it can be; of all {summary.candidates} it is "
        f"{summary.entropy_of_candidates:.0%}."
    )
    if as_json:
        console.emit(asdict(summary))
