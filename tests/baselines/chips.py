"""Chips made up for baselines, as the training chips are given to them."""

from collections.abc import Sequence

from torch import Tensor


class Chips:
    """Pairs of bands ``(C, S, S)`` and labels ``(S, S)``; each may be read once."""

    def __init__(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        self.pairs = pairs
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        assert number not in self.read
        self.read.append(number)
        return self.pairs[number]
