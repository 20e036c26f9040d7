"""What `sarseg despeckle` and `sarseg filter` do alike: scenes in, filtered scenes out."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sarseg.cli import console
from sarseg.cli.jobs import Done, Job, conclude, read_as, work_through
from sarseg.errors import UsageError
from sarseg.scenes.geotiff import check_geotiff
from sarseg.scenes.reading import Reading

if TYPE_CHECKING:
    from sarseg.filters.rewrite import RewriteSummary, SceneFilter
    from sarseg.scenes.reader import Scene


def device_for_filters(name: str) -> str:
    """The torch device called ``name``. Raises UsageError for one that is not there."""
    if name == "cpu":
        return name  # without waiting for torch
    from sarseg.model.device import choose_device

    return choose_device(name)


def rewrite_each(
    jobs: Sequence[Job],
    reading: Reading,
    step_for: "Callable[[Scene], SceneFilter]",
    *,
    device: str,
    to_folder: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Filter each scene by itself with what ``step_for`` it says, tell it, and conclude.

    Of scenes ``to_folder``, one that fails does not keep the others from being done, and those that
    are there are skipped unless ``overwrite``.
    """
    from sarseg.filters.rewrite import rewrite
    from sarseg.scenes.reader import Scene

    made: list[dict[str, Any]] = []

    def filter_scene(job: Job) -> Done:
        with Scene.open(job.files, reading) as scene:
            check_geotiff(job.output, "scene", overwrite=overwrite, inputs=scene.files)
            tell_what_was_read(scene)
            step = step_for(scene)
            with console.progress("Windows") as report:
                summary = rewrite(
                    scene, step, job.output, device=device, overwrite=overwrite, progress=report
                )
            made.append(result(job, scene, summary, step.model_dump()))
        tell_what_was_written(summary)
        return done(summary)

    outcomes = work_through(
        jobs,
        filter_scene,
        fatal=lambda error: not to_folder or isinstance(error, UsageError),
        finished=lambda job: (
            Done("was there already")
            if to_folder and not overwrite and job.output.is_file()
            else None
        ),
    )
    conclude({"scenes": made}, outcomes, as_json=as_json)


def tell_what_was_read(scene: "Scene") -> None:
    """Say which bands there are, what their numbers are taken for, and what is in doubt."""
    console.say(f"{scene.name}: {' + '.join(scene.bands)}, {read_as(scene)}.")
    for doubt in scene.doubts:
        console.warn(doubt)


def tell_what_was_written(summary: "RewriteSummary") -> None:
    """Say which file is there now."""
    pixels = summary.shape[0] * summary.shape[1] / 1e6
    console.say(
        f"Wrote {summary.output}: {summary.unit}, {summary.valid:.1%} of the backscatter valid, "
        f"{pixels:.1f} Mpixel, {summary.seconds:.1f} s."
    )


def done(summary: "RewriteSummary") -> Done:
    """What became of a scene, for the summary of several."""
    return Done(f"{summary.valid:.1%} valid, {summary.seconds:.1f} s")


def result(
    job: Job, scene: "Scene", summary: "RewriteSummary", settings: dict[str, Any]
) -> dict[str, Any]:
    """What became of a scene, for machines."""
    return {
        "scene": job.files,
        **asdict(summary),
        "unit_guessed": scene.unit_guessed,
        "filter": settings,
    }
