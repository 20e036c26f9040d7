"""How loops over pixels are compiled and shared out among threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")

_FEWEST_ROWS = 64  # of a thread: for less, starting it costs more than it saves


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` compiled by numba, running without the interpreter's lock.

    Division by zero gives infinity or NaN, as in numpy. Floating-point sums keep their order. The
    machine code is kept on disk from one process to the next, where numba finds a place for it. It
    is made anew when the function's own file changes, and no other: so a compiled function calls
    compiled functions of its own file alone, and is given what another file may come to change.
    """
    try:
        return njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # nowhere to write: a read-only installation, a user without a home
        return njit(nogil=True, error_model="numpy")(function)


def over_rows(height: int, fill: Callable[[int, int], None]) -> None:
    """Call ``fill(first, last)`` for pieces ``[first, last)`` of ``height`` rows, in threads.

    ``fill`` has to give up the interpreter's lock, and a row's result must not depend on the piece
    that it lies in.
    """
    pieces = max(1, min(_usable_cores(), height // _FEWEST_ROWS))
    bounds = [height * piece // pieces for piece in range(pieces + 1)]
    # A single piece too: Ctrl-C reaches the main thread alone, where the compiler that a first call
    # starts would swallow it, or crash.
    with ThreadPoolExecutor(pieces) as pool:
        for _ in pool.map(fill, bounds[:-1], bounds[1:]):
            pass


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
