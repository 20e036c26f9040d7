"""Whether a scene is like what a model was trained on."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from sarseg.errors import EmptySceneError
from sarseg.filters.preparation import Preparation, levels
from sarseg.filters.statistics import BandHistogram, BandScaling
from sarseg.filters.window import filtered_window
from sarseg.model.bands import select_bands
from sarseg.model.card import ModelCard
from sarseg.scenes.auxiliary import is_auxiliary
from sarseg.scenes.ground import pixel_size
from sarseg.scenes.radiometry import Quantity
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import spread_windows

ScalingSource = Literal["model", "scene"]
"""Whose statistics scale the decibels: those of the training set, or the scene's own."""

_FAR_OFF: dict[Quantity, float] = {"db": 3.0, "amplitude": 2.0}
"""Spreads between a scene's median and the training set's that call for a warning.

Of the amplitudes 0 to 255 that images hold, two leave out what is near zero, as sigma0 is.
"""

_OTHER_SPREAD = 3.0
"""Times that a scene may spread more or less: one of water alone spreads less than a coast."""

_OTHER_PIXELS = 1.5
"""Times that pixels may be larger or smaller before what is on them looks different."""

_OTHER_NUMBERS = (
    "If the scene is not calibrated, use --scaling scene; if the numbers are something else, say "
    "so with --input-unit."
)
_OTHER_MEASUREMENT = (
    "Check that the band holds what its name says (angles in degrees, heights in m)."
)


def picks_of(scene: Scene, card: ModelCard) -> tuple[int | None, ...]:
    """The scene's band for each slot of the model, None where it stays empty.

    Raises ModelError where the bands do not fit.
    """
    return select_bands(card.inputs, scene.bands, scene.name)


def bands_used(scene: Scene, card: ModelCard) -> tuple[str, ...]:
    """The scene's bands that the model takes, in its order. Raises ModelError as ``picks_of``."""
    return tuple(scene.bands[pick] for pick in picks_of(scene, card) if pick is not None)


def doubts(scene: Scene, card: ModelCard, scaling: ScalingSource = "model") -> Iterator[str]:
    """Sentences about what a person should check before trusting the map; reads a few samples.

    Raises ModelError where the scene's bands do not fit.
    """
    yield from _pixel_doubts(scene, card)
    if scaling == "model":
        yield from _level_doubts(scene, card)


def scene_levels(scene: Scene, bands: Sequence[int], preparation: Preparation) -> list[BandScaling]:
    """Centre and spread of samples of ``bands``, filtered as ``preparation`` does; empty where
    none is valid."""
    auxiliary = tuple(is_auxiliary(scene.bands[band]) for band in bands)
    histogram = BandHistogram(len(bands))
    for window in spread_windows(scene.height, scene.width):
        linear, valid = filtered_window(scene, window, bands, preparation)
        histogram.add(levels(linear, auxiliary, preparation.quantity)[:, valid])
    return list(histogram.scaling(auxiliary)) if histogram.count else []


def _pixel_doubts(scene: Scene, card: ModelCard) -> Iterator[str]:
    found = pixel_size(scene.georeference)
    if found is None or card.pixel_size is None:
        return
    if not 1 / _OTHER_PIXELS < found / card.pixel_size < _OTHER_PIXELS:
        advice = (
            "Train on such pixels."
            if found > card.pixel_size
            else f"Warp the scene (--resolution {card.pixel_size:.3g}, in a metric --to-crs) or "
            "train on such pixels."
        )
        yield (
            f"{scene.name} has pixels of {found:.3g} m, the training data had "
            f"{card.pixel_size:.3g} m: what the model knows by its size and texture looks "
            f"different. {advice}"
        )


def _level_doubts(scene: Scene, card: ModelCard) -> Iterator[str]:
    preparation = card.preparation
    quantity = preparation.quantity
    slots = {pick: slot for slot, pick in enumerate(picks_of(scene, card)) if pick is not None}
    bands = tuple(slots)
    for band, found in zip(bands, scene_levels(scene, bands, preparation), strict=False):
        trained = preparation.scaling[slots[band]]
        unit = " dB" if quantity == "db" and not found.auxiliary else ""
        name = f"{scene.bands[band]} of {scene.name}"
        if not found.auxiliary:
            name += f", read as {scene.unit}{' by guess' if scene.unit_guessed else ''},"
        if abs(found.centre - trained.centre) > _FAR_OFF[quantity] * trained.spread:
            yield (
                f"{name} has a median of {found.centre:.1f}{unit}, far from the "
                f"{trained.centre:.1f}{unit} (spread {trained.spread:.1f}{unit}) of the training "
                f"data. {_OTHER_MEASUREMENT if found.auxiliary else _OTHER_NUMBERS}"
            )
        elif abs(np.log(found.spread / trained.spread)) > np.log(_OTHER_SPREAD):
            yield (
                f"{name} spreads by {found.spread:.1f}{unit} about its median, the training data "
                f"by {trained.spread:.1f}{unit}. "
                f"{_OTHER_MEASUREMENT if found.auxiliary else _OTHER_NUMBERS}"
            )


def nothing_valid(scene: Scene, card: ModelCard) -> EmptySceneError:
    """The sentence for a scene without a map."""
    used = " and ".join(bands_used(scene, card))
    return EmptySceneError(
        f"{scene.name} has no pixel that is valid in {used}: all is nodata, "
        "so there is no map to make."
    )
