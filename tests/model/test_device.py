"""Where a model runs."""

import pytest
import torch

from sarseg.errors import UsageError
from sarseg.model.device import choose_device


def test_devices() -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UsageError, match="auto, cpu or cuda"):
        choose_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="No CUDA device"):
            choose_device("cuda")
