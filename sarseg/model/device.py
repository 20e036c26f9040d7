"""Where a model runs."""

import platform

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


def computes_bfloat16(device: str) -> bool:
    """True where ``device`` multiplies matrices of bfloat16 itself, and so faster than float32.

    CUDA devices do from compute capability 8 on, processors with AVX512_BF16 or AMX.
    """
    if device == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8
    capabilities = _cpu_capabilities()
    return any(capabilities.get(name) is True for name in ("avx512_bf16", "amx_bf16"))


def described(device: str, precision: str) -> str:
    """A sentence on what was chosen."""
    if device == "cuda":
        return f"Running on cuda ({torch.cuda.get_device_name()}) in {precision}."
    name = _cpu_capabilities().get("cpu_name") or platform.machine()
    threads = torch.get_num_threads()
    counted = "1 thread" if threads == 1 else f"{threads} threads"
    return f"Running on the CPU ({name}, {counted}) in {precision}."


def _cpu_capabilities() -> dict[str, object]:
    """What torch knows of the processor: older versions do not tell."""
    known = getattr(torch.cpu, "get_capabilities", None)
    return dict(known()) if known else {}
