"""``sarseg train``: a dataset in, a model file out."""

from pathlib import Path
from typing import Annotated

import typer

from sarseg.cli import console
from sarseg.cli.filter_options import (
    AUTO,
    DespeckleOption,
    HighPassOption,
    LooksOption,
    LowPassOption,
    filter_chain,
)
from sarseg.cli.options import (
    BackboneWeightsOption,
    DeviceOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    assigned_settings,
)


def train(
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            metavar="DIR",
            help="Folder of chips from `sarseg tile`, or fusar or fusar2 (FUSAR-Map 1.0, 2.0).",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Model file to write.")
    ] = Path("model.safetensors"),
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder of FUSAR-Map; else SARSEG_DATA, else the cache folder.",
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            metavar="NAME",
            help="How SAM is adapted: cwsam, conv-lora, sam-adapter, lora and others; "
            "`sarseg parameters` lists all.",
        ),
    ] = "cwsam",
    decoder: Annotated[
        str,
        typer.Option(
            "--decoder",
            metavar="NAME",
            help="How classes are read out: classwise, mask-classification or box-prompted (one "
            "class, within boxes that `sarseg predict` is given).",
        ),
    ] = "classwise",
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the method, the decoder or the speckle filter, as in "
            "method.adapter_ratio=0.125, decoder.skip=false or despeckle.size=9. Repeatable; of "
            "two values for one name the last counts.",
        ),
    ] = None,
    foreground: Annotated[
        str | None,
        typer.Option(
            "--foreground",
            metavar="CLASS",
            help="Name or id of one class to map against all the others.",
        ),
    ] = None,
    backbone: Annotated[
        str,
        typer.Option("--backbone", metavar="NAME", help="vit_t (shipped), vit_b, vit_l or vit_h."),
    ] = "vit_t",
    backbone_weights: BackboneWeightsOption = None,
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", min=1)] = 20,
    batch_size: Annotated[int, typer.Option("--batch-size", metavar="N", min=1)] = 2,
    learning_rate: Annotated[float, typer.Option("--learning-rate", metavar="X", min=0.0)] = 2e-4,
    class_weights: Annotated[
        str,
        typer.Option(
            "--class-weights", metavar="NAME", help="none, frequency or published (FUSAR-Map)."
        ),
    ] = "none",
    despeckle: DespeckleOption = None,
    looks: LooksOption = AUTO,
    low_pass: LowPassOption = None,
    high_pass: HighPassOption = None,
    augment: Annotated[
        bool, typer.Option("--augment/--no-augment", help="Random flips and quarter turns.")
    ] = True,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Less memory for more time.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0)] = 0,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a model on chips and write the model file that `sarseg predict` takes.

    Example: sarseg train --dataset chips/ -o model.safetensors
    """
    from dataclasses import asdict

    from pydantic import ValidationError

    from sarseg.errors import UsageError
    from sarseg.training.run import train as run
    from sarseg.training.settings import TrainSettings

    console.set_quiet(quiet)
    assigned = assigned_settings(assignments or (), ["method", "decoder", "despeckle"])
    despeckle_settings = assigned.pop("despeckle_settings")
    said = (despeckle, low_pass, high_pass, *despeckle_settings)
    filters = None
    if looks != AUTO or any(each is not None for each in said):
        filters = filter_chain(despeckle or "lee", looks, despeckle_settings, low_pass, high_pass)
    try:
        settings = TrainSettings.model_validate(
            {
                "dataset": dataset,
                "data": data,
                "foreground": foreground,
                "method": method,
                "decoder": decoder,
                **assigned,
                "backbone": backbone,
                "backbone_weights": backbone_weights,
                "filters": filters,
                "epochs": epochs,
                "batch_size": batch_size,
                "learning_rate": learning_rate,
                "class_weights": class_weights,
                "augment": augment,
                "gradient_checkpointing": gradient_checkpointing,
                "seed": seed,
                "device": device,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"{option} {first['input']}: {first['msg']}.") from error
    with console.progress("training steps") as report:
        summary = run(settings, output, overwrite=overwrite, progress=report, warn=console.warn)
    _describe(summary.metrics, summary.best_epoch)
    console.say(
        f"{output}: {summary.method} and {summary.decoder} on {summary.backbone}, "
        f"{summary.trainable_parameters / 1e6:.2f} M of {summary.parameters / 1e6:.2f} M "
        f"parameters trained in {summary.seconds:.0f} s."
    )
    if as_json:
        console.emit(asdict(summary))


def _describe(metrics: dict[str, float], best_epoch: int) -> None:
    if not metrics:
        console.warn("no validation split could be measured on: the last epoch was kept.")
        return
    console.say(f"best epoch {best_epoch}, on the validation split:")
    for name, value in metrics.items():
        console.say(f"  {name:<24} {value:.3f}")
