"""What a trial ran on, in words."""

import os
import platform
from pathlib import Path

import torch

from sarseg.wording import counted

_CPU_INFO = Path("/proc/cpuinfo")  # Linux


def machine(device: str) -> str:
    """As in ``NVIDIA H200`` or ``AMD EPYC 7B13, 2 threads of 2 cores``."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    threads = counted(torch.get_num_threads(), "thread")
    return f"{_processor()}, {threads} of {counted(os.cpu_count() or 1, 'core')}"


def _processor() -> str:
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
