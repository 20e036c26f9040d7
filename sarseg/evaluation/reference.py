"""The labels that a map is judged by, or one part of them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import NODATA, LandCoverClass, complete_legend
from sarseg.datasets.sample import Split
from sarseg.datasets.splits import SpatialBlocks, Splits, open_splits
from sarseg.errors import InputError
from sarseg.scenes.grid import Grid
from sarseg.scenes.labels import Labels, open_labels
from sarseg.scenes.window import Window, strips_of

_STRIP_ROWS = 256


@dataclass(frozen=True)
class JudgedPart:
    """The ``part`` of the pixels that counts, where ``split`` divides them; see ``open_splits``."""

    part: Split
    split: str
    attribute: str | None
    blocks: SpatialBlocks


@dataclass(frozen=True)
class ReferenceFiles:
    """Where labels are, how they are read (see ``open_labels``), and which of them count: all, or
    those of one part."""

    labels: Path
    ignore: tuple[int | str, ...] = ()
    classes: Path | None = None
    attribute: str | None = None
    judged: JudgedPart | None = None

    @property
    def part(self) -> Split | None:
        """The part that counts, None for all."""
        return self.judged.part if self.judged else None


class Reference:
    """Labels on a grid of ``height`` x ``width`` pixels; those of other parts count as none.

    ``classes`` are those that occur. To find them the labels are read once; InputError where no
    pixel is labelled.
    """

    def __init__(
        self, labels: Labels, splits: Splits | None, part: Split | None, grid: Grid
    ) -> None:
        self._labels = labels
        self._splits = splits
        self._part = part
        self.classes = self._survey(grid)

    @property
    def division(self) -> str | None:
        """How pixels are divided into parts, None where they are not."""
        return None if self._splits is None else self._splits.description

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class ids (h, w) in ``window``; 255 where nothing is judged."""
        ids = self._labels.read(window)
        if self._splits is None or self._part is None:
            return ids
        member = self._splits.read(window).get(self._part)
        if member is None:
            return np.full_like(ids, NODATA)
        return np.where(member, ids, np.uint8(NODATA))

    def _survey(self, grid: Grid) -> tuple[LandCoverClass, ...]:
        height, width = grid.georeference.height, grid.georeference.width
        found: set[int] = set()
        any_labelled = False
        parts: set[Split] = set()
        for window in strips_of(height, width, _STRIP_ROWS):
            ids = self._labels.read(window)
            labelled = ids != NODATA
            any_labelled |= bool(labelled.any())
            if self._splits is not None and self._part is not None:
                members = self._splits.read(window)
                parts.update(part for part, member in members.items() if labelled[member].any())
                labelled &= members.get(self._part, False)
            found.update(np.unique(ids[labelled]).tolist())
        if not any_labelled:
            raise InputError(
                f"{self._labels.path} labels no pixel of {grid.name}, so there is nothing to judge "
                "by. Check that the labels cover this place."
            )
        if self._splits is not None and not parts:
            raise InputError(self._splits.leaves_nothing)
        if not found:
            raise InputError(
                f"No labelled pixel of {grid.name} is in its {self._part} part, so there is "
                f"nothing to judge by; there are some in: {', '.join(sorted(parts))}. Choose "
                "another --part, or another --split."
            )
        return complete_legend(sorted(found), self._labels.named)


@contextmanager
def open_reference(files: ReferenceFiles, grid: Grid) -> Iterator[Reference]:
    """The labels of ``files`` on ``grid``. Raises what ``open_labels`` and ``open_splits`` do, and
    InputError where no pixel is labelled."""
    with ExitStack() as opened:
        labels = opened.enter_context(
            open_labels(
                files.labels,
                grid,
                ignore=files.ignore,
                classes=files.classes,
                attribute=files.attribute,
            )
        )
        judged, splits = files.judged, None
        if judged is not None:
            splits = opened.enter_context(
                open_splits(judged.split, grid, attribute=judged.attribute, blocks=judged.blocks)
            )
        yield Reference(labels, splits, files.part, grid)
