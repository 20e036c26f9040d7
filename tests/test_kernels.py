import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from sarseg.kernels import over_rows


@pytest.mark.parametrize("height", [0, 1, 63, 64, 200, 1001])
def test_every_row_is_filled_once(height: int) -> None:
    filled = np.zeros(height, int)

    def fill(first: int, last: int) -> None:
        filled[first:last] += 1

    over_rows(height, fill)
    assert (filled == 1).all()


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two processor cores",
)
def test_many_rows_are_shared_out_among_threads() -> None:
    together = threading.Barrier(2)

    def wait_for_the_other(first: int, last: int) -> None:
        together.wait(timeout=30.0)

    over_rows(128, wait_for_the_other)


def test_an_error_in_a_thread_is_raised() -> None:
    def fail(first: int, last: int) -> None:
        raise FloatingPointError("of a thread")

    with pytest.raises(FloatingPointError, match="of a thread"):
        over_rows(1000, fail)


def test_works_where_machine_code_cannot_be_kept() -> None:
    """numba refuses to decorate when no place for its cache can be written."""
    program = (
        "import numpy as np\n"
        "from sarseg.filters.despeckle import Kuan\n"
        "found = Kuan(looks=3.0)(np.ones((1, 5, 5), np.float32), np.ones((5, 5), bool))\n"
        "assert (found == 1.0).all()\n"
    )
    environment = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    environment.pop("NUMBA_CACHE_DIR", None)
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
