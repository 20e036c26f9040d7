"""``sarseg compare``: methods and baselines under the same data, budget and seeds."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sarseg.cli import console
from sarseg.cli.label_options import (
    ClassesOption,
    IgnoreOption,
    LabelsOption,
    SplitOption,
    ignored_values,
)
from sarseg.cli.options import JsonOption, OverwriteOption, QuietOption

if TYPE_CHECKING:
    from sarseg.comparison.compare import Planned

_DATA = "Data, where the configuration leaves them open"


def compare(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG",
            help="A YAML file, or a comparison that comes with sarseg: adapter-ratio, "
            "conv-lora-gate, cwsam-ablation, fusar, fusar2 or label-share.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder for results.json, results.md, plots, and what finished trials gave.",
        ),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="RUN", help="This run alone, by its name. Repeatable."),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="List the trials and which are done, and end.")
    ] = False,
    markdown: Annotated[
        Path | None,
        typer.Option(
            "--markdown", metavar="FILE.md", help="Write the page here too, plots beside it."
        ),
    ] = None,
    scene: Annotated[
        list[str] | None,
        typer.Option(
            "--scene",
            metavar="FILE",
            help="A file of the one scene, with --labels and --split. Repeatable.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", help="Rows, and columns, of a chip.", rich_help_panel=_DATA),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            "--overlap", help="Pixels that neighbouring chips share.", rich_help_panel=_DATA
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            metavar="DIR|fusar|fusar2",
            help="Chips, instead of a scene.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder of a published dataset.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    labels: LabelsOption = None,
    classes: ClassesOption = None,
    ignore: IgnoreOption = None,
    split: SplitOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train several methods and baselines alike, and write one table of what came out.

    Each run with each seed is a trial in a process of its own. Finished trials are kept in the
    output folder: the same command goes on where it was stopped, and a changed configuration runs
    what is changed. --overwrite is about --markdown alone.

    Example: sarseg compare label-share --scene scene.tif --labels labels.tif --split split.tif -o
    compared/
    """
    from sarseg.comparison.compare import compare as run
    from sarseg.comparison.compare import plan_comparison, write_results
    from sarseg.comparison.config import load_comparison
    from sarseg.comparison.plots import check_plots, plot_files
    from sarseg.scenes.output import check_output

    console.set_quiet(quiet)
    given: dict[str, Any] = {
        "scene": scene,
        "labels": labels,
        "classes": classes,
        "ignore": ignored_values(ignore),
        "split": split,
        "size": size,
        "overlap": overlap,
        "dataset": dataset,
        "data": data,
    }
    comparison = load_comparison(
        config, {name: value for name, value in given.items() if value not in (None, [])}
    )
    check_plots()
    if markdown is not None:
        beside = plot_files(comparison.varied, markdown.parent, _prefix(markdown))
        for path in (markdown, *beside):
            check_output(path, overwrite=overwrite, inputs=[Path(config)])
    planned = plan_comparison(comparison, output, only or ())
    if plan:
        _list(planned)
        if as_json:
            console.emit(_listed(planned))
        return
    results, failures = run(
        planned,
        command=shlex.join(["sarseg", *sys.argv[1:]]),
        watch=console.progress,
        tell=console.say,
        warn=console.warn,
    )
    if markdown is not None:
        write_results(results, markdown, prefix=_prefix(markdown))
        console.say(f"Wrote {markdown}.")
    console.say(f"Wrote {output / 'results.md'}.")
    if as_json:
        console.emit(json.loads(results.model_dump_json()))  # which has null, and not NaN
    if failures:
        raise typer.Exit(failures[0].exit_code)


def _prefix(markdown: Path) -> str:
    """What the names of the plots beside a page begin with."""
    return f"{markdown.stem}_"


def _list(planned: "Planned") -> None:
    wanted = planned.wanted
    for trial in wanted:
        console.say(f"{'done' if trial.label in planned.done else 'open'}  {trial.label}")
    done = sum(trial.label in planned.done for trial in wanted)
    console.say(f"{done} of {len(wanted)} trials are done. Nothing was written.")


def _listed(planned: "Planned") -> dict[str, Any]:
    return {
        "trials": [
            {
                "run": trial.run,
                "value": trial.value,
                "seed": trial.seed,
                "done": trial.label in planned.done,
            }
            for trial in planned.wanted
        ]
    }
