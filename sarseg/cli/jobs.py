"""Commands that take one scene or several: which files become which output, and what became."""

import re
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sarseg.cli import console
from sarseg.cli.output_names import NameTemplate
from sarseg.errors import (
    INCOMPLETE,
    EmptySceneError,
    InputError,
    OutputError,
    SarsegError,
    UsageError,
)
from sarseg.scenes.collection import Files, scenes_in, scenes_matching
from sarseg.scenes.location import file_name, gdal_name, local_file, shown
from sarseg.wording import counted

if TYPE_CHECKING:
    from sarseg.scenes.reader import Scene

FilesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="With -o: the files of one scene. With --output-dir: scenes, each a file, a product, "
        "or files joined by commas; a folder of scenes; or a pattern in quotes, as in "
        "'in/**/*.tif'. Of folders and patterns, files whose names differ in the polarisation only "
        "make one scene. '-' reads them from stdin, one a line.",
    ),
]

_LISTED = 5
"""Names that a line has room for."""

_NOTE_LENGTH = 100
"""Characters, in the summary."""


@dataclass(frozen=True)
class Job:
    """The files of one scene, and what is to be written."""

    files: Files
    output: Path

    @property
    def name(self) -> str:
        """What the scene is called in sentences."""
        return " + ".join(map(file_name, self.files))


@dataclass(frozen=True)
class Done:
    """That a job was done: a short note on how, and whether parts had to be left out."""

    note: str
    incomplete: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a job; ``note`` is the error where it failed, or why there is nothing to make
    of its scene."""

    job: Job
    state: Literal["made", "incomplete", "skipped", "empty", "failed"]
    note: str
    exit_code: int = 0


def jobs_of(
    files: Sequence[str], output: Path | None, output_dir: Path | None, name: str
) -> list[Job]:
    """The files of one scene for ``output``, or a scene each for ``output_dir``.

    Outputs in ``output_dir`` are called as the template ``name`` says (``NameTemplate``). Folders
    and patterns are expanded for them; what is itself such an output is passed over, and told.

    Raises UsageError where the arguments make no sense, OutputError where there is no such folder
    or an input would be replaced, InputError where the only folder or pattern holds no scene.
    """
    given = _arguments(files)
    if output is not None and output_dir is None:
        return [Job(tuple(given), output)]
    if output_dir is None or output is not None:
        raise UsageError(
            "Give either -o (the files are one scene) or --output-dir (each is a scene)."
        )
    if not output_dir.is_dir():
        raise OutputError(f"The output folder {output_dir} does not exist: create it first.")
    template = NameTemplate(name)
    scenes = [scene for text in given for scene in _expanded(text, output_dir, len(given) == 1)]
    scenes = _without_outputs(scenes, given, output_dir, template)
    inputs = {place for scene in scenes for place in _places(scene)}
    jobs: dict[Path, Job] = {}
    for number, scene in enumerate(scenes, start=1):
        target = output_dir / template.name(scene[0], number, len(scenes))
        if target in jobs:
            raise UsageError(
                f"{shown(jobs[target].files[0])} and {shown(scene[0])} would both become {target}: "
                "tell them apart by {folder} or {number} in --name, or give them different folders."
            )
        if _place(target) in inputs:
            raise OutputError(
                f"The output {target} is also an input: give another --name or --output-dir."
            )
        jobs[target] = Job(scene, target)
    return list(jobs.values())


def scenes_named(files: Sequence[str]) -> list[Files]:
    """The scenes that arguments of a command name which takes many: each a file, a product, files
    joined by commas, a folder or a pattern; ``-`` stands for lines of stdin.

    Raises UsageError where none is named, InputError where a folder or pattern holds none.
    """
    return [scene for text in _arguments(files) for scene in _scenes_named(text, None)]


def work_through(
    jobs: Sequence[Job],
    work: Callable[[Job], Done],
    *,
    fatal: Callable[[Exception], bool],
    finished: Callable[[Job], Done | None] = lambda job: None,
) -> list[Outcome]:
    """Do ``work`` for each job that is not ``finished``; what fails is told and does not keep the
    others from being done.

    A scene without a valid pixel is no failure: it is told, and there is nothing to make. An error
    is raised instead where it is ``fatal``, as no other job would fare better, and where it comes
    of an interruption. Of a defect the traceback is printed.
    """
    outcomes = []
    for job in jobs:
        try:
            if there := finished(job):
                console.say(f"{job.output} is there already: skipped.")
                code = INCOMPLETE if there.incomplete else 0
                outcomes.append(Outcome(job, "skipped", there.note, code))
                continue
            done = work(job)
        except Exception as error:
            if fatal(error) or _interrupted(error):
                raise
            if isinstance(error, EmptySceneError):
                console.warn(str(error))
                outcomes.append(Outcome(job, "empty", str(error)))
            else:
                outcomes.append(_failed(job, error))
        else:
            state: Literal["made", "incomplete"] = "incomplete" if done.incomplete else "made"
            outcomes.append(Outcome(job, state, done.note, INCOMPLETE if done.incomplete else 0))
    return outcomes


def conclude(
    made: Mapping[str, Sequence[Mapping[str, Any]]], outcomes: Sequence[Outcome], *, as_json: bool
) -> None:
    """Print a summary of several jobs and, if wanted, the machine-readable result.

    The process leaves with the code of the first failure, or else says that a job is incomplete.
    """
    if len(outcomes) > 1:
        _print_summary(outcomes)
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    if as_json:
        console.emit(
            {
                **made,
                "skipped": [each.job.output for each in outcomes if each.state == "skipped"],
                "empty": [
                    {"scene": each.job.files, "note": each.note}
                    for each in outcomes
                    if each.state == "empty"
                ],
                "failed": [{"scene": each.job.files, "error": each.note} for each in failed],
            }
        )
    codes = [each.exit_code for each in failed or outcomes if each.exit_code]
    if codes:
        raise typer.Exit(codes[0])


def read_as(scene: "Scene") -> str:
    """What the scene's numbers are taken for, and its size, as the end of a sentence."""
    unit = f"{scene.unit} (guessed)" if scene.unit_guessed else scene.unit
    return f"read as {unit}, {scene.height} x {scene.width} pixels"


def _arguments(files: Sequence[str]) -> list[str]:
    """``files``, with the lines of stdin for ``-``."""
    given = [path for file in files for path in (_lines_of_stdin() if file == "-" else [file])]
    if not given:
        raise UsageError("No scene was named: stdin, which '-' stands for, held no paths.")
    return given


def _lines_of_stdin() -> list[str]:
    lines = (line.strip() for line in sys.stdin)
    return [line for line in lines if line and not line.startswith("#")]


def _expanded(text: str, output_dir: Path, alone: bool) -> list[Files]:
    """``_scenes_named``; what holds none is a scene that will fail where it does not stand
    ``alone``, so that the others are made."""
    try:
        return _scenes_named(text, output_dir)
    except InputError:
        if alone:
            raise
        return [(text,)]


def _scenes_named(text: str, output_dir: Path | None) -> list[Files]:
    """The scenes that an argument names; a folder of outputs among them is none."""
    if "," in text:
        names = tuple(part for part in text.split(",") if part)
        if not names:
            raise UsageError(f"'{text}' names no file: give a scene's files joined by commas.")
        return [names]
    name = gdal_name(text)
    if name.startswith("/vsi"):
        return [(text,)]
    if Path(name).is_dir():
        return scenes_in(Path(name), leave_out=output_dir)
    if re.search(r"[*?[]", name) and not Path(name).exists():
        return scenes_matching(name, leave_out=output_dir)
    return [(text,)]


def _without_outputs(
    scenes: Sequence[Files], given: Iterable[str], output_dir: Path, template: NameTemplate
) -> list[Files]:
    """``scenes`` but those that an earlier run made of the others, or of a folder as a whole."""
    folder = output_dir.resolve()
    inside = [scene for scene in scenes if any(each.parent == folder for each in _places(scene))]
    if not inside:
        return list(scenes)
    is_output = template.names_of([*given, *(scene[0] for scene in scenes)])
    outputs = {scene for scene in inside if is_output(file_name(scene[0]))}
    if len(outputs) == len(scenes):
        raise UsageError(
            f"All scenes that were named are called as outputs in {output_dir} are: give another "
            "--name or --output-dir."
        )
    if outputs:
        names = sorted(file_name(scene[0]) for scene in outputs)
        rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        console.say(f"Passed over as outputs: {', '.join(names[:_LISTED])}{rest}.")
    return [scene for scene in scenes if scene not in outputs]


def _places(scene: Files) -> list[Path]:
    return [_place(path) for path in map(local_file, scene) if path is not None]


def _place(path: Path) -> Path:
    """``path`` absolute, its folder without links; a link by itself stays."""
    return path.parent.resolve() / path.name


def _interrupted(error: BaseException | None) -> bool:
    """True where ``error`` is what a library made of an interruption."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _failed(job: Job, error: Exception) -> Outcome:
    if isinstance(error, SarsegError):
        told, code = str(error), error.exit_code
    else:
        traceback.print_exception(error)
        kind = type(error).__name__
        told, code = f"{job.name} failed by {kind}{f': {error}' if str(error) else ''}.", 1
    console.fail(told)
    return Outcome(job, "failed", told, code)


def _print_summary(outcomes: Sequence[Outcome]) -> None:
    rows = [("scene", "output", "state", "note")]
    names = _told_apart([each.job.files[0] for each in outcomes])
    for name, each in zip(names, outcomes, strict=True):
        others = len(each.job.files) - 1
        scene = f"{name} + {others} more" if others else name
        rows.append((scene, each.job.output.name, each.state, _note(each)))
    if console.stderr.is_terminal:
        _print_folded(rows)
    else:
        # in a log each scene stays on one line, for those who search it
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            console.say("  ".join(cells).rstrip())
    counts = Counter(each.state for each in outcomes)
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    console.say(f"{counted(len(outcomes), 'scene')}: {told}.")


def _told_apart(files: Sequence[str]) -> list[str]:
    """Names of ``files``, with as much of their folders as tells those of one name apart."""
    names = list(map(file_name, files))
    for depth in range(1, max(shown(file).count("/") for file in files) + 1):
        often = Counter(names)
        names = [
            "/".join([*shown(file).split("/")[:-1][-depth:], file_name(file)])
            if often[name] > 1
            else name
            for name, file in zip(names, files, strict=True)
        ]
    return names


def _print_folded(rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in rows[0]:
        table.add_column(heading, overflow="fold", no_wrap=heading == "state")
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    console.stderr.print(table)


def _note(outcome: Outcome) -> str:
    """The first sentence of an outcome's note, its files without their folders, or what there is
    room for; errors were told in full before."""
    text = " ".join(outcome.note.split())
    for file in outcome.job.files:
        text = text.replace(shown(file), file_name(file))
    sentence = re.split(r"\.\s", text, maxsplit=1)[0].removesuffix(".")
    return sentence if len(sentence) <= _NOTE_LENGTH else sentence[: _NOTE_LENGTH - 3] + "..."
