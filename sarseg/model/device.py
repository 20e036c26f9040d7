"""Where a model runs."""

import torch

from sarseg.errors import UsageError


def choose_device(name: str) -> str:
    """``auto``, ``cpu`` or ``cuda`` as a torch device. Raises UsageError for what is not there."""
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"The device '{name}' is unknown: choose auto, cpu or cuda.")
    usable = torch.cuda.is_available()
    if name == "cuda" and not usable:
        raise UsageError("No CUDA device can be used on this machine: choose --device cpu.")
    return "cuda" if usable and name != "cpu" else "cpu"
