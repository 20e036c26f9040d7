"""Time and memory of torch code, each candidate in a process of its own."""

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

GIGABYTE = 1e9


def device_name(device: str) -> str:
    """The device and its threads, in words."""
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "CPU")
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    has = ", ".join(
        f"{'has' if flag in flags else 'no'} {flag}"
        for flag in ("avx512f", "avx512_bf16", "amx_bf16")
    )
    threads = f"{torch.get_num_threads()} threads"
    return f"{model} ({platform.machine()}: {has}), {threads}, torch {torch.__version__}"


def median_seconds(run: Callable[[], object], device: str, repeats: int) -> float:
    """Median time of a run, after one that does not count."""
    times = []
    for _ in range(repeats + 1):
        _synchronize(device)
        started = time.perf_counter()
        run()
        _synchronize(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def peak_bytes(run: Callable[[], object], device: str) -> int:
    """Most memory that ``run`` holds beyond what was held before; on the CPU it needs Linux."""
    if device == "cuda":
        _synchronize(device)
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        return torch.cuda.max_memory_allocated() - before
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = _status_bytes("VmRSS")
    run()
    return _status_bytes("VmHWM") - before


def in_own_process(module: str, task: dict[str, Any]) -> dict[str, Any]:
    """What ``python -m module --task …`` prints as JSON on its last line, or ``{"error": …}``."""
    command = [sys.executable, "-m", module, "--task", json.dumps(task)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        lines = [line for line in ran.stderr.splitlines() if "Error" in line]
        return {"error": lines[-1][:100] if lines else f"ended with {ran.returncode}"}
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


def _synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise KeyError(field)
