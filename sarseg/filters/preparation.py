"""Preparation: from the numbers of a scene to the numbers that a model takes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sarseg.errors import InputError
from sarseg.filters.despeckle import Lee
from sarseg.filters.radiometry import Quantity, to_intensity, to_quantity
from sarseg.filters.statistics import BandMoments, BandScaling
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window


class Preparation(BaseModel):
    """Despeckle, decibels (or amplitude), scaling by the training set's statistics, clipping.

    ``quantity`` is what is scaled, and what ``scaling``, one entry a model slot, is in; ``clip`` is
    in standard deviations. Stored in the model file, so that what was trained on is what is
    predicted on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    despeckle: Lee | None = Lee()
    quantity: Quantity = "db"
    scaling: tuple[BandScaling, ...] = Field(min_length=1)
    clip: float = Field(default=5.0, gt=0.0, allow_inf_nan=False)

    @property
    def margin(self) -> int:
        """Pixels needed on every side of a window for a result that does not depend on it."""
        return self.despeckle.margin if self.despeckle else 0

    def apply(
        self,
        intensity: NDArray[np.float32],
        valid: NDArray[np.bool_],
        slots: Sequence[int] | None = None,
    ) -> NDArray[np.float32]:
        """Scaled bands (C, h, w) in ``[-clip, clip]`` from linear ``intensity`` (C, h, w).

        ``slots`` says which model slot each band fills (default: band i slot i). Pixels where
        ``valid`` (h, w) is False become 0, the training mean.
        """
        return self.scaled(levels(intensity, valid, self.despeckle, self.quantity), valid, slots)

    def scaled(
        self,
        levels: NDArray[np.float32],
        valid: NDArray[np.bool_],
        slots: Sequence[int] | None = None,
    ) -> NDArray[np.float32]:
        """The last step of ``apply`` alone, from despeckled ``levels`` (C, h, w)."""
        filled = range(len(levels)) if slots is None else slots
        chosen = [self.scaling[slot] for slot in filled]
        mean = np.array([band.mean for band in chosen], np.float32)[:, None, None]
        std = np.array([band.std for band in chosen], np.float32)[:, None, None]
        scaled = np.clip((levels - mean) / std, -self.clip, self.clip)
        return np.where(valid, scaled, np.float32(0.0))


def levels(
    intensity: NDArray[np.float32],
    valid: NDArray[np.bool_],
    despeckle: Lee | None,
    quantity: Quantity = "db",
) -> NDArray[np.float32]:
    """Linear ``intensity`` (C, h, w), despeckled, as ``quantity``."""
    return to_quantity(despeckle(intensity, valid) if despeckle else intensity, quantity)


def prepare_window(
    scene: Scene, window: Window, preparation: Preparation, picks: Sequence[int | None]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Prepared bands (len(picks), h, w) of ``window``, and validity (h, w).

    ``picks`` names the scene's band for each model slot; slots without one (None) hold zeros.
    Every pixel equals the same pixel of the prepared whole scene, wherever the window lies. Where
    the window overhangs the scene, the prepared scene is mirrored at its edge, so that a model
    sees no border there, and validity is False.
    """
    rows = _mirrored(window.row, window.height, scene.height)
    cols = _mirrored(window.col, window.width, scene.width)
    source = Window(int(rows.min()), int(cols.min()), int(np.ptp(rows)) + 1, int(np.ptp(cols)) + 1)
    bands, valid = _prepare_within(scene, source, preparation, picks)
    rows, cols = rows - source.row, cols - source.col
    inside_rows = _inside(window.row, window.height, scene.height)
    inside_cols = _inside(window.col, window.width, scene.width)
    inside = inside_rows[:, None] & inside_cols[None, :]
    return bands[:, rows[:, None], cols], valid[rows[:, None], cols] & inside


def scene_scaling(
    scene: Scene,
    picks: Sequence[int | None],
    despeckle: Lee | None = None,
    quantity: Quantity = "db",
) -> tuple[BandScaling, ...]:
    """Mean and standard deviation of the whole scene's ``quantity``, one entry a model slot.

    For scenes without calibration, whose numbers have another offset than the training set's.
    Despeckled as the model's Preparation does it, read once strip by strip. Slots without a band
    get mean 0, std 1.

    Raises InputError where the scene has no valid pixel.
    """
    bands = [pick for pick in picks if pick is not None]
    moments = BandMoments(len(bands))
    for strip in scene.strips():
        despeckled, valid = _levels_within(scene, strip, bands, despeckle, quantity)
        moments.add(despeckled[:, valid])
    if not moments.count:
        raise InputError(f"{scene.name} has no valid pixel: its statistics cannot be measured.")
    measured = iter(moments.scaling())
    unfilled = BandScaling(mean=0.0, std=1.0)
    return tuple(unfilled if pick is None else next(measured) for pick in picks)


def scene_medians(
    scene: Scene, picks: Sequence[int | None], quantity: Quantity = "db"
) -> tuple[float | None, ...]:
    """Median ``quantity`` of samples spread over the scene, one entry a model slot.

    None where a slot has no band or no sample is valid. Cheap: a few windows are read.
    """
    bands = [pick for pick in picks if pick is not None]
    samples = [
        to_quantity(to_intensity(values[:, valid], scene.unit), quantity)
        for values, valid in scene.samples(bands)
    ]
    sampled = np.concatenate(samples, axis=1)
    if not sampled.shape[1]:
        return tuple(None for _ in picks)
    medians = iter(np.median(sampled, axis=1))
    return tuple(None if pick is None else float(next(medians)) for pick in picks)


def _prepare_within(
    scene: Scene, window: Window, preparation: Preparation, picks: Sequence[int | None]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Prepared bands and validity of a window that lies within the scene."""
    slots = [slot for slot, pick in enumerate(picks) if pick is not None]
    filled = [pick for pick in picks if pick is not None]
    despeckled, valid = _levels_within(
        scene, window, filled, preparation.despeckle, preparation.quantity
    )
    bands = np.zeros((len(picks), window.height, window.width), np.float32)
    bands[slots] = preparation.scaled(despeckled, valid, slots)
    return bands, valid


def _levels_within(
    scene: Scene, window: Window, bands: Sequence[int], despeckle: Lee | None, quantity: Quantity
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Despeckled ``quantity`` (C, h, w) and validity (h, w) of a window within the scene.

    The filter's margin is read too, where the scene has it, and cut off again.
    """
    margin = despeckle.margin if despeckle else 0
    source = window.padded(margin).within(scene.height, scene.width)
    values, valid = scene.read(source, bands)
    despeckled = levels(to_intensity(values, scene.unit), valid, despeckle, quantity)
    inner = window.slices_in(source)
    return despeckled[:, *inner], valid[inner]


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
