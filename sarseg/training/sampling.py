"""Which chips make up each optimisation step.

A step's chips follow from the seed, the epoch and the step's number alone, and not from what ran
before or from how many processes share the work. So a run goes on from any step as if it had never
stopped, and two processes take together what one would take.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler


class Draw(NamedTuple):
    """One chip, by its number, as it is drawn in one epoch.

    A ``blank`` one stands where a process has no chip of its own left; its labels do not count.
    """

    number: int
    epoch: int
    blank: bool = False

    def generator(self, seed: int) -> np.random.Generator:
        """Random numbers of this chip in this epoch, whichever process asks for them."""
        return np.random.default_rng([seed, self.epoch, self.number])


class StepSampler(Sampler[list[Draw]]):
    """The chips that process ``rank`` of ``world`` takes in each step of one epoch.

    Every chip is drawn once an epoch, ``step_size`` of them a step (all processes together; the
    last step may have fewer), in an order that ``seed`` and ``epoch`` determine. ``first_step``
    leaves the steps before it out.
    """

    def __init__(
        self,
        chips: int,
        step_size: int,
        *,
        seed: int,
        epoch: int,
        first_step: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.order = np.random.default_rng([seed, epoch]).permutation(chips)
        self.step_size = step_size
        self.epoch = epoch
        self.first_step = first_step
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return steps_per_epoch(len(self.order), self.step_size) - self.first_step

    def __iter__(self) -> Iterator[list[Draw]]:
        for start in range(self.first_step * self.step_size, len(self.order), self.step_size):
            yield share(
                self.order[start : start + self.step_size].tolist(),
                self.epoch,
                self.rank,
                self.world,
            )


def share(numbers: list[int], epoch: int, rank: int, world: int) -> list[Draw]:
    """The part of ``numbers`` that process ``rank`` of ``world`` takes; never empty."""
    mine = np.array_split(np.array(numbers), world)[rank].tolist()
    return [Draw(number, epoch) for number in mine] or [Draw(numbers[0], epoch, blank=True)]


def steps_per_epoch(chips: int, step_size: int) -> int:
    """Steps in which each of ``chips`` is drawn once."""
    return -(-chips // step_size)
