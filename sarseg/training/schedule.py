"""How the learning rate changes over a run."""

import math
from dataclasses import dataclass
from typing import Literal

POWER = 0.9
"""Exponent of the polynomial decay (Chen et al. 2017, DeepLab, arXiv 1606.00915, section 4.1)."""


@dataclass(frozen=True)
class Schedule:
    """A linear rise over ``warmup`` steps, then a decay over the others of ``steps`` to ``floor``.

    ``floor`` is a share of the full learning rate.
    """

    kind: Literal["cosine", "poly", "constant"]
    steps: int
    warmup: int = 0
    floor: float = 0.0

    def factor(self, step: int) -> float:
        """Share of the full learning rate in ``step``, counted from 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = min((step - self.warmup) / max(self.steps - self.warmup, 1), 1.0)
        match self.kind:
            case "cosine":
                left = (1 + math.cos(math.pi * done)) / 2
            case "poly":
                left = (1 - done) ** POWER
            case "constant":
                left = 1.0
        return self.floor + (1 - self.floor) * left
