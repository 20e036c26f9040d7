"""``sarseg train``: a dataset in, a model file out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sarseg.cli import console
from sarseg.cli.filter_options import DespeckleOption, HighPassOption, LowPassOption
from sarseg.cli.options import JsonOption, OverwriteOption, QuietOption, plain_settings
from sarseg.errors import UsageError

if TYPE_CHECKING:
    from sarseg.training.run import DryRunSummary, TrainingSummary

MODEL, TRAINING, DATA, RUN = "Model", "Training", "Data", "Run"


def train(
    context: typer.Context,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            metavar="DIR",
            help="Folder of chips from `sarseg tile`, of images and masks, or fusar or fusar2 "
            "(FUSAR-Map 1.0, 2.0).",
            rich_help_panel=DATA,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Model file to write.")
    ] = Path("model.safetensors"),
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="YAML", help="File of options, by their names; see --print-config."
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="Published settings: cwsam-fusar, cwsam-fusar2, conv-lora or sam-adapter.",
        ),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the effective options and do nothing.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check data and labels, train one step, tell memory; write nothing."
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run that was stopped, from where it was."),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder of FUSAR-Map; else SARSEG_DATA, else the cache folder.",
            rich_help_panel=DATA,
        ),
    ] = None,
    foreground: Annotated[
        str | None,
        typer.Option(
            "--foreground",
            metavar="CLASS",
            help="Name or id of one class to map against all the others.",
            rich_help_panel=DATA,
        ),
    ] = None,
    label_share: Annotated[
        float | None,
        typer.Option(
            "--label-share",
            metavar="X",
            help="Train on this share of each class's labels, 0 to 1, in small cells drawn by "
            "--seed (default 1).",
            rich_help_panel=DATA,
        ),
    ] = None,
    despeckle: DespeckleOption = None,
    looks: Annotated[
        str | None,
        typer.Option(
            "--looks",
            metavar="X",
            help="Equivalent number of looks, for the speckle filter; auto: estimated.",
        ),
    ] = None,
    low_pass: LowPassOption = None,
    high_pass: HighPassOption = None,
    augment: Annotated[
        bool | None,
        typer.Option(
            "--augment/--no-augment",
            help="Random changes of chips: flips and turns, and what --set augment.… adds: zoom, "
            "speckle_looks, shift_db, band_dropout.",
            rich_help_panel=DATA,
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="How SAM is adapted: cwsam, conv-lora, sam-adapter, lora and others; "
            "`sarseg parameters` lists all (default cwsam).",
            rich_help_panel=MODEL,
        ),
    ] = None,
    decoder: Annotated[
        str | None,
        typer.Option(
            "--decoder",
            metavar="NAME",
            help="How classes are read out: classwise, mask-classification or box-prompted (one "
            "class, within boxes that `sarseg predict` is given) (default classwise).",
            rich_help_panel=MODEL,
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone",
            metavar="NAME",
            help="vit_t (shipped), vit_b, vit_l or vit_h (default vit_t).",
            rich_help_panel=MODEL,
        ),
    ] = None,
    backbone_weights: Annotated[
        Path | None,
        typer.Option(
            "--backbone-weights",
            metavar="FILE",
            help="Weights to start from: Meta's SAM checkpoint, for vit_b, vit_l or vit_h, or what "
            "`sarseg pretrain` wrote.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            "--init",
            metavar="NAME",
            help="Weights to start from: embedded (vit_t; its default), released (Meta's; the "
            "default of the others) or random (with --method full).",
            rich_help_panel=MODEL,
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of a part, as in method.adapter_ratio=0.125, decoder.skip=false, "
            "loss.gamma=2, despeckle.size=9 or augment.zoom=1.5. Repeatable; of two values for one "
            "name the last counts.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            "--loss",
            metavar="NAME",
            help="cross-entropy, focal, dice, lovasz, ce-dice; of two classes also structure and "
            "bce-iou. Else the decoder's own.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    class_weights: Annotated[
        str | None,
        typer.Option(
            "--class-weights",
            metavar="NAME",
            help="none (default), frequency, published (FUSAR-Map) or a number a class: 1,0.5,2.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            metavar="N",
            help="How often each chip is shown (default 20).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            metavar="N",
            help="Chips that each process shows the model at once (default 2).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    accumulate: Annotated[
        int | None,
        typer.Option(
            "--accumulate",
            metavar="N",
            help="Batches that make a step (default 1).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate",
            metavar="X",
            help="Of AdamW, at its highest (default 2e-4).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    final_learning_rate: Annotated[
        float | None,
        typer.Option(
            "--final-learning-rate",
            metavar="X",
            help="Where the schedule ends (default 1e-7).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            "--schedule",
            metavar="NAME",
            help="cosine, poly or constant (default cosine).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    warmup: Annotated[
        int | None,
        typer.Option(
            "--warmup",
            metavar="STEPS",
            help="Steps in which the learning rate rises (default 0).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(
            "--weight-decay", metavar="X", help="Of AdamW (default 0.01).", rich_help_panel=TRAINING
        ),
    ] = None,
    clip: Annotated[
        float | None,
        typer.Option(
            "--clip",
            metavar="NORM",
            help="Largest norm of the gradient.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    ema: Annotated[
        float | None,
        typer.Option(
            "--ema",
            metavar="DECAY",
            help="Keep a moving average of the weights, as in 0.999.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            "--patience",
            metavar="EPOCHS",
            help="Stop after so many epochs without a better validation score.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="N",
            help="Of all that is random (default 0).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="NAME",
            help="auto, cpu or cuda (default auto).",
            rich_help_panel=RUN,
        ),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            "--devices",
            metavar="N",
            help="GPUs, or processes on the CPU, that train together (default 1); or use torchrun.",
            rich_help_panel=RUN,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            help="Processes that prepare chips for each that trains (default 0).",
            rich_help_panel=RUN,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            metavar="NAME",
            help="32, bf16 or 16 (GPUs); auto: bf16 where a GPU has it (default auto).",
            rich_help_panel=RUN,
        ),
    ] = None,
    gradient_checkpointing: Annotated[
        bool | None,
        typer.Option(
            "--gradient-checkpointing",
            help="Less memory for more time.",
            rich_help_panel=RUN,
        ),
    ] = None,
    compiled: Annotated[
        bool | None,
        typer.Option("--compile", help="Compile the encoder (slow start).", rich_help_panel=RUN),
    ] = None,
    save_minutes: Annotated[
        float | None,
        typer.Option(
            "--save-minutes",
            metavar="X",
            help="Between two writes of what --resume goes on from (default 5).",
            rich_help_panel=RUN,
        ),
    ] = None,
    logger: Annotated[
        str | None,
        typer.Option(
            "--logger",
            metavar="NAMES",
            help="tensorboard,csv (both by default), wandb, mlflow, or none.",
            rich_help_panel=RUN,
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a model on chips and write the model file that `sarseg predict` takes.

    Options come from --preset, then --config, then the command line; the rest has defaults.

    Logs, and what --resume needs, lie beside the model, in model.run for model.safetensors.

    Example: sarseg train --dataset chips/ -o model.safetensors
    """
    from dataclasses import asdict

    from sarseg.training.config import as_yaml, effective_settings
    from sarseg.training.processes import processes
    from sarseg.training.run import dry_run as run_one_step
    from sarseg.training.run import train as run
    from sarseg.training.settings import TrainSettings

    names = {"compiled": "compile", "assignments": "set"}
    given = {names.get(name, name): value for name, value in context.params.items()}
    given = {
        name: value
        for name, value in given.items()
        if name in TrainSettings.model_fields and value not in (None, [], ())
    }
    if assignments:
        given["set"] = plain_settings(assignments, "method.adapter_ratio=0.125")
    settings = effective_settings(given, config=config, preset=preset)
    if print_config:
        print(as_yaml(settings), end="")
        return
    if dry_run and resume:
        raise UsageError("Give either --dry-run or --resume, not both.")
    first = processes(settings.devices).first
    console.set_quiet(quiet or not first)
    if dry_run:
        tried = run_one_step(settings, output, overwrite=overwrite, warn=console.warn)
        _describe_step(tried)
        if as_json and first:
            console.emit(asdict(tried))
        return
    with console.progress("steps") as report:
        summary = run(
            settings,
            output,
            overwrite=overwrite,
            resume=resume,
            progress=report if first else None,
            warn=console.warn,
        )
    if summary is None:  # another process tells
        return
    _describe(summary)
    if as_json:
        console.emit(asdict(summary))


def _describe(summary: "TrainingSummary") -> None:
    if summary.metrics:
        console.say(f"best epoch {summary.best_epoch}, on the validation split:")
        for name, value in summary.metrics.items():
            console.say(f"  {name:<24} {value:.3f}")
    else:
        console.warn("no validation split could be measured on: the last epoch was kept.")
    console.say(
        f"{summary.output}: {summary.method} and {summary.decoder} on {summary.backbone}, "
        f"{_parameters(summary)} trained in {summary.seconds:.0f} s, "
        f"{summary.peak_memory / 1e9:.1f} GB."
    )


def _describe_step(tried: "DryRunSummary") -> None:
    pixels = sum(tried.class_pixels.values())
    console.say("labelled training pixels, those that chips share counted in each:")
    for name, count in tried.class_pixels.items():
        console.say(f"  {name:<24} {count:>14,} {count / pixels:7.2%}")
    chips = ", ".join(f"{count} {split}" for split, count in tried.chips.items())
    console.say(f"chips: {chips}")
    console.say(
        f"{tried.method} and {tried.decoder} on {tried.backbone}: {_parameters(tried)} would "
        f"train for {tried.steps} steps. One step: loss {tried.loss:.3f}, "
        f"{tried.step_seconds:.1f} s, {tried.peak_memory / 1e9:.1f} GB. Nothing was written."
    )


def _parameters(summary: "TrainingSummary | DryRunSummary") -> str:
    return (
        f"{summary.trainable_parameters / 1e6:.2f} M of {summary.parameters / 1e6:.2f} M parameters"
    )
