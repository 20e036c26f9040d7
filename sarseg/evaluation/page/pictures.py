"""Pictures of rasters for the page, made while rows go by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sarseg.classes import NODATA, LandCoverClass
from sarseg.evaluation.tally import JudgedRows
from sarseg.pages.backscatter import grey, mean_intensity, shown_band
from sarseg.pages.images import png_address
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window

LONGEST = 1000
"""Pixels of a picture's longer side at most."""

_NOTHING = (238, 238, 238)
_RIGHT, _WRONG = (198, 219, 195), (200, 35, 45)


@dataclass(frozen=True)
class Picture:
    """An image for the page: a PNG as the text of a ``data:`` address."""

    title: str
    source: str
    height: int
    width: int


class Reduced:
    """Every n-th pixel of a raster (height, width) that comes in rows: the nearest to the centres
    of the larger pixels, so that no side is longer than ``LONGEST``."""

    def __init__(self, height: int, width: int) -> None:
        self._step = -(-max(height, width) // LONGEST)
        self._rows = _centres(height, self._step)
        self._cols = _centres(width, self._step)
        self._parts: list[NDArray[Any]] = []

    def add_rows(self, row: int, values: NDArray[Any]) -> None:
        """Add the next rows, (h, width), the first of which is ``row``."""
        kept = self._rows[(self._rows >= row) & (self._rows < row + len(values))]
        self._parts.append(values[np.ix_(kept - row, self._cols)])

    def values(self) -> NDArray[Any]:
        """What was kept, (h, w)."""
        return np.concatenate(self._parts)


class ReducedMaps:
    """A map, its reference and where they differ, reduced while their rows go by."""

    def __init__(self, height: int, width: int) -> None:
        self._reference = Reduced(height, width)
        self._mapped = Reduced(height, width)

    def add_rows(self, rows: JudgedRows) -> None:
        """Keep what is shown of the next rows."""
        self._reference.add_rows(rows.row, rows.reference)
        self._mapped.add_rows(rows.row, rows.mapped)

    def pictures(
        self, classes: Sequence[LandCoverClass], *, with_reference: bool
    ) -> tuple[Picture, ...]:
        """In the colours of ``classes``; grey is what has none, or is not judged."""
        reference, mapped = self._reference.values(), self._mapped.values()
        colours = np.full((NODATA + 1, 3), _NOTHING, np.uint8)
        colours[: len(classes)] = [entry.colour for entry in classes]
        shown = _picture("Map", colours[mapped])
        if not with_reference:
            return (shown,)
        outcome = np.where(reference == NODATA, 2, reference == mapped)
        errors = np.array([_WRONG, _RIGHT, _NOTHING], np.uint8)[outcome]
        return _picture("Reference", colours[reference]), shown, _picture("Errors", errors)


def scene_picture(scene: Scene) -> Picture:
    """The first band of backscatter in decibels, from black to white; reads the scene once."""
    step = -(-max(scene.height, scene.width) // LONGEST)
    shades, known = grey(mean_intensity(scene, Window(0, 0, scene.height, scene.width), step))
    picture = np.where(known[..., None], shades[..., None], np.array(_NOTHING, np.uint8))
    return _picture(f"Scene, {scene.bands[shown_band(scene)]}", picture)


def _centres(length: int, step: int) -> NDArray[np.int64]:
    return np.minimum(np.arange(0, length, step) + step // 2, length - 1)


def _picture(title: str, rgb: NDArray[np.uint8]) -> Picture:
    return Picture(title, png_address(Image.fromarray(rgb)), *rgb.shape[:2])
