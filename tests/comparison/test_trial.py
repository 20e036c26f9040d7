from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sarseg.comparison.trial import start_from
from sarseg.errors import ModelError
from sarseg.model.network import Network
from sarseg.model.tensors import write_tensors


class Small(Network):
    def __init__(self, num_classes: int, width: int = 4) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.body = nn.Sequential(nn.Conv2d(2, width, 3, padding=1), nn.BatchNorm2d(width))
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, bands: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(bands))
        return out


def test_starting_from_weights(tmp_path: Path) -> None:
    first, path, told = Small(3), tmp_path / "weights.safetensors", list[str]()
    write_tensors(path, first.state_dict())
    same = Small(3)
    start_from(same, path, told.append)
    assert all(torch.equal(same.state_dict()[name], t) for name, t in first.state_dict().items())
    assert not told

    other = Small(5)
    head = other.head.weight.detach().clone()
    start_from(other, path, told.append)
    assert torch.equal(other.body[0].weight, first.body[0].weight)
    assert torch.equal(other.head.weight, head)
    assert len(told) == 1
    assert "head.weight, head.bias" in told[0]


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_tensors(path, Small(3, width=8).state_dict())
    with pytest.raises(ModelError, match=r"body\.0\.weight has the shape"):
        start_from(Small(3), path, print)
    write_tensors(path, {"some": torch.zeros(1)})
    with pytest.raises(ModelError, match=r"it has no body\.0\.weight \(\d+ differences"):
        start_from(Small(3), path, print)
