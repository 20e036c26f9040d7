"""Preparation: from the numbers of a scene to the numbers that a model takes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sarseg.errors import EmptySceneError
from sarseg.filters.chain import NO_FILTERS, Filters
from sarseg.filters.despeckle import Despeckle, Lee
from sarseg.filters.gaps import fill_gaps
from sarseg.filters.statistics import BandHistogram, BandScaling
from sarseg.filters.window import filtered_window
from sarseg.scenes.auxiliary import is_auxiliary
from sarseg.scenes.radiometry import Quantity, of_backscatter, to_quantity
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window


class Preparation(Filters):
    """Filters, decibels (or amplitude), scaling by the training set's statistics, clipping.

    ``quantity`` is what is scaled, and what ``scaling``, one entry a model slot, is in; ``clip`` is
    in spreads. Auxiliary bands are neither filtered nor turned into decibels. Stored in the model
    file, so that what was trained on is what is predicted on.
    """

    despeckle: Despeckle | None = Lee()
    quantity: Quantity = "db"
    scaling: tuple[BandScaling, ...] = Field(min_length=1)
    clip: float = Field(default=5.0, gt=0.0, allow_inf_nan=False)

    def scaled(
        self,
        levels: NDArray[np.float32],
        valid: NDArray[np.bool_],
        slots: Sequence[int] | None = None,
    ) -> NDArray[np.float32]:
        """Scaled bands (C, h, w) in ``[-clip, clip]`` from ``levels`` (C, h, w).

        ``slots`` says which model slot each band fills (default: band i slot i). Pixels where
        ``valid`` (h, w) is False hold mirrored valid ones; see ``fill_gaps``.
        """
        filled = range(len(levels)) if slots is None else slots
        chosen = [self.scaling[slot] for slot in filled]
        centre = np.array([band.centre for band in chosen], np.float32)[:, None, None]
        spread = np.array([band.spread for band in chosen], np.float32)[:, None, None]
        scaled = np.clip((levels - centre) / spread, -self.clip, self.clip)
        return fill_gaps(scaled, valid)


def levels(
    linear: NDArray[np.float32], auxiliary: Sequence[bool], quantity: Quantity
) -> NDArray[np.float32]:
    """What is scaled: linear intensity (C, h, w) as ``quantity``, ``auxiliary`` bands unchanged."""
    return of_backscatter(lambda bands: to_quantity(bands, quantity), linear, auxiliary)


def prepare_window(
    scene: Scene,
    window: Window,
    preparation: Preparation,
    picks: Sequence[int | None],
    device: str = "cpu",
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Prepared bands (len(picks), h, w) of ``window``, and validity (h, w).

    ``picks`` names the scene's band for each model slot; slots without one (None) hold zeros.
    Every valid pixel equals the same pixel of the prepared whole scene, wherever the window lies.
    Invalid ones hold mirrored valid ones of the window, so that a model sees no edge there. Where
    the window overhangs the scene, what is within is mirrored likewise, and validity is False.
    """
    if window.within(scene.height, scene.width) == window:
        return _prepare_within(scene, window, preparation, picks, device)
    rows = _mirrored(window.row, window.height, scene.height)
    cols = _mirrored(window.col, window.width, scene.width)
    source = Window(int(rows.min()), int(cols.min()), int(np.ptp(rows)) + 1, int(np.ptp(cols)) + 1)
    bands, valid = _prepare_within(scene, source, preparation, picks, device)
    rows, cols = rows - source.row, cols - source.col
    inside_rows = _inside(window.row, window.height, scene.height)
    inside_cols = _inside(window.col, window.width, scene.width)
    inside = inside_rows[:, None] & inside_cols[None, :]
    return bands[:, rows[:, None], cols], valid[rows[:, None], cols] & inside


def scene_scaling(
    scene: Scene,
    picks: Sequence[int | None],
    filters: Filters = NO_FILTERS,
    quantity: Quantity = "db",
    device: str = "cpu",
) -> tuple[BandScaling, ...]:
    """Centre and spread of the whole scene's ``quantity``, one entry a model slot.

    For scenes without calibration, whose numbers have another offset than the training set's.
    Filtered as the model's Preparation does it, read once strip by strip. Slots without a band
    get centre 0, spread 1.

    Raises EmptySceneError where the scene has no valid pixel.
    """
    bands = [pick for pick in picks if pick is not None]
    histogram = BandHistogram(len(bands))
    for strip in scene.strips():
        found, valid = _levels_within(scene, strip, bands, filters, quantity, device)
        histogram.add(found[:, valid])
    if not histogram.count:
        raise EmptySceneError(
            f"{scene.name} has no valid pixel: its statistics cannot be measured."
        )
    measured = iter(histogram.scaling(_auxiliary(scene, bands)))
    unfilled = BandScaling(centre=0.0, spread=1.0)
    return tuple(unfilled if pick is None else next(measured) for pick in picks)


def _prepare_within(
    scene: Scene,
    window: Window,
    preparation: Preparation,
    picks: Sequence[int | None],
    device: str,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Prepared bands and validity of a window that lies within the scene."""
    slots = [slot for slot, pick in enumerate(picks) if pick is not None]
    filled = [pick for pick in picks if pick is not None]
    found, valid = _levels_within(scene, window, filled, preparation, preparation.quantity, device)
    bands = np.zeros((len(picks), window.height, window.width), np.float32)
    bands[slots] = preparation.scaled(found, valid, slots)
    return bands, valid


def _levels_within(
    scene: Scene,
    window: Window,
    bands: Sequence[int],
    filters: Filters,
    quantity: Quantity,
    device: str,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """``levels`` (C, h, w) and validity (h, w) of a window within the scene."""
    linear, valid = filtered_window(scene, window, bands, filters, device)
    return levels(linear, _auxiliary(scene, bands), quantity), valid


def _auxiliary(scene: Scene, bands: Sequence[int]) -> tuple[bool, ...]:
    return tuple(is_auxiliary(scene.bands[band]) for band in bands)


def _mirrored(start: int, length: int, size: int) -> NDArray[np.intp]:
    """Indices within ``size`` pixels for ``length`` positions from ``start``, mirrored at the ends.

    The edge pixel itself is not repeated; positions beyond a whole mirror image run back again.
    """
    if size == 1:
        return np.zeros(length, np.intp)
    folded = np.arange(start, start + length) % (2 * (size - 1))
    return np.minimum(folded, 2 * (size - 1) - folded)


def _inside(start: int, length: int, size: int) -> NDArray[np.bool_]:
    positions = np.arange(start, start + length)
    return (positions >= 0) & (positions < size)
