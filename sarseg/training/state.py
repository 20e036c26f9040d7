"""What a run goes on from after it was stopped: a file of tensors beside its logs."""

import json
from pathlib import Path
from typing import Any

import torch

from sarseg.errors import DatasetError, OutputError, UsageError
from sarseg.scenes.output import replacing

_NAME = "state.pt"


class StateFile:
    """The state of an unfinished run in its ``folder``.

    ``identity`` says what run it is, JSON under the names of options: only a run of the same
    identity goes on from it. ``state`` is what ``load`` has read, None where nothing was.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.path = folder / _NAME
        self.identity = json.loads(json.dumps(identity))
        self.state: dict[str, Any] | None = None

    @property
    def steps(self) -> int:
        """Steps that were done before."""
        return 0 if self.state is None else int(self.state["steps"])

    def load(self) -> None:
        """Read the state. Raises UsageError where it is of another run, DatasetError where it is
        damaged, UsageError where there is none."""
        if not self.path.is_file():
            raise UsageError(
                f"There is nothing to resume: {self.path} does not exist. Leave --resume out."
            )
        try:
            # tensors and plain values alone: nothing in the file is executed
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            identity, state = dict(content["identity"]), content["state"]
        except Exception as error:  # damaged files make torch fail in any way
            reason = " ".join(str(error).split())[:200]
            raise DatasetError(
                f"{self.path} cannot be read ({reason}). Begin anew with --overwrite."
            ) from error
        differing = [
            name
            for name in sorted({*identity, *self.identity})
            if identity.get(name) != self.identity.get(name)
        ]
        if differing:
            name = differing[0]
            raise UsageError(
                f"The run in {self.path.parent} was begun with {name} {identity.get(name)}, and "
                f"this one has {self.identity.get(name)}: resume it with the same options, or "
                "begin anew with --overwrite."
            )
        self.state = state

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file, whole or not at all; make its folder. Raises OutputError."""
        try:
            self.path.parent.mkdir(exist_ok=True)
            # a write that was killed leaves its hidden file, and there is no other writer
            for leftover in self.path.parent.glob(f".{self.path.stem}.sarseg-partial-*"):
                leftover.unlink()
        except OSError as error:
            raise OutputError(f"The folder {self.path.parent}: {error.strerror}.") from error
        with replacing(self.path) as temporary, temporary.open("wb") as opened:
            try:
                torch.save({"identity": self.identity, "state": state}, opened)
            except RuntimeError as error:  # what torch makes of whatever comes between
                reason = error.__context__ or error
                if isinstance(reason, KeyboardInterrupt):
                    raise reason from error
                raise OutputError(f"{self.path} could not be written: {reason}.") from error

    def remove(self) -> None:
        """The run is finished."""
        self.path.unlink(missing_ok=True)
