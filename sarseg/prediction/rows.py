"""The rows of a map one after the other, for those who look at them and write no map."""

from collections.abc import Callable, Generator

from sarseg.classes import NODATA
from sarseg.model.file import LoadedModel
from sarseg.prediction.blend import StripBlender
from sarseg.prediction.boxes import BoxSource
from sarseg.prediction.fit import nothing_valid
from sarseg.prediction.forward import Forward, choose_precision
from sarseg.prediction.layers import map_layers
from sarseg.prediction.mapping import FinishedRows, map_strip
from sarseg.prediction.settings import DEFAULTS, PredictSettings
from sarseg.prediction.tile_reading import checked_grid, tile_reader
from sarseg.prediction.tiles import TileGrid
from sarseg.scenes.reader import Scene

_BATCH_SIZE = 4
"""Where it is not chosen: nothing is written that it could change."""


def map_rows(
    scene: Scene,
    model: LoadedModel,
    settings: PredictSettings = DEFAULTS,
    *,
    boxes: BoxSource | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Generator[FinishedRows, None, None]:
    """The map of ``scene``, with the bands that ``settings`` ask for, in rows of the full width
    from first to last.

    Options and the bands are checked at once, all else is done as the rows are asked for; see
    ``predict_scene`` on both, and on what is raised. Run it in ``bounded_cache``.
    """
    grid = checked_grid(scene, model.card, settings, boxes)
    return _map_rows(scene, model, grid, boxes, settings, progress)


def _map_rows(
    scene: Scene,
    model: LoadedModel,
    grid: TileGrid,
    boxes: BoxSource | None,
    settings: PredictSettings,
    progress: Callable[[int, int], None] | None,
) -> Generator[FinishedRows, None, None]:
    card = model.card
    layers = map_layers(card, settings)
    forward = Forward(model, choose_precision(settings.precision, model.device), settings.views)
    batch_size = settings.batch_size or _BATCH_SIZE
    (strip,) = grid.strips()
    blender = StripBlender(strip, len(card.classes), settings.window)
    mapped = False
    with tile_reader(scene, card, settings, boxes, model.device) as read:
        for step in map_strip(strip, read, forward, blender, layers, batch_size):
            for rows in step.rows:
                mapped = mapped or bool((rows.classes != NODATA).any())
                yield rows
            if progress:
                progress(step.done, len(strip))
    if not mapped:
        raise nothing_valid(scene, card)
