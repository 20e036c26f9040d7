"""Where the curves of a run are written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from sarseg.errors import OutputError, UsageError

LOG_FOLDER = "logs"


def loggers(names: Sequence[str], folder: Path, settings: dict[str, Any]) -> list[Logger]:
    """Lightning's loggers called ``names``; files go to ``folder``, one ``version_N`` a start.

    Raises UsageError where the library of one is not installed, OutputError where nothing can be
    written.
    """
    made: list[Logger] = []
    version = _next_version(folder / LOG_FOLDER)
    for name in names:
        try:
            made.append(_logger(name, folder, version))
        except ModuleNotFoundError as error:
            raise UsageError(
                f"--logger {name} needs a package that is not installed: pip install {name}."
            ) from error
    try:
        for logger in made:
            logger.log_hyperparams(settings)
    except OSError as error:
        raise OutputError(f"The logs in {folder} cannot be written: {error}.") from error
    return made


def _logger(name: str, folder: Path, version: int) -> Logger:
    match name:
        case "tensorboard":
            # a queue without end: on a full disk its reader dies, and a full one would wait on
            return TensorBoardLogger(
                folder, LOG_FOLDER, version, default_hp_metric=False, max_queue=0
            )
        case "csv":
            return CSVLogger(folder, LOG_FOLDER, version, flush_logs_every_n_steps=10)
        case "wandb":
            from lightning.pytorch.loggers import WandbLogger

            return WandbLogger(project="sarseg", name=folder.stem, save_dir=folder)
        case "mlflow":
            from lightning.pytorch.loggers import MLFlowLogger

            return MLFlowLogger("sarseg", run_name=folder.stem, save_dir=str(folder / "mlruns"))
    raise UsageError(f"There is no logger {name!r}: choose tensorboard, csv, wandb or mlflow.")


def _next_version(folder: Path) -> int:
    found = (path.name.removeprefix("version_") for path in folder.glob("version_*"))
    return max((int(number) for number in found if number.isdigit()), default=-1) + 1
