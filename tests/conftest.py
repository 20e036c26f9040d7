import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Tests run beside each other, and their networks are small: threads of one would only wait for
# those of another. Before torch is imported, and for all processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scenes, which is not part of the repository."""
    folder = os.environ.get("SARSEG_REAL_DATA")
    if not folder:
        pytest.skip("SARSEG_REAL_DATA names no folder: nothing was tried on real scenes")
    return Path(folder)


_UNLIMITED = resource.getrlimit(resource.RLIMIT_FSIZE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Lift ``file_size_limit`` as the test ends: pytest itself may be writing to a file."""
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, _UNLIMITED)


@pytest.fixture
def file_size_limit() -> Iterator[Any]:
    """Files that grow beyond a size fail, as on a full disk."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, _UNLIMITED[1]))
    signal.signal(signal.SIGXFSZ, handler)
