"""How much memory a prediction takes, and how wide strips may be for it."""

import math

from sarseg.errors import UsageError
from sarseg.model.card import ModelCard
from sarseg.prediction.caching import cache_bytes
from sarseg.prediction.mapping import BATCHES_AHEAD
from sarseg.prediction.tiles import TileGrid
from sarseg.scenes.reader import Scene
from sarseg.wording import counted

WIDEST_STRIP = 8192
"""Columns of a strip: wider ones save next to nothing, as few tiles reach across."""

_FLOAT = 4
_ANSWERS = 3
"""Batches of probabilities at once: made, waiting, and blended."""

_SCRATCH = 8
"""Times the bands of a tile that preparing one takes."""

_SPREAD = 1.06
"""What the same work takes differs so much from one process to the next."""


def strip_width(
    scene: Scene,
    grid: TileGrid,
    card: ModelCard,
    num_bands: int,
    batch_size: int,
    *,
    base: int,
    memory: int | None,
) -> int:
    """Columns of a strip for which all fits ``memory`` bytes; None: the widest that is of use.

    ``base`` is what the process takes with the model at work, ``num_bands`` counts those of the
    map. Raises UsageError where not even strips of one tile fit.
    """
    widest = min(grid.width, WIDEST_STRIP)
    if memory is None:
        return widest

    def needed(width: int) -> int:
        return predicted_bytes(scene, grid, card, num_bands, batch_size, width, base=base)

    narrowest = min(grid.tile, widest)
    if needed(narrowest) > memory:
        raise shortage(memory, needed(narrowest), batch_size, narrowest)
    width = widest
    while needed(width) > memory:
        width = max(width - grid.stride, narrowest)
    return width


def predicted_bytes(
    scene: Scene,
    grid: TileGrid,
    card: ModelCard,
    num_bands: int,
    batch_size: int,
    width: int,
    *,
    base: int,
) -> int:
    """The most memory of the process that is used with strips of ``width`` columns."""
    pixels, bands, classes = grid.tile**2, len(card.inputs), len(card.classes)
    waiting = (BATCHES_AHEAD + 2) * batch_size * pixels * (bands * _FLOAT + 1)
    answers = _ANSWERS * batch_size * pixels * classes * _FLOAT
    scratch = _SCRATCH * pixels * bands * _FLOAT
    # the sums, one plane more while they move on, and finished rows twice: as bands and as bytes
    strip = width * grid.tile * ((classes + 2) * _FLOAT + 2 * num_bands)
    return base + waiting + answers + scratch + strip + cache_bytes(scene, grid, card, width)


def shortage(memory: int, needed: int, batch_size: int, width: int) -> UsageError:
    """That ``memory`` is not enough for batches of ``batch_size`` and strips of ``width`` columns,
    which take ``needed``, both in bytes: who gives what is named will have enough."""
    enough = math.ceil(_SPREAD * needed / 1e7) / 100
    return UsageError(
        f"--memory {memory / 1e9:.2f}GB is not enough for {counted(batch_size, 'tile')} at once in "
        f"strips of {counted(width, 'column')}: give --memory {enough:.2f}GB, or choose a model of "
        "smaller tiles or fewer parameters."
    )


def needed_disk(grid: TileGrid, card: ModelCard, num_bands: int, width: int) -> int:
    """The most bytes that a run takes on the disk of its output: finished rows, the sums of a strip
    of ``width`` columns while they are saved beside the last ones, and, at the end, overviews (a
    third) and the map, which compression can only make smaller."""
    rows = grid.height * grid.width * num_bands
    sums = grid.tile * width * (len(card.classes) + 1) * _FLOAT
    return rows * 8 // 3 + 2 * sums
