"""``sarseg predict``: SAR scenes in, land-cover maps out."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sarseg.cli import console
from sarseg.cli.jobs import FilesArgument, Job, conclude, jobs_of, read_as, work_through
from sarseg.cli.options import (
    BackboneWeightsOption,
    DeviceOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
)
from sarseg.cli.scene_options import takes_reading
from sarseg.errors import ModelError, SarsegError, UsageError
from sarseg.scenes.reading import DEFAULT, Reading

if TYPE_CHECKING:
    from sarseg.prediction.predictor import PredictionSummary
    from sarseg.scenes.reader import Scene


@takes_reading
def predict(
    files: FilesArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="MAP.tif", help="Map of one scene.")
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            metavar="DIR",
            help="Folder for a map of each scene, <first file>_landcover.tif.",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="FILE",
            help="A file that `sarseg train` wrote; else the embedded model.",
        ),
    ] = None,
    backbone_weights: BackboneWeightsOption = None,
    any_backbone: Annotated[
        bool,
        typer.Option(
            "--any-backbone",
            help="Take backbone weights other than those that the model was trained on.",
        ),
    ] = False,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes",
            metavar="FILE",
            help="Vector file; a box-prompted model maps what lies in the boxes of its features.",
        ),
    ] = None,
    boxes_from: Annotated[
        Path | None,
        typer.Option(
            "--boxes-from",
            metavar="MAP",
            help="Earlier map of the scene; a box-prompted model maps anew what lies where the map "
            "shows its class.",
        ),
    ] = None,
    scaling: Annotated[
        Literal["model", "scene"],
        typer.Option(
            help="Scale by the statistics of the training set, or, for scenes that are not "
            "calibrated, by the scene's own.",
        ),
    ] = "model",
    overlap: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="PX", help="Overlap of tiles, at most half a tile. [default: a quarter]"
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="Tiles segmented at once.")
    ] = 4,
    confidence: Annotated[
        bool,
        typer.Option("--confidence", help="Add a band with the class's probability in percent."),
    ] = False,
    overwrite: OverwriteOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    reading: Reading = DEFAULT,
) -> None:
    """Segment SAR scenes and write georeferenced land-cover maps."""
    console.set_quiet(quiet)
    jobs = jobs_of(files, output, output_dir, "_landcover.tif")
    if boxes is not None and boxes_from is not None:
        raise UsageError("Give either --boxes or --boxes-from, not both.")

    from sarseg.model.device import choose_device
    from sarseg.model.file import LoadedModel, load_model
    from sarseg.prediction.boxes import BoxSource, FeatureBoxes, MapBoxes
    from sarseg.prediction.fit import bands_used, doubts
    from sarseg.prediction.predictor import predict_scene
    from sarseg.scenes import osgeo
    from sarseg.scenes.reader import Scene

    place = choose_device(device)
    prompts: BoxSource | None = None
    if boxes is not None:
        prompts = FeatureBoxes(boxes)
    elif boxes_from is not None:
        prompts = MapBoxes(boxes_from)
    if any_backbone:
        console.warn(
            "the weights of the backbone are not compared with those that the model was trained on."
        )
    loaded: LoadedModel | None = None
    maps: list[dict[str, Any]] = []

    def make_map(job: Job) -> None:
        nonlocal loaded
        with Scene.open(job.files, reading) as scene:
            if loaded is None:
                loaded = load_model(
                    model,
                    backbone_weights=backbone_weights,
                    any_backbone=any_backbone,
                    device=place,
                )
            console.say(_description(scene, bands_used(scene, loaded.card)))
            warnings = [*scene.doubts, *doubts(scene, loaded.card, scaling)]
            for warning in warnings:
                console.warn(warning)
            with console.progress("Tiles") as report:
                summary = predict_scene(
                    scene,
                    loaded,
                    job.output,
                    boxes=prompts,
                    overlap=overlap,
                    batch_size=batch_size,
                    confidence=confidence,
                    overwrite=overwrite,
                    scaling=scaling,
                    progress=report,
                )
        console.say(_report(summary))
        maps.append({"scene": job.files, **asdict(summary), "warnings": warnings})

    def fatal(error: SarsegError) -> bool:
        # without a model, or with options that make no sense, no other scene fares better
        no_model = loaded is None and isinstance(error, ModelError)
        return output_dir is None or no_model or isinstance(error, UsageError)

    failures = work_through(jobs, make_map, fatal=fatal)
    if maps:
        console.say(osgeo.in_use())
    conclude({"maps": maps}, failures, as_json=as_json)


def _description(scene: "Scene", used: Sequence[str]) -> str:
    unused = [band for band in scene.bands if band not in used]
    left_out = f" ({', '.join(unused)} not used)" if unused else ""
    return f"{scene.name}: predicting from {' + '.join(used)}{left_out}, {read_as(scene)}."


def _report(summary: "PredictionSummary") -> str:
    total = max(sum(summary.pixels.values()), 1)
    shares = ", ".join(
        f"{name} {count / total:.1%}" for name, count in summary.pixels.items() if count
    )
    skipped = f", {summary.skipped} of them without data" if summary.skipped else ""
    skipped += f", {summary.unprompted} without a box" if summary.unprompted else ""
    return (
        f"Wrote {summary.output}: {shares}. "
        f"{summary.tiles} tiles{skipped}, {summary.seconds:.0f} s."
    )
