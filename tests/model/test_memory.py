"""How much memory is in use; each test in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MEGABYTE = 2**20

SCRIPT = """
import json, torch
from sarseg.model.memory import held_memory, peak_memory, restart_peak
cpu = torch.device("cpu")
before = held_memory(cpu), peak_memory(cpu)
block = torch.ones(300 * 2**18)
held = held_memory(cpu), peak_memory(cpu)
del block
freed = held_memory(cpu), peak_memory(cpu)
restart_peak(cpu)
print(json.dumps([before, held, freed, [held_memory(cpu), peak_memory(cpu)]]))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_memory_held_and_most_of_it() -> None:
    ballast = b"x" * (700 * MEGABYTE)  # what the parent holds must not count
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True)
    before, held, freed, restarted = json.loads(ran.stdout)
    assert before[1] < len(ballast)
    slack = 20 * MEGABYTE
    assert abs(held[0] - before[0] - 300 * MEGABYTE) < slack
    assert abs(held[1] - held[0]) < slack
    assert abs(freed[0] - before[0]) < slack
    assert abs(freed[1] - held[1]) < slack
    assert abs(restarted[1] - before[0]) < slack
