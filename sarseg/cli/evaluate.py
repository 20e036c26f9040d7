"""``sarseg evaluate``: how well a map, or a model, agrees with labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sarseg.cli import console
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
    BackboneWeightsOption,
    DeviceOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
)
from sarseg.cli.scene_options import takes_reading
from sarseg.errors import UsageError
from sarseg.scenes.reading import DEFAULT, Reading

if TYPE_CHECKING:
    from sarseg.datasets.splits import SpatialBlocks

_MODEL_SUFFIX = ".safetensors"
_MODEL = "With a model"

Part = Literal["train", "validation", "test"]


@takes_reading
def evaluate(
    subject: Annotated[
        Path,
        typer.Argument(
            metavar="MAP|MODEL",
            help="A land-cover map, or a model (.safetensors) that maps the scene, or the dataset.",
        ),
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="SCENE", help="With a model: the file or files of one scene."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="REPORT.html", help="Write a page with figures and maps."
        ),
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(
            "--samples",
            metavar="POINTS",
            help="Reference samples, points with a class: gives areas with confidence intervals.",
        ),
    ] = None,
    samples_attribute: Annotated[
        str,
        typer.Option(
            "--samples-attribute", metavar="NAME", help="What holds a sample's class, id or name."
        ),
    ] = "class",
    tolerance: Annotated[
        int,
        typer.Option(
            "--tolerance", min=0, metavar="PX", help="How far boundaries may be off, for their F1."
        ),
    ] = 2,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            metavar="DIR|fusar|fusar2",
            help="Chips to judge the model by, instead of a scene and labels.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder of a published dataset.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    part: Annotated[
        Part | None,
        typer.Option(
            "--part",
            help="Which part of --dataset or --split counts.",
            show_default="test",
            rich_help_panel="Splits",
        ),
    ] = None,
    backbone_weights: BackboneWeightsOption = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes",
            metavar="FILE",
            help="Vector file that says where a box-prompted model has to look.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    boxes_from: Annotated[
        Path | None,
        typer.Option(
            "--boxes-from",
            metavar="MAP",
            help="Earlier map that says so.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    scaling: Annotated[
        Literal["model", "scene"],
        typer.Option(
            help="Scale by the statistics of the training set, or by the scene's own.",
            rich_help_panel=_MODEL,
        ),
    ] = "model",
    overlap: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="PX",
            help="Overlap of tiles, up to 7/8 of a tile.",
            show_default="a quarter",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    batch_size: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Tiles, or chips, segmented at once.",
            rich_help_panel=_MODEL,
        ),
    ] = 4,
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
    overwrite: OverwriteOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    reading: Reading = DEFAULT,
) -> None:
    """Judge a land-cover map, or a model on a scene or a dataset, by labels.

    Figures go to the terminal, to JSON, and to a page that needs nothing else.
    """
    from sarseg.cli.evaluate_text import print_evaluation
    from sarseg.evaluation.judging import Judging, Outcome, evaluate_map
    from sarseg.evaluation.page.builder import write_page
    from sarseg.evaluation.reference import JudgedPart, ReferenceFiles
    from sarseg.scenes.output import check_output

    console.set_quiet(quiet)
    scene_files = files or []
    is_model = subject.suffix.lower() == _MODEL_SUFFIX
    _check_combination(
        is_model=is_model,
        of_scene=bool(scene_files) or reading != DEFAULT,
        dataset=dataset is not None,
        labelled=labels is not None or samples is not None or split is not None,
        part=part is not None and split is None,
    )
    blocks = _blocks(split, block_size, guard, shares, split_seed)
    if output is not None:
        named = (subject, labels, samples, classes, *map(Path, scene_files))
        check_output(output, overwrite=overwrite, inputs=[path for path in named if path])

    def judging() -> Judging:
        judged = None
        if split is not None:
            judged = JudgedPart(part or "test", split, split_attribute, blocks)
        reference = None
        if labels is not None:
            ignored = tuple(ignored_values(ignore))
            reference = ReferenceFiles(labels, ignored, classes, label_attribute, judged)
        return Judging(reference, samples, samples_attribute, tolerance, output is not None)

    def of_map() -> Outcome:
        with console.progress("Rows") as report:
            return evaluate_map(subject, judging(), progress=report)

    def of_scene() -> Outcome:
        from sarseg.cli.jobs import read_as
        from sarseg.evaluation.judging import evaluate_scene
        from sarseg.model.device import choose_device
        from sarseg.model.file import load_model
        from sarseg.prediction.boxes import FeatureBoxes, MapBoxes
        from sarseg.prediction.settings import PredictSettings
        from sarseg.scenes.reader import Scene

        wanted = judging()
        prompts = FeatureBoxes(boxes) if boxes else MapBoxes(boxes_from) if boxes_from else None
        place = choose_device(device)
        with Scene.open(scene_files, reading) as scene:
            model = load_model(subject, backbone_weights=backbone_weights, device=place)
            console.say(f"{scene.name}: {read_as(scene)}.")
            with console.progress("Tiles") as report:
                return evaluate_scene(
                    scene,
                    scene_files,
                    model,
                    subject,
                    wanted,
                    PredictSettings(overlap=overlap, batch_size=batch_size, scaling=scaling),
                    boxes=prompts,
                    progress=report,
                )

    def of_dataset(name: str) -> Outcome:
        from sarseg.evaluation.chips import evaluate_chips, open_as_trained
        from sarseg.model.device import choose_device
        from sarseg.model.file import load_model, read_card

        source = open_as_trained(name, data, read_card(subject))
        place = choose_device(device)
        model = load_model(subject, backbone_weights=backbone_weights, device=place)
        with console.progress("Chips") as report:
            return evaluate_chips(
                model,
                subject,
                source,
                part or "test",
                tolerance=tolerance,
                batch_size=batch_size,
                progress=report,
            )

    if dataset is not None:
        outcome = of_dataset(dataset)
    elif is_model:
        outcome = of_scene()
    else:
        outcome = of_map()
    evaluation = outcome.evaluation
    for warning in evaluation.warnings:
        console.warn(warning)
    for note in evaluation.notes:
        console.say(note)
    print_evaluation(evaluation)
    if output is not None:
        write_page(output, evaluation, outcome.pictures)
        console.say(f"Wrote {output}.")
    if as_json:
        page = None if output is None else str(output)
        console.emit({**evaluation.model_dump(mode="json"), "page": page})


def _check_combination(
    *, is_model: bool, of_scene: bool, dataset: bool, labelled: bool, part: bool
) -> None:
    """Raise UsageError where what was given does not go together."""
    if not is_model and (of_scene or dataset):
        raise UsageError(
            "A scene, its options and --dataset are for a model (.safetensors); a map needs "
            "--labels or --samples alone."
        )
    if dataset and (of_scene or labelled):
        raise UsageError(
            "--dataset brings its own chips and labels: leave the scene, its options, --labels, "
            "--samples and --split out."
        )
    if is_model and not dataset and not of_scene:
        raise UsageError(
            "A model needs something to map: give the files of a scene and --labels, or --dataset."
        )
    if part and not dataset:
        raise UsageError("--part is a part of --dataset or of --split: give one of them.")


def _blocks(
    split: str | None,
    size: int | None,
    guard: int | None,
    shares: str | None,
    seed: int | None,
) -> "SpatialBlocks":
    """The blocks of ``--split blocks``, whose size no chip tells here."""
    from sarseg.datasets.splits import BLOCKS

    if split == BLOCKS and size is None:
        raise UsageError(
            "--split blocks needs the --block-size that the scene was tiled with (if none was "
            "given then, twice the --size)."
        )
    return spatial_blocks(split, 1, block_size=size, guard=guard, shares=shares, seed=seed)
