"""What training reads: one chip with its labels, and what every source of chips offers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import NODATA, LandCoverClass
from sarseg.filters.chain import Filters
from sarseg.scenes.unit import Unit

if TYPE_CHECKING:
    from sarseg.datasets.manifest import SceneRecord

Split = Literal["train", "validation", "test", "unlabelled"]

IGNORE = NODATA
"""Label of pixels that a loss or a score leaves out."""


@dataclass(frozen=True)
class ChipRef:
    """Where one chip lies: an image, its labels (None without), and what the image's numbers are.

    ``name`` is unique within a split and the same on every machine. ``row`` and ``col`` are those
    of ``scene``, of the chip's upper left pixel; a chip without a ``scene`` shares pixels with no
    other.
    """

    name: str
    image: Path
    labels: Path | None
    unit: Unit
    scene: str | None = None
    row: int = 0
    col: int = 0


@dataclass(frozen=True)
class ChipData:
    """One chip, ready for a Preparation.

    ``intensity`` is float32 (bands, rows, cols), linear, >= 0 (auxiliary bands: whatever they
    measure), and 0 where ``valid`` is False;
    ``valid`` is bool (rows, cols); ``labels`` is uint8 (rows, cols) and holds the *index* of the
    class in its source's ``classes`` (0..K-1), or IGNORE.
    """

    intensity: NDArray[np.float32]
    valid: NDArray[np.bool_]
    labels: NDArray[np.uint8]


class ChipSource(Protocol):
    """A set of chips of one size, divided into splits.

    Splits are a matter of pixels: a chip may be listed under several of them, each time with
    labels of that split alone.
    """

    @property
    def name(self) -> str:
        """Name for messages and for the model file."""
        ...

    @property
    def classes(self) -> tuple[LandCoverClass, ...]:
        """The legend; labels are indices into it."""
        ...

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands of every chip, in order."""
        ...

    @property
    def tile_size(self) -> int:
        """Rows, and columns, of every chip."""
        ...

    @property
    def filters(self) -> Filters:
        """What the chips have gone through already."""
        ...

    @property
    def pixel_size(self) -> float | None:
        """Side of a pixel on the ground in metres, None where that is not known."""
        ...

    @property
    def scenes(self) -> "tuple[SceneRecord, ...]":
        """The scenes that the chips come from, where they are recorded."""
        ...

    @property
    def splits(self) -> Mapping[Split, Sequence[ChipRef]]:
        """Chips of each split that has any."""
        ...

    @property
    def division(self) -> str:
        """How the splits came about, as a phrase: ``validation: the last 12 of 120 ...``."""
        ...

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about what a person should know of how the files were read."""
        ...

    def read(self, ref: ChipRef) -> ChipData:
        """Read one chip from disk. Raises DatasetError where its files cannot be used."""
        ...

    def digest(self) -> str:
        """SHA-256 (hexadecimal) over which chip belongs to which split."""
        ...
