import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scenes, which is not part of the repository."""
    folder = os.environ.get("SARSEG_REAL_DATA")
    if not folder:
        pytest.skip("SARSEG_REAL_DATA names no folder: nothing was tried on real scenes")
    return Path(folder)
