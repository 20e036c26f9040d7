"""The moving average of the weights, which is validated and kept in place of the latest ones."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from sarseg.model.file import trained_state
from sarseg.model.network import Network


class WeightAverage:
    """Exponential moving average of what trains (Polyak & Juditsky 1992, SIAM J. Control 30).

    ``decay`` is reached as steps go by: at step n it is at most ``(1 + n) / (10 + n)``, so that
    the first weights do not linger.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self._weights = trained_state(network)
        self.state = {name: weight.clone() for name, weight in self._weights.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights after one more step in."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.state.values()), list(self._weights.values()), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the average where the weights are, and the weights back afterwards."""
        latest = {name: weight.clone() for name, weight in self._weights.items()}
        copy_into(self._weights, self.state)
        try:
            yield
        finally:
            copy_into(self._weights, latest)


@torch.no_grad()
def copy_into(weights: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    """Overwrite ``weights`` with ``values`` of the same names."""
    for name, weight in weights.items():
        weight.copy_(values[name])
