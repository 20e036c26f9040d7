"""``sarseg predict``: SAR scenes in, land-cover maps out."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sarseg.cli import console
from sarseg.cli.options import (
    BackboneWeightsOption,
    BandsOption,
    DeviceOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    UnitOption,
    split_names,
)
from sarseg.errors import ModelError, OutputError, SarsegError, UsageError

if TYPE_CHECKING:
    from sarseg.prediction.predictor import PredictionSummary
    from sarseg.scenes.reader import Scene


@dataclass(frozen=True)
class _Job:
    files: tuple[str, ...]
    output: Path


def predict(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="With -o: the files of one scene. With --output-dir: one scene each, its files "
            "joined by commas. '-' reads them from stdin, one a line.",
        ),
    ],
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
    bands: BandsOption = None,
    input_unit: UnitOption = "auto",
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
) -> None:
    """Segment SAR scenes and write georeferenced land-cover maps."""
    console.set_quiet(quiet)
    jobs = _jobs(files, output, output_dir)
    if boxes is not None and boxes_from is not None:
        raise UsageError("Give either --boxes or --boxes-from, not both.")

    from sarseg.model.device import choose_device
    from sarseg.model.file import LoadedModel, load_model
    from sarseg.prediction.boxes import BoxSource, FeatureBoxes, MapBoxes
    from sarseg.prediction.predictor import (
        bands_used,
        doubts,
        predict_scene,
    )
    from sarseg.scenes import osgeo
    from sarseg.scenes.reader import Scene
    from sarseg.scenes.unit import parse_unit

    unit = parse_unit(input_unit)
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
    failures: list[tuple[_Job, SarsegError]] = []
    for job in jobs:
        try:
            with Scene.open(job.files, bands=split_names(bands), unit=unit) as scene:
                if loaded is None:
                    loaded = load_model(
                        model,
                        backbone_weights=backbone_weights,
                        any_backbone=any_backbone,
                        device=place,
                    )
                console.say(_description(scene, bands_used(scene, loaded.card)))
                warnings = list(doubts(scene, loaded.card, scaling))
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
        except SarsegError as error:
            no_model = loaded is None and isinstance(error, ModelError)
            # without a model, or with options that make no sense, no other scene fares better
            if output_dir is None or no_model or isinstance(error, UsageError):
                raise
            console.fail(str(error))
            failures.append((job, error))
    if maps:
        console.say(osgeo.in_use())
    if as_json:
        failed = [{"scene": job.files, "error": str(error)} for job, error in failures]
        console.emit({"maps": maps, "failed": failed})
    if failures:
        raise typer.Exit(failures[0][1].exit_code)


def _jobs(files: Sequence[str], output: Path | None, output_dir: Path | None) -> list[_Job]:
    given = [path for file in files for path in (_paths_from_stdin() if file == "-" else [file])]
    if not given:
        raise UsageError("No scene was named: stdin, which '-' stands for, held no paths.")
    if output is not None and output_dir is None:
        return [_Job(tuple(given), output)]
    if output_dir is None or output is not None:
        raise UsageError(
            "Give either -o (the files are one scene) or --output-dir (each is a scene)."
        )
    if not output_dir.is_dir():
        raise OutputError(f"The output folder {output_dir} does not exist: create it first.")
    jobs: dict[Path, _Job] = {}
    for scene in given:
        names = tuple(part for part in scene.split(",") if part)
        if not names:
            raise UsageError(f"'{scene}' names no file: give a scene's files joined by commas.")
        target = output_dir / f"{Path(names[0]).stem}_landcover.tif"
        if target in jobs:
            raise UsageError(
                f"{jobs[target].files[0]} and {names[0]} would both become {target}: "
                "predict them to different folders."
            )
        jobs[target] = _Job(names, target)
    return list(jobs.values())


def _paths_from_stdin() -> list[str]:
    return [line.strip() for line in sys.stdin if line.strip()]


def _description(scene: "Scene", used: Sequence[str]) -> str:
    unused = [band for band in scene.bands if band not in used]
    left_out = f" ({', '.join(unused)} not used)" if unused else ""
    unit = f"{scene.unit} (guessed)" if scene.unit_guessed else scene.unit
    return (
        f"{scene.name}: predicting from {' + '.join(used)}{left_out}, read as {unit}, "
        f"{scene.height} x {scene.width} pixels."
    )


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
