"""Which tiles a scene is cut into, and what the segmenter is to see of each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarseg.filters.preparation import Preparation, prepare_window, scene_scaling
from sarseg.model.card import ModelCard
from sarseg.prediction.boxes import Boxes, BoxSource, check_prompts
from sarseg.prediction.fit import ScalingSource, picks_of
from sarseg.prediction.settings import PredictSettings
from sarseg.prediction.tiles import TileGrid
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window

_HALF = 0.31830988
"""Added before rounding down: fractions of a pixel that occur, as 0.5, then stay far from where
rounding errors decide."""


@dataclass(frozen=True)
class Tile:
    """What a window of the scene holds, prepared; ``boxes`` None for a decoder that takes none.

    Of a ``missing`` one parts could not be read, which are not valid.
    """

    window: Window
    bands: NDArray[np.float32]
    valid: NDArray[np.bool_]
    boxes: Boxes | None
    missing: bool = False

    @property
    def skipped(self) -> bool:
        """True where no pixel is valid."""
        return not self.valid.any()

    @property
    def unprompted(self) -> bool:
        """True where there would be something to look at, but no box says where."""
        return not self.skipped and self.boxes is not None and not len(self.boxes)

    @property
    def shown(self) -> bool:
        """True where the segmenter is to look."""
        return not (self.skipped or self.unprompted)


TileReader = Callable[[Window], Tile]


def checked_grid(
    scene: Scene, card: ModelCard, settings: PredictSettings, boxes: BoxSource | None
) -> TileGrid:
    """The tiles of a map of ``scene`` by the model of ``card``.

    Raises ModelError where the bands do not fit, UsageError where the overlap does not fit the
    tiles, or boxes the decoder.
    """
    picks_of(scene, card)
    check_prompts(card, boxes)
    overlap = card.tile_size // 4 if settings.overlap is None else settings.overlap
    return TileGrid(scene.height, scene.width, card.tile_size, overlap, _anchor(scene))


@contextmanager
def tile_reader(
    scene: Scene,
    card: ModelCard,
    settings: PredictSettings,
    boxes: BoxSource | None = None,
    device: str = "cpu",
) -> Iterator[TileReader]:
    """What reads and prepares tiles of ``scene`` for the model of ``card``, while files are open.

    Raises InputError where the boxes cannot be used, or the scene's statistics cannot be measured.
    """
    picks = picks_of(scene, card)
    with _tile_boxes(boxes, scene, card) as boxes_in:
        preparation = _preparation(scene, card, picks, settings.scaling, device)

        def read(window: Window) -> Tile:
            unreadable = scene.missing.times
            bands, valid = prepare_window(scene, window, preparation, picks, device)
            if not valid.any():
                bands, valid = _nothing(window, len(picks))
            missing = scene.missing.times > unreadable
            prompts = boxes_in(window)
            if prompts is not None and not len(prompts):
                bands, _ = _nothing(window, len(picks))  # nobody will look at it
            return Tile(window, bands, valid, prompts, missing)

        yield read


def _anchor(scene: Scene) -> tuple[int, int]:
    """Row and column of the scene's first pixel in a frame that all its parts share.

    It begins at the origin of the map's CRS, so that also parts cut out by other programs have the
    same tiles as the whole; without a transform at the first pixel of the file.
    """
    transform = scene.georeference.transform
    if transform is None or transform.is_degenerate:
        return scene.cut.row, scene.cut.col
    col, row = ~transform * (0.0, 0.0)
    return -int(np.floor(row + _HALF)), -int(np.floor(col + _HALF))


def _nothing(window: Window, bands: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Bands and validity of a tile without data, which take no memory while it waits."""
    shape = window.height, window.width
    return np.broadcast_to(np.float32(0), (bands, *shape)), np.broadcast_to(np.False_, shape)


def _preparation(
    scene: Scene,
    card: ModelCard,
    picks: Sequence[int | None],
    scaling: ScalingSource,
    device: str,
) -> Preparation:
    if scaling == "model":
        return card.preparation
    own = card.preparation
    statistics = scene_scaling(scene, picks, own, own.quantity, device)
    return own.model_copy(update={"scaling": statistics})


def _tile_boxes(
    boxes: BoxSource | None, scene: Scene, card: ModelCard
) -> AbstractContextManager[Callable[[Window], Boxes | None]]:
    return nullcontext(lambda window: None) if boxes is None else boxes.on(scene, card)
