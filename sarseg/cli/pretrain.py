"""``sarseg pretrain``: scenes without labels in, a backbone out."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from sarseg.cli import console
from sarseg.cli.jobs import scenes_named
from sarseg.cli.options import DeviceOption, JsonOption, OverwriteOption, QuietOption
from sarseg.cli.output_names import check_suffix
from sarseg.cli.scene_options import takes_reading
from sarseg.scenes.reading import DEFAULT, Reading
from sarseg.wording import counted


@takes_reading
def pretrain(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENE",
            help="Scenes, each a file, a product, or files joined by commas; folders of scenes; "
            "patterns in quotes, as in 'in/**/*.tif'. '-' reads them from stdin, one a line.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Backbone to write, for --backbone-weights of `sarseg train`.",
        ),
    ],
    init: Annotated[
        Literal["embedded", "released", "random"] | None,
        typer.Option(
            "--init",
            help="Weights to start from: embedded (vit_t; its default), released (Meta's; the "
            "default of the others) or random.",
        ),
    ] = None,
    backbone: Annotated[
        str, typer.Option("--backbone", metavar="NAME", help="vit_t, vit_b, vit_l or vit_h.")
    ] = "vit_t",
    backbone_weights: Annotated[
        Path | None,
        typer.Option("--backbone-weights", metavar="FILE", help="A file of weights to start from."),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", min=1, metavar="N", help="Steps of the optimiser.")
    ] = 2000,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, metavar="N", help="Windows of a step.")
    ] = 8,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", metavar="X", help="Of AdamW, at its highest.")
    ] = 2e-4,
    size: Annotated[
        int,
        typer.Option("--size", metavar="PX", help="Side of a window; a multiple of 16."),
    ] = 224,
    seed: Annotated[
        int, typer.Option("--seed", min=0, metavar="N", help="Of all that is random.")
    ] = 0,
    device: DeviceOption = "auto",
    precision: Annotated[
        Literal["auto", "32", "bf16"],
        typer.Option(help="32 or bf16; auto: bf16 where a GPU has it."),
    ] = "auto",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    reading: Reading = DEFAULT,
) -> None:
    """Train a backbone on scenes without labels, to fill in what is hidden of them.

    Of each window half is hidden, and the mean intensity there is to be told from the rest. The
    result is what `sarseg train --backbone-weights` starts from.

    Example: sarseg pretrain scenes/ -o backbone.safetensors
    """
    console.set_quiet(quiet)
    check_suffix(output, (".safetensors",), "backbone.safetensors")
    scenes = scenes_named(files)

    from sarseg.model.device import choose_device
    from sarseg.pretraining.pretrain import PretrainSettings
    from sarseg.pretraining.pretrain import pretrain as run

    settings = PretrainSettings(
        backbone=backbone,
        init=init,
        backbone_weights=backbone_weights,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        size=size,
        seed=seed,
        precision=precision,
    )
    with console.progress("steps") as report:
        summary = run(
            scenes,
            output,
            settings,
            reading=reading,
            device=choose_device(device),
            overwrite=overwrite,
            progress=report,
            warn=console.warn,
        )
    losses = summary.losses
    console.say(
        f"Loss of what is hidden in {counted(summary.held_out, 'window')} held out: "
        f"{losses.before:.3f} before, {losses.after:.3f} after; of the mean of what is "
        f"seen of each window {losses.constant:.3f}."
    )
    if losses.after >= losses.constant:
        console.warn(
            "The network tells what is hidden no better than the mean of what is seen of each "
            "window does: give it more --steps or more scenes."
        )
    console.say(
        f"Wrote {output}: {summary.backbone}, trained on {counted(summary.windows, 'window')} of "
        f"{counted(summary.scenes, 'scene')} ({', '.join(summary.bands)}) in "
        f"{summary.seconds:.0f} s."
    )
    if as_json:
        console.emit(asdict(summary))
