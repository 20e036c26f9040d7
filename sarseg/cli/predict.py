"""``sarseg predict``: SAR scenes in, land-cover maps out."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sarseg.cli import console
from sarseg.cli.jobs import Done, FilesArgument, Job, conclude, jobs_of, read_as, work_through
from sarseg.cli.options import (
    BackboneWeightsOption,
    DeviceOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    memory_size,
)
from sarseg.cli.output_names import NameOption
from sarseg.cli.scene_options import takes_reading
from sarseg.errors import InputError, ModelError, OutputError, UsageError
from sarseg.scenes.reading import DEFAULT, Reading
from sarseg.wording import counted

if TYPE_CHECKING:
    from sarseg.prediction.boxes import BoxSource
    from sarseg.prediction.planning import PredictionPlan
    from sarseg.prediction.predictor import PredictionSummary
    from sarseg.scenes.acquisition import Acquisition
    from sarseg.scenes.reader import Scene

_MAP = "The map"
_TILES = "Tiles"
_RUN = "The run"


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
            help="Folder for a map of each scene; maps that are finished are skipped.",
        ),
    ] = None,
    name: NameOption = "{stem}_landcover.tif",
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
    confidence: Annotated[
        bool,
        typer.Option(
            "--confidence",
            help="Add a band with the class's probability in percent.",
            rich_help_panel=_MAP,
        ),
    ] = False,
    entropy: Annotated[
        bool,
        typer.Option(
            "--entropy",
            help="Add a band with the entropy of the probabilities: 0 certain, 100 anything goes.",
            rich_help_panel=_MAP,
        ),
    ] = False,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="Add a band for each class with its probability in percent.",
            rich_help_panel=_MAP,
        ),
    ] = False,
    classes: Annotated[
        Path | None,
        typer.Option(
            "--classes",
            metavar="FILE.yaml",
            help="Regroup the model's classes, as in 1: {name: nature, from: \\[water, woodland]}.",
            rich_help_panel=_MAP,
        ),
    ] = None,
    stac: Annotated[
        bool,
        typer.Option(
            "--stac", help="Describe the map in a STAC item beside it.", rich_help_panel=_MAP
        ),
    ] = False,
    qml: Annotated[
        bool,
        typer.Option("--qml", help="Write a style for QGIS beside the map.", rich_help_panel=_MAP),
    ] = False,
    acquired: Annotated[
        str | None,
        typer.Option(
            "--datetime",
            metavar="TIME",
            help="When the scene was taken, as in 2020-01-01 (all day) or 2020-01-01T05:43:21Z, or "
            "START/END, for --stac.",
            show_default="by its name",
            rich_help_panel=_MAP,
        ),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="PX",
            help="Overlap of tiles, up to 7/8 of a tile.",
            show_default="a quarter",
            rich_help_panel=_TILES,
        ),
    ] = None,
    blend: Annotated[
        Literal["gaussian", "hann", "pyramid", "flat"],
        typer.Option(help="How tiles are weighted where they overlap.", rich_help_panel=_TILES),
    ] = "gaussian",
    tta: Annotated[
        Literal["none", "flips", "turns"],
        typer.Option(
            help="Average each tile over 4 mirror images, or over 8 with quarter turns.",
            rich_help_panel=_TILES,
        ),
    ] = "none",
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Tiles segmented at once.",
            show_default="found by measuring",
            rich_help_panel=_TILES,
        ),
    ] = None,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option(help="auto: bfloat16 where it is faster.", rich_help_panel=_TILES),
    ] = "auto",
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="Most memory that the process may take, as in 4GB.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with what an earlier run left.", rich_help_panel=_RUN),
    ] = False,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="Where the scene cannot be read, write nodata and end with exit code 7.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Print tiles, batches, memory and estimated time, with --resume of what is left, "
            "and stop.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    overwrite: OverwriteOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    reading: Reading = DEFAULT,
) -> None:
    """Segment SAR scenes and write georeferenced land-cover maps.

    Example: sarseg predict S1A_vv.tif S1A_vh.tif -o landcover.tif --confidence
    """
    console.set_quiet(quiet)
    jobs = jobs_of(files, output, output_dir, name)
    if boxes is not None and boxes_from is not None:
        raise UsageError("Give either --boxes or --boxes-from, not both.")
    if acquired is not None and not stac:
        raise UsageError("--datetime is for the item that --stac writes: give both.")

    from sarseg.model.device import choose_device, described
    from sarseg.model.file import LoadedModel, load_model
    from sarseg.prediction.boxes import FeatureBoxes, MapBoxes
    from sarseg.prediction.finished import finished_map
    from sarseg.prediction.fit import bands_used, doubts
    from sarseg.prediction.forward import choose_precision
    from sarseg.prediction.predictor import plan_scene, predict_scene
    from sarseg.prediction.settings import PredictSettings
    from sarseg.scenes.reader import Scene

    settings = PredictSettings(
        overlap=overlap,
        window=blend,
        scaling=scaling,
        views=tta,
        confidence=confidence,
        entropy=entropy,
        probabilities=probabilities,
        classes=classes,
        batch_size=batch_size,
        precision=precision,
        memory=memory_size(memory),
    )
    reading = replace(reading, allow_missing=allow_missing)
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
    plans: list[dict[str, Any]] = []

    def the_model() -> LoadedModel:
        nonlocal loaded
        if loaded is None:
            loaded = load_model(
                model, backbone_weights=backbone_weights, any_backbone=any_backbone, device=place
            )
            console.say(described(place, choose_precision(precision, place)))
        return loaded

    def finished(job: Job) -> Done | None:
        if plan or overwrite or not job.output.is_file() or not (resume or output_dir):
            return None
        with Scene.open(job.files, reading) as scene:
            there = finished_map(job.output, scene, the_model(), settings, prompts)
            if there is None:
                return None
            if there.differences:
                raise OutputError(
                    f"{job.output} is a finished map, but not the one that is asked for: "
                    f"{'; '.join(there.differences)}. Give what it was made with, or --overwrite "
                    "to replace it."
                )
            item = job.output.with_suffix(".json")
            if stac and not item.exists():
                _write_item(item, job.output, _acquisition(job, scene, acquired), overwrite=False)
            if qml and not job.output.with_suffix(".qml").exists():
                _write_qml(job.output, overwrite=False)
            return Done("was there already", incomplete=there.missing > 0)

    def make_map(job: Job) -> Done:
        with Scene.open(job.files, reading) as scene:
            segmenter = the_model()
            console.say(_description(scene, bands_used(scene, segmenter.card)))
            if plan:
                found = plan_scene(
                    scene,
                    segmenter,
                    job.output,
                    settings,
                    boxes=prompts,
                    resume=resume,
                    tell=console.say,
                )
                plans.append({"scene": job.files, **asdict(found)})
                console.say(_planned(found))
                left = counted(found.tiles - found.kept, "tile")
                return Done(f"{left}, about {_duration(found.seconds)}")
            acquisition = _acquisition(job, scene, acquired) if stac else None
            item = job.output.with_suffix(".json")
            if acquisition is not None:
                _check_item(item, scene, overwrite=overwrite)
            if qml:
                _check_qml(job.output)
            warnings = [*scene.doubts, *doubts(scene, segmenter.card, scaling)]
            for warning in warnings:
                console.warn(warning)
            with console.progress("Tiles") as report:
                summary = predict_scene(
                    scene,
                    segmenter,
                    job.output,
                    settings,
                    boxes=prompts,
                    overwrite=overwrite,
                    resume=resume,
                    progress=report,
                    tell=console.say,
                )
        for part in summary.unreadable:
            console.warn(f"{part}; it is nodata in the map.")
        if acquisition is not None:
            _write_item(item, job.output, acquisition, overwrite=overwrite)
        elif overwrite and item.exists():
            console.warn(f"{item} may describe the map that was replaced: --stac writes it anew.")
        if qml and (note := _write_qml(job.output, overwrite=overwrite)):
            console.warn(note)
        console.say(_report(summary))
        maps.append({"scene": job.files, **asdict(summary), "warnings": warnings})
        note = f"{counted(summary.tiles, 'tile')}, {_duration(summary.seconds)}"
        return Done(note, incomplete=summary.missing > 0)

    def fatal(error: Exception) -> bool:
        # without a model, or with options that make no sense, no other scene fares better
        no_model = loaded is None and isinstance(error, ModelError)
        no_sense = not (maps or plans) and isinstance(error, UsageError)
        return output_dir is None or no_model or no_sense

    outcomes = work_through(jobs, make_map, fatal=fatal, finished=finished)
    conclude({"plans": plans} if plan else {"maps": maps}, outcomes, as_json=as_json)


def _description(scene: "Scene", used: Sequence[str]) -> str:
    unused = [band for band in scene.bands if band not in used]
    left_out = f" ({', '.join(unused)} not used)" if unused else ""
    return f"{scene.name}: predicting from {' + '.join(used)}{left_out}, {read_as(scene)}."


def _planned(plan: "PredictionPlan") -> str:
    tiles = counted(plan.tiles, "tile")
    if plan.kept:
        tiles += f", of which {plan.kept} are kept from an earlier run; to do: "
        tiles += counted(plan.tiles - plan.kept, "tile")
    strips = f" in {plan.strips} strips" if plan.strips > 1 else ""
    return (
        f"{tiles}{strips}, {counted(plan.batches, 'batch', 'batches')} of {plan.batch_size}; at "
        f"most {plan.memory / 1e9:.1f} GB of memory and {plan.disk / 1e9:.2g} GB on the disk of "
        f"the output; about {_duration(plan.seconds)} if all tiles hold data."
    )


def _report(summary: "PredictionSummary") -> str:
    total = max(sum(summary.pixels.values()), 1)
    shares = ", ".join(
        f"{name} {count / total:.1%}" for name, count in summary.pixels.items() if count
    )
    parts = [
        (summary.resumed, "from an earlier run"),
        (summary.skipped, "without data"),
        (summary.unprompted, "without a box"),
        (summary.missing, "with parts that could not be read"),
    ]
    told = "".join(f", {count} {what}" for count, what in parts if count)
    return (
        f"Wrote {summary.output}: {shares}. {counted(summary.tiles, 'tile')}{told}, "
        f"{summary.seconds:.0f} s."
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def _acquisition(job: Job, scene: "Scene", given: str | None) -> "Acquisition":
    from sarseg.scenes.acquisition import acquisition_of, parse_acquisition

    found = parse_acquisition(given) if given is not None else acquisition_of(job.files)
    if found is None:
        raise InputError(
            f"The name of {scene.name} does not say when it was taken, as --stac needs it: give "
            "--datetime, as in 2020-01-01 or 2020-01-01T05:43:21Z."
        )
    return found


def _check_qml(landcover: Path) -> None:
    from sarseg.vectors.layer_styles import check_raster_style

    check_raster_style(landcover)


def _write_qml(landcover: Path, *, overwrite: bool) -> str | None:
    from sarseg.scenes.landcover import read_legend
    from sarseg.scenes.opening import open_raster
    from sarseg.vectors.layer_styles import write_raster_style

    with open_raster(str(landcover)) as dataset:
        legend = read_legend(dataset)
    return write_raster_style(landcover, legend, overwrite=overwrite)


def _check_item(item: Path, scene: "Scene", *, overwrite: bool) -> None:
    from sarseg.scenes.output import check_output
    from sarseg.scenes.stac import check_placed

    check_output(item, overwrite=overwrite)
    check_placed(scene.georeference, scene.name)


def _write_item(
    item: Path, landcover: Path, acquisition: "Acquisition", *, overwrite: bool
) -> None:
    from sarseg.scenes.stac import write_item

    write_item(item, landcover, acquisition, overwrite=overwrite)
