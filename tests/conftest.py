import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scenes, which is not part of the repository."""
    folder = os.environ.get("SARSEG_REAL_DATA")
    if not folder:
        pytest.skip("SARSEG_REAL_DATA names no folder: nothing was tried on real scenes")
    return Path(folder)


@pytest.fixture
def file_size_limit() -> Iterator[Any]:
    """Files that grow beyond a size fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)
