"""What divides the pixels of a scene into splits."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.sample import Split
from sarseg.scenes.window import Window

PARTS: tuple[Split, ...] = ("train", "validation", "test")
"""The splits that labelled pixels may belong to."""

SPLIT_CODES: Mapping[int, Split] = dict(enumerate(PARTS, start=1))
"""How rasters and polygons number them."""


class Splits(ABC):
    """The split of each pixel of a scene, read by windows; a context manager.

    ``description`` says how pixels were divided; ``intended`` are the splits that are to have some.
    ``leaves_nothing`` is the sentence for a scene none of whose labelled pixels is in a split;
    ``remedy`` says what may help where a split lacks a class, if anything does.
    """

    description: str
    leaves_nothing: str
    intended: tuple[Split, ...] = PARTS
    remedy: str = ""

    @abstractmethod
    def read(self, window: Window) -> dict[Split, NDArray[np.bool_]]:
        """The pixels (h, w) of each split in ``window``, which lies within the scene.

        A pixel belongs to one split or to none, and a window is that window of the whole.
        """

    def close(self) -> None:  # noqa: B027 (not every kind keeps a file open)
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def file_leaves_nothing(path: Path) -> str:
    """``leaves_nothing`` of a file."""
    return (
        f"{path} gives no labelled pixel a split (1, 2 or 3): check that it covers this place and "
        "what its numbers are."
    )


def by_code(codes: NDArray[np.integer]) -> dict[Split, NDArray[np.bool_]]:
    """The pixels of each split where ``codes`` has its number."""
    return {split: codes == code for code, split in SPLIT_CODES.items()}
