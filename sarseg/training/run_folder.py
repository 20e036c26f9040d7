"""The folder beside a model file that takes what a run writes on its way."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sarseg.errors import OutputError
from sarseg.training.state import StateFile


@dataclass(frozen=True)
class RunFolder:
    """``path`` holds logs, and ``state`` until the run is finished."""

    path: Path
    state: StateFile


def open_run_folder(
    output: Path, identity: dict[str, Any], *, resume: bool, overwrite: bool
) -> RunFolder:
    """The folder of the run that makes ``output``: ``model.run`` for ``model.safetensors``.

    It is made when something is first written into it. With ``resume`` its state is loaded. Raises
    OutputError where a file has its name, or where it holds an unfinished run that nobody wants to
    resume or, by ``overwrite``, to begin anew; UsageError or DatasetError where the state is of
    another run or damaged.
    """
    path = output.with_suffix(".run")
    state = StateFile(path, identity)
    if resume:
        state.load()
    elif state.path.exists() and not overwrite:
        raise OutputError(
            f"{path} holds a run that was stopped: --resume goes on with it, --overwrite begins "
            "anew."
        )
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file, but the logs are to lie in a folder of this name.")
    return RunFolder(path, state)
