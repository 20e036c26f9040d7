"""A trial in a process of its own: its memory is its own, and so is its end."""

import multiprocessing
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import FrameType
from typing import Literal

from sarseg.comparison.config import DatasetData, SceneData
from sarseg.comparison.trial import Place, run_trial
from sarseg.comparison.trials import Trial
from sarseg.errors import SarsegError

Report = Callable[[int, int, str], None]
Tell = Callable[[str], None]
_Message = tuple[Literal["report", "tell", "failed"], tuple[object, ...]]

_SECONDS_TO_STOP = 60.0


@dataclass(frozen=True)
class Failure:
    """Why a trial has no result, as a sentence, and the exit code that stands for it."""

    trial: str
    sentence: str
    exit_code: int


def in_own_process(
    trial: Trial,
    data: DatasetData | SceneData,
    part: str,
    place: Place,
    report: Report,
    tell: Tell,
) -> Failure | None:
    """``run_trial`` in a new process; None where it wrote its record.

    Interrupted, it ends the process first.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(trial, data, part, place, theirs))
    process.start()
    theirs.close()
    failure = None
    try:
        while True:
            try:
                kind, content = ours.recv()
            except EOFError:
                break
            if kind == "report":
                report(*content)
            elif kind == "tell":
                tell(*content)
            else:
                failure = Failure(trial.label, *content)
        process.join()
    finally:
        if process.is_alive():
            process.terminate()
            process.join(_SECONDS_TO_STOP)
            process.kill()
        ours.close()
    if failure is None and process.exitcode:
        failure = Failure(trial.label, _ended(process.exitcode), 1)
    return failure


def _ended(code: int) -> str:
    if code >= 0:
        return f"Its process ended with the exit code {code}."
    return (
        f"Its process was ended from outside by {signal.Signals(-code).name}, most likely for want "
        "of memory."
    )


def _run(
    trial: Trial,
    data: DatasetData | SceneData,
    part: str,
    place: Place,
    connection: "Connection[_Message, _Message]",
) -> None:
    """What the process does."""
    # Ctrl-C reaches all processes of a terminal; the one that compares ends this one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)

    def report(done: int, total: int, note: str) -> None:
        connection.send(("report", (done, total, note)))

    def tell(sentence: str) -> None:
        connection.send(("tell", (sentence,)))

    try:
        run_trial(trial, data, part, place, report, tell)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)
    except SarsegError as error:
        connection.send(("failed", (str(error), error.exit_code)))
    except Exception as error:
        traceback.print_exc()
        connection.send(("failed", (f"A defect of sarseg: {type(error).__name__}: {error}", 1)))


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
