"""The processes that train together: those that torchrun started, or those to be started."""

import os
from dataclasses import dataclass

from torch.distributed import is_torchelastic_launched


@dataclass(frozen=True)
class Processes:
    """How many processes train on each machine (``devices``), and on how many machines.

    ``rank`` is this process's number among all of them; the first one writes and talks.
    """

    devices: int
    nodes: int
    rank: int

    @property
    def world(self) -> int:
        """All processes."""
        return self.devices * self.nodes

    @property
    def first(self) -> bool:
        """True in the process that writes and talks."""
        return self.rank == 0


def processes(devices: int) -> Processes:
    """Those that torchrun started, else ``devices`` of this machine.

    Lightning starts the others of this machine itself, by the same command line, and tells each its
    number in the same variable that torchrun uses.
    """
    if is_torchelastic_launched():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return Processes(local, int(os.environ["WORLD_SIZE"]) // local, int(os.environ["RANK"]))
    return Processes(devices, 1, int(os.environ.get("LOCAL_RANK", "0")))
