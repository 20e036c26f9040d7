"""Commands that take one scene or several: which files become which output."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sarseg.cli import console
from sarseg.errors import OutputError, SarsegError, UsageError
from sarseg.scenes.location import shown, stem

if TYPE_CHECKING:
    from sarseg.scenes.reader import Scene

FilesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="With -o: the files of one scene. With --output-dir: one scene each, its files "
        "joined by commas. '-' reads them from stdin, one a line.",
    ),
]


@dataclass(frozen=True)
class Job:
    """The files of one scene, and what is to be written."""

    files: tuple[str, ...]
    output: Path


Failures = Sequence[tuple[Job, SarsegError]]


def jobs_of(
    files: Sequence[str], output: Path | None, output_dir: Path | None, ending: str
) -> list[Job]:
    """The files of one scene for ``output``, or a scene each for ``output_dir``.

    Outputs in ``output_dir`` are called after the scene's first file, and end in ``ending``.

    Raises UsageError where the arguments make no sense, OutputError where there is no such folder.
    """
    given = [path for file in files for path in (_paths_from_stdin() if file == "-" else [file])]
    if not given:
        raise UsageError("No scene was named: stdin, which '-' stands for, held no paths.")
    if output is not None and output_dir is None:
        return [Job(tuple(given), output)]
    if output_dir is None or output is not None:
        raise UsageError(
            "Give either -o (the files are one scene) or --output-dir (each is a scene)."
        )
    if not output_dir.is_dir():
        raise OutputError(f"The output folder {output_dir} does not exist: create it first.")
    jobs: dict[Path, Job] = {}
    for scene in given:
        names = tuple(part for part in scene.split(",") if part)
        if not names:
            raise UsageError(f"'{scene}' names no file: give a scene's files joined by commas.")
        target = output_dir / f"{stem(names[0])}{ending}"
        if target in jobs:
            raise UsageError(
                f"{shown(jobs[target].files[0])} and {shown(names[0])} would both become {target}: "
                "give them different folders."
            )
        jobs[target] = Job(names, target)
    return list(jobs.values())


def work_through(
    jobs: Sequence[Job], work: Callable[[Job], None], *, fatal: Callable[[SarsegError], bool]
) -> Failures:
    """Do ``work`` for each job; what fails is told and does not keep the others from being done.

    An error is raised instead where it is ``fatal``: no other job would fare better.
    """
    failures: list[tuple[Job, SarsegError]] = []
    for job in jobs:
        try:
            work(job)
        except SarsegError as error:
            if fatal(error):
                raise
            console.fail(str(error))
            failures.append((job, error))
    return failures


def conclude(
    made: Mapping[str, Sequence[Mapping[str, Any]]], failures: Failures, *, as_json: bool
) -> None:
    """Print the machine-readable result, if wanted, and leave with the first failure's code."""
    if as_json:
        failed = [{"scene": job.files, "error": str(error)} for job, error in failures]
        console.emit({**made, "failed": failed})
    if failures:
        raise typer.Exit(failures[0][1].exit_code)


def read_as(scene: "Scene") -> str:
    """What the scene's numbers are taken for, and its size, as the end of a sentence."""
    unit = f"{scene.unit} (guessed)" if scene.unit_guessed else scene.unit
    return f"read as {unit}, {scene.height} x {scene.width} pixels"


def _paths_from_stdin() -> list[str]:
    return [line.strip() for line in sys.stdin if line.strip()]
