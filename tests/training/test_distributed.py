"""Every method and decoder trains in data-parallel processes, whatever never takes part."""

import re
import subprocess
import sys
from collections import defaultdict

from sarseg.adapters import METHODS
from sarseg.decoders import DECODERS


def test_two_processes_end_with_the_same_weights() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", "-m", "tests.training.two_processes"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    digests = defaultdict(set)
    # both processes write to one pipe, where lines may run into each other
    for rank, combination, digest in re.findall(
        r"weights: (\d) ([\w-]+/[\w-]+) ([0-9a-f]{16})", done.stdout
    ):
        digests[combination].add((rank, digest))
    assert len(digests) == len(METHODS) + len(DECODERS) - 1
    for combination, found in digests.items():
        assert {rank for rank, _ in found} == {"0", "1"}, combination
        assert len({digest for _, digest in found}) == 1, combination
