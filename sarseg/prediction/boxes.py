"""Where a model that maps what lies in boxes has to look: the boxes of each tile.

They come from the features of a vector file, or from a class of an earlier map.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import LandCoverClass
from sarseg.decoders import DECODERS
from sarseg.decoders.box_prompted import BoxPrompted
from sarseg.decoders.boxes import FOREGROUND, box_of, scaled
from sarseg.errors import InputError, UsageError
from sarseg.model.card import ModelCard
from sarseg.scenes.features import feature_extents
from sarseg.scenes.labels import LabelRaster
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window

Boxes: TypeAlias = NDArray[np.float64]
"""(N, 4) x0, y0, x1, y1: the first and the last pixel of each box."""

TileBoxes = Callable[[Window], Boxes]
"""The boxes in a window of the scene, in pixels of that window."""

_STRIP_ROWS = 256


class BoxSource(Protocol):
    """A file that says where to look."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    def on(self, scene: Scene, card: ModelCard) -> AbstractContextManager[TileBoxes]:
        """The boxes on ``scene`` for the model of ``card``, while the file is open.

        Raises InputError where there are none, or the file cannot be used.
        """
        ...


def check_prompts(card: ModelCard, boxes: BoxSource | None) -> None:
    """Raise UsageError where the model of ``card`` takes boxes and has none, or the reverse."""
    takes_boxes = DECODERS[card.decoder].takes_boxes
    if takes_boxes and boxes is None:
        raise UsageError(
            f"The model maps {card.classes[FOREGROUND].name} inside boxes only. Say where to look: "
            "by --boxes, a file of polygons, or by --boxes-from, an earlier map."
        )
    if boxes is not None and not takes_boxes:
        raise UsageError(
            f"The model's decoder, {card.decoder}, maps the whole scene and takes no boxes: leave "
            "out --boxes and --boxes-from, or choose a model trained with --decoder box-prompted."
        )


@dataclass(frozen=True)
class FeatureBoxes:
    """The bounding boxes of the features of a vector file; see ``feature_extents``.

    A tile is prompted by the part of each box within it, unless that is narrower than a pixel.
    """

    path: Path

    @contextmanager
    def on(self, scene: Scene, card: ModelCard) -> Iterator[TileBoxes]:
        """See ``BoxSource``."""
        extents = feature_extents(self.path, scene)
        yield lambda window: _cut(extents, window)


@dataclass(frozen=True)
class MapBoxes:
    """One box a tile: that of the model's foreground in an earlier map on the scene's grid.

    It is enlarged as the boxes were that the model was trained with.
    """

    path: Path

    @contextmanager
    def on(self, scene: Scene, card: ModelCard) -> Iterator[TileBoxes]:
        """See ``BoxSource``."""
        foreground = card.classes[FOREGROUND]
        scale = BoxPrompted.model_validate(card.decoder_settings).box_scale
        with LabelRaster(self.path, scene) as landcover:
            _check_legend(landcover, foreground)
            _check_occurrence(landcover, foreground, scene)

            def boxes(window: Window) -> Boxes:
                mask = np.zeros((window.height, window.width), np.bool_)
                inside = window.within(scene.height, scene.width)
                mask[inside.slices_in(window)] = landcover.read(inside) == foreground.id
                box = box_of(mask)
                if box is None:
                    return np.empty((0, 4))
                return np.array([scaled(box, scale, mask.shape)], np.float64)

            yield boxes


def _check_legend(landcover: LabelRaster, foreground: LandCoverClass) -> None:
    names = {entry.id: entry.name for entry in landcover.named}
    if names and names.get(foreground.id) != foreground.name:
        legend = ", ".join(f"{class_id} {name}" for class_id, name in names.items())
        raise InputError(
            f"The model looks for {foreground.name}, class {foreground.id}, but the legend of "
            f"{landcover.path} says: {legend}. Give a map of the same classes."
        )


def _check_occurrence(landcover: LabelRaster, foreground: LandCoverClass, scene: Scene) -> None:
    for row in range(0, scene.height, _STRIP_ROWS):
        strip = Window(row, 0, _STRIP_ROWS, scene.width).within(scene.height, scene.width)
        if (landcover.read(strip) == foreground.id).any():
            return
    raise InputError(
        f"{landcover.path} has no pixel of class {foreground.id} ({foreground.name}), so it does "
        "not say where to look."
    )


def _cut(extents: NDArray[np.float64], window: Window) -> Boxes:
    """The parts within ``window`` of ``extents`` (N, 4) left, top, right, bottom edges."""
    origin = np.array([window.col, window.row] * 2)
    cut: Boxes = np.clip(extents - origin, 0, [window.width, window.height] * 2)
    cut = cut[(cut[:, 2:] - cut[:, :2] >= 1).all(axis=1)]
    cut[:, 2:] -= 1  # the last pixel ends at the right, or lower, edge
    return cut
