"""What labels are to those who read them."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import LandCoverClass
from sarseg.scenes.window import Window


class Labels(ABC):
    """Class ids on the pixels of a scene, read by windows; a context manager.

    ``path`` is the file that they come from, ``named`` the classes of which a name is known.
    """

    path: Path
    named: tuple[LandCoverClass, ...]

    @abstractmethod
    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class ids (h, w), 0..254, in ``window``, which lies within the scene; 255 where
        unlabelled.

        A window is that window of the whole. Raises InputError where a value is no class.
        """

    def close(self) -> None:  # noqa: B027 (not every kind keeps a file open)
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
