"""What every baseline offers: settings, and how it is built; and what is fitted in one pass."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Protocol

from torch import Tensor

from sarseg.errors import DatasetError, ModelError
from sarseg.model.network import Network
from sarseg.registry import Configured

LOWEST = -14.0
"""Log-probability (one in a million) of what a classifier holds for impossible: finite, as those of
networks are, and below that of any class that is predicted."""


class LabelledChips(Protocol):
    """Chips by number: bands ``(C, S, S)`` float32 and labels ``(S, S)`` int64, 255 where none.

    Bands are scaled as for a network: invalid pixels hold mirrored valid ones, and have no label;
    padding, and chips without any valid pixel, are 0.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> tuple[Tensor, Tensor]: ...


class Baseline(Configured):
    """Settings of a baseline."""

    by_gradient: ClassVar[bool] = True
    """True where it is trained as sarseg's own networks are; else ``build`` makes a Classifier."""

    packages: ClassVar[tuple[str, ...]] = ()
    """Distributions of the extra ``compare`` that it is made of: their versions are recorded."""

    @abstractmethod
    def build(self, bands: int, num_classes: int) -> Network:
        """The network for that many bands and classes, its weights drawn at random.

        It takes chips of any multiple of 16 pixels. Raises ModelError where a package is missing.
        """


class Classifier(Network):
    """What is fitted to training chips in one pass, without gradients, and has no parameters.

    Its logits are log-probabilities ``(B, K, S, S)``, float32 and none below LOWEST.
    """

    @abstractmethod
    def fit(self, chips: LabelledChips) -> None:
        """Learn from ``chips``, read once and one at a time. Comes before the first ``forward``.

        Raises DatasetError where no pixel has a label.
        """


def nothing_to_fit(name: str) -> DatasetError:
    """The error that the training chips have no label for the baseline called ``name``."""
    return DatasetError(
        f"The baseline {name} cannot be fitted: no valid pixel of the training chips has a label. "
        "Check the labels and how they were divided."
    )


@contextmanager
def comparison_packages(name: str) -> Iterator[None]:
    """Within, packages of the extra ``compare`` are imported for the baseline called ``name``.

    Raises ModelError where one is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise ModelError(
            f"The baseline {name} needs the package {package}, which is not installed: "
            'pip install "sarseg[compare]".'
        ) from error
