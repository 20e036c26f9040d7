"""``sarseg despeckle``: speckled scenes in, smooth ones out."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sarseg.cli import console
from sarseg.cli.filter_options import LooksOption
from sarseg.cli.jobs import FilesArgument, Job, Outcome, conclude, jobs_of
from sarseg.cli.options import (
    DeviceOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    plain_settings,
)
from sarseg.cli.output_names import NameOption
from sarseg.cli.rewriting import (
    device_for_filters,
    done,
    result,
    rewrite_each,
    tell_what_was_read,
    tell_what_was_written,
)
from sarseg.cli.scene_options import takes_reading
from sarseg.errors import UsageError
from sarseg.filters.names import AUTO, NO_FILTER
from sarseg.scenes.reading import DEFAULT, Reading

if TYPE_CHECKING:
    from sarseg.filters.despeckle import Despeckle
    from sarseg.filters.despeckle.multitemporal import Quegan
    from sarseg.scenes.reader import Scene

HARDLY_SPECKLED = 50.0
"""Looks from which on speckle makes up less than 0.6 dB."""

MULTITEMPORAL = "quegan"
"""The filter that takes all scenes at once."""


@takes_reading
def despeckle(
    files: FilesArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.tif", help="Of one scene.")
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            metavar="DIR",
            help="Folder for one file a scene; those that are there are skipped, unless quegan "
            "makes all at once.",
        ),
    ] = None,
    name: NameOption = "{stem}_despeckled.tif",
    filter_name: Annotated[
        str,
        typer.Option(
            "--filter",
            metavar="NAME",
            help="lee, kuan, enhanced-lee, gamma-map, frost, enhanced-frost, refined-lee or "
            "non-local-means; or quegan, for several dates of one place, with --output-dir.",
        ),
    ] = "refined-lee",
    size: Annotated[
        int | None,
        typer.Option(
            "--size", metavar="PX", help="Side of the filter's window, odd; else the filter's own."
        ),
    ] = None,
    looks: LooksOption = AUTO,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Another setting of the filter, as in damping=2. Repeatable.",
        ),
    ] = None,
    device: DeviceOption = "cpu",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    reading: Reading = DEFAULT,
) -> None:
    """Remove speckle from scenes; the numbers keep their unit.

    Example: sarseg despeckle scene.tif -o smooth.tif
    """
    from sarseg.filters.choice import multitemporal_filter, speckle_filter

    console.set_quiet(quiet)
    jobs = jobs_of(files, output, output_dir, name)
    settings = plain_settings(assignments or ())
    if size is not None:
        settings["size"] = size
    if filter_name == MULTITEMPORAL:
        chosen = multitemporal_filter(looks, settings)
        if len(jobs) == 1:
            raise UsageError(
                "The quegan filter averages over dates: give two scenes or more of one place, with "
                "--output-dir."
            )
        place = device_for_filters(device)
        _despeckle_stack(jobs, reading, chosen, device=place, overwrite=overwrite, as_json=as_json)
        return
    step = speckle_filter(filter_name, looks, settings)
    if step is None:
        raise UsageError(f"--filter {NO_FILTER} would leave the scene as it is: name a filter.")
    rewrite_each(
        jobs,
        reading,
        lambda scene: _with_looks(step, scene),
        device=device_for_filters(device),
        to_folder=output_dir is not None,
        overwrite=overwrite,
        as_json=as_json,
    )


def _with_looks(step: "Despeckle", scene: "Scene") -> "Despeckle":
    """``step`` for the number of looks of ``scene``, estimated where nobody said it."""
    if step.looks is not None:
        return step
    from sarseg.filters.looks import scene_looks

    looks = scene_looks(scene)
    console.say(f"Equivalent number of looks, estimated from the scene: {looks:.1f}.")
    if looks > HARDLY_SPECKLED:
        console.warn(
            "hardly any speckle is left in this scene, as in overviews and averaged products: the "
            "filter will change little. Another number is given by --looks."
        )
    return step.with_looks(looks)


def _despeckle_stack(
    jobs: Sequence[Job],
    reading: Reading,
    step: "Quegan",
    *,
    device: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    from sarseg.filters.rewrite import rewrite_stack
    from sarseg.scenes.reader import Scene

    with ExitStack() as opened:
        scenes = [opened.enter_context(Scene.open(job.files, reading)) for job in jobs]
        for scene in scenes:
            tell_what_was_read(scene)
        with console.progress("Windows") as report:
            summaries = rewrite_stack(
                scenes,
                step,
                [job.output for job in jobs],
                device=device,
                overwrite=overwrite,
                progress=report,
            )
    made: list[dict[str, Any]] = []
    outcomes = []
    for job, scene, summary in zip(jobs, scenes, summaries, strict=True):
        tell_what_was_written(summary)
        made.append(result(job, scene, summary, step.model_dump()))
        outcomes.append(Outcome(job, "made", done(summary).note))
    conclude({"scenes": made}, outcomes, as_json=as_json)
