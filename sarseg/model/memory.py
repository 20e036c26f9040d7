"""How much memory is in use, now and at the most: of tensors on a GPU, else of this process."""

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""glibc's numbers of these settings, from malloc.h."""

_KEPT = 2**30
"""Blocks up to so many bytes are kept."""

_STATUS = Path("/proc/self/status")  # Linux
_RESTART = Path("/proc/self/clear_refs")


def held_memory(device: torch.device) -> int:
    """Bytes in use now; 0 where not known."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    return _status("VmRSS") if _STATUS.exists() else 0


def peak_memory(device: torch.device) -> int:
    """Most bytes in use so far, or since ``restart_peak``; 0 where not known."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if _STATUS.exists():
        return _status("VmHWM")  # ru_maxrss would begin at that of the process that started this
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def restart_peak(device: torch.device) -> None:
    """From now on ``peak_memory`` is the most since now, on GPUs and where Linux allows it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _RESTART.exists():
        with suppress(OSError):  # not every container allows it: then earlier work counts
            _RESTART.write_text("5")


def release_memory(device: torch.device) -> None:
    """Give back what is free and only kept for reuse: by torch on a GPU, else by glibc."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif sys.platform != "win32":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "malloc_trim"):
            libc.malloc_trim(0)


def keep_large_blocks() -> None:
    """Let glibc keep large blocks that are freed, for the next layer or batch that needs them.

    By itself it gives them back to the system, and gets them again page by page, each filled with
    zeros first: a quarter of the time of a network on the CPU. Elsewhere nothing is done.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 1)  # else each thread keeps blocks that no other gets
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def _status(field: str) -> int:
    """Bytes that ``/proc/self/status`` says."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    return 0
