"""``sarseg filter``: scenes in, scenes of some spatial frequencies out."""

from pathlib import Path
from typing import Annotated

import typer

from sarseg.cli import console
from sarseg.cli.filter_options import HighPassOption, LowPassOption
from sarseg.cli.jobs import FilesArgument, jobs_of
from sarseg.cli.options import DeviceOption, JsonOption, OverwriteOption, QuietOption
from sarseg.cli.output_names import NameOption
from sarseg.cli.rewriting import device_for_filters, rewrite_each
from sarseg.cli.scene_options import takes_reading
from sarseg.errors import UsageError
from sarseg.scenes.reading import DEFAULT, Reading


@takes_reading
def filter_scenes(
    files: FilesArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.tif", help="Of one scene.")
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            metavar="DIR",
            help="Folder for one file a scene; those that are there are skipped.",
        ),
    ] = None,
    name: NameOption = "{stem}_filtered.tif",
    low_pass: LowPassOption = None,
    high_pass: HighPassOption = None,
    device: DeviceOption = "cpu",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    reading: Reading = DEFAULT,
) -> None:
    """Filter scenes by spatial frequency: low-pass, high-pass or, with both, band-pass.

    A low-pass averages intensity. A high-pass or band-pass gives the intensity relative to its
    surroundings, about 1 (0 dB).
    """
    from sarseg.filters.choice import frequency_filter

    console.set_quiet(quiet)
    jobs = jobs_of(files, output, output_dir, name)
    step = frequency_filter(low_pass, high_pass)
    if step is None:
        raise UsageError("Give --low-pass, --high-pass, or both for a band-pass.")
    rewrite_each(
        jobs,
        reading,
        lambda scene: step,
        device=device_for_filters(device),
        to_folder=output_dir is not None,
        overwrite=overwrite,
        as_json=as_json,
    )
