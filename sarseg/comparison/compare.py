"""All trials of a comparison, one after the other, and what comes out of them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from sarseg.assessment.confusion import scores
from sarseg.comparison.config import Comparison, DatasetData
from sarseg.comparison.data import chips_of, cut_chips, data_digest
from sarseg.comparison.markdown import as_markdown
from sarseg.comparison.plots import draw
from sarseg.comparison.process import Failure, in_own_process
from sarseg.comparison.record import TrialRecord, read_record
from sarseg.comparison.results import Results, check_groups, collect
from sarseg.comparison.trial import Place
from sarseg.comparison.trials import Trial, trials_of
from sarseg.datasets.foreground import OneAgainstRest
from sarseg.datasets.source import ChipSource, open_dataset
from sarseg.errors import OutputError, UsageError
from sarseg.registry import unknown_name
from sarseg.scenes.output import replacing
from sarseg.wording import counted

RESULTS = "results"
TRIALS, MODELS = "trials", "models"

Tell = Callable[[str], None]


class Report(Protocol):
    """Takes how much of a work is done, and a note on how it goes."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


Watch = Callable[[str], AbstractContextManager[Report]]
"""Makes a ``Report`` for a work of this name."""


@dataclass(frozen=True)
class Planned:
    """The trials of a comparison in ``folder``, and the records of those that are done, by label;
    ``digest`` is that of the data. Those of the runs in ``only`` are wanted now; all where it is
    empty."""

    comparison: Comparison
    folder: Path
    digest: str
    trials: tuple[Trial, ...]
    done: dict[str, TrialRecord]
    only: tuple[str, ...] = ()

    @property
    def wanted(self) -> list[Trial]:
        """The trials that are to be done, or have been."""
        return [trial for trial in self.trials if not self.only or trial.run in self.only]


def plan_comparison(comparison: Comparison, folder: Path, only: Sequence[str] = ()) -> Planned:
    """Look at settings, data and what ``folder`` holds; nothing is written.

    Raises SarsegError where something cannot be used, or ``only`` names a run that there is not.
    """
    for name in only:
        if name not in comparison.runs:
            raise UsageError(unknown_name("run", name, comparison.runs))
    _check_folder(folder)
    digest = data_digest(comparison.data)
    trials = trials_of(comparison, folder, digest)
    records = {
        trial.label: record
        for trial in trials
        if (record := read_record(_place(folder, trial).record, trial.key)) is not None
    }
    return Planned(comparison, folder, digest, tuple(trials), records, tuple(only))


def compare(
    planned: Planned,
    *,
    command: str,
    watch: Watch,
    tell: Tell,
    warn: Tell,
) -> tuple[Results, list[Failure]]:
    """Run the wanted trials that are not done, and write results.json, results.md and plots of all
    that are done.

    A trial that fails is told, and the others go on. What there is to know of a run is told once,
    and not with every seed. Interrupted, finished trials stay. Raises
    SarsegError where something concerns them all.
    """
    comparison, folder = planned.comparison, planned.folder
    open_ = [trial for trial in planned.wanted if trial.label not in planned.done]
    records, failures = dict(planned.done), []
    tell_of_run = _once(warn)
    _make_folders(folder)
    try:
        if open_ and not isinstance(comparison.data, DatasetData):
            with watch("Cutting chips") as report:
                for doubt in cut_chips(comparison.data, folder, planned.digest, progress=report):
                    warn(doubt)
        if open_:
            _check_classes(comparison, folder)
        for number, trial in enumerate(open_, start=1):
            place = _place(folder, trial)
            with watch(trial.label) as report:
                failure = in_own_process(
                    trial,
                    comparison.data,
                    comparison.part,
                    place,
                    report,
                    partial(tell_of_run, trial.run),
                )
            record = None if failure else read_record(place.record, trial.key)
            if failure is not None:
                failures.append(failure)
                warn(f"{number} of {len(open_)}: {trial.label} failed: {failure.sentence}")
            elif record is not None:
                records[trial.label] = record
                tell(f"{number} of {len(open_)}: {_outcome(record, trial)}")
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(
            f"{counted(len(records), 'finished trial')} of {len(planned.trials)} in "
            f"{folder / TRIALS} stay; the same command goes on."
        ) from stop
    ordered = {t.label: records[t.label] for t in planned.trials if t.label in records}
    results = collect(
        comparison,
        planned.trials,
        ordered,
        failures,
        command=command,
        data=_described(comparison),
    )
    write_results(results, folder / f"{RESULTS}.md", prefix="")
    with replacing(folder / f"{RESULTS}.json") as temporary:
        temporary.write_text(results.model_dump_json(indent=1), encoding="utf-8")
    return results, failures


def write_results(results: Results, path: Path, *, prefix: str) -> None:
    """The Markdown page ``path`` with its plots, whose names begin with ``prefix``, beside it."""
    pictures = draw(results, path.parent, prefix)
    with replacing(path) as temporary:
        temporary.write_text(as_markdown(results, pictures), encoding="utf-8")


def _once(warn: Tell) -> Callable[[str, str], None]:
    """Takes a run and a sentence about it, and tells those that are new."""
    told: set[str] = set()

    def tell(run: str, sentence: str) -> None:
        whole = f"{run}: {sentence}"
        if whole not in told:
            told.add(whole)
            warn(whole)

    return tell


def _check_classes(comparison: Comparison, folder: Path) -> None:
    """Raise UsageError for classes to be left out that there are not, before all the work."""
    chips = chips_of(comparison.data, folder)
    source: ChipSource = open_dataset(chips.dataset, chips.data)
    foreground = comparison.settings.get("foreground")
    if foreground is not None:
        source = OneAgainstRest(source, foreground)
    check_groups(comparison, [entry.name for entry in source.classes])


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"The output {folder} is a file; name a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / TRIALS).is_dir():
        raise OutputError(
            f"The folder {folder} holds something else than a comparison; name a new or empty one."
        )
    if not folder.resolve().parent.is_dir():
        raise OutputError(f"The folder {folder.parent} of the output does not exist; create it.")


def _make_folders(folder: Path) -> None:
    try:
        for each in (folder, folder / TRIALS, folder / MODELS):
            each.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {error.strerror}.") from error


def _place(folder: Path, trial: Trial) -> Place:
    return Place(
        folder / TRIALS / f"{trial.file_name}.json",
        folder / MODELS / f"{trial.file_name}.safetensors",
    )


def _outcome(record: TrialRecord, trial: Trial) -> str:
    judged = scores(record.judgement.by_unit().sum(axis=0))
    length = ""
    if record.epochs is not None:
        length = f"{counted(record.epochs, 'epoch')}, the best {record.best_epoch}; "
    return (
        f"{trial.label}: mIoU {judged.miou:.3f}, OA {judged.oa:.3f}; {length}"
        f"{record.seconds:.0f} s, {record.peak_memory / 1e9:.1f} GB."
    )


def _described(comparison: Comparison) -> str:
    data = comparison.data
    if isinstance(data, DatasetData):
        return f"the chips of {Path(data.dataset).name}, one by one"
    scene = ", ".join(Path(each).name for each in data.scene)
    return (
        f"{scene} with the labels {data.labels.name}, divided by {Path(data.split).name}; trained "
        f"on chips of {data.size} pixels that share {data.overlap}, judged on the map of the whole "
        "scene"
    )
