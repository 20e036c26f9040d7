"""Tiles to look at a model with: of a scene, or simulated."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.synthetic.files import write_scene
from sarseg.datasets.synthetic.scene import simulate
from sarseg.errors import InputError, ModelError
from sarseg.filters.preparation import prepare_window
from sarseg.model.card import ModelCard
from sarseg.prediction.fit import picks_of
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window

_SEED = 2_000_000
"""Of the simulated scene: none that the shipped model was trained on or chosen by."""

_POLARISATIONS = ("VV", "VH", "HH", "HV")

_VALID = 0.9
"""Of a tile's pixels at least."""


def example_tiles(scene: Scene, card: ModelCard, count: int) -> list[NDArray[np.float32]]:
    """At most ``count`` prepared tiles (C, S, S) of ``scene``, spread over those that are valid.

    Raises ModelError where the bands do not fit, InputError where no tile is nine tenths valid.
    """
    picks, side = picks_of(scene, card), card.tile_size
    windows = [
        Window(row, col, side, side)
        for row in _starts(scene.height, side)
        for col in _starts(scene.width, side)
    ]
    found: list[NDArray[np.float32]] = []
    # far apart first, so that few are read where all are valid
    for number in np.argsort(_bit_reversed(len(windows)), kind="stable"):
        window = windows[number]
        bands, valid = prepare_window(scene, window, card.preparation, picks)
        if valid[window.within(scene.height, scene.width).slices_in(window)].mean() >= _VALID:
            found.append(bands)
        if len(found) == count:
            return found
    if not found:
        raise InputError(
            f"No tile of {side} pixels of {scene.name} is {_VALID:.0%} valid: choose another "
            "scene, or none, for a simulated one."
        )
    return found


@contextmanager
def simulated_scene(card: ModelCard, count: int) -> Iterator[Scene]:
    """A simulated scene of ``count`` tiles, with bands that the model takes.

    Raises ModelError where it takes what is not simulated.
    """
    bands = [
        next((band for band in slot.accepts if band in _POLARISATIONS), None)
        for slot in card.inputs.slots
    ]
    simulated = list(dict.fromkeys(band for band in bands if band is not None))
    missing = [
        slot.name for slot, band in zip(card.inputs.slots, bands, strict=True) if band is None
    ]
    if not simulated or (missing and not card.inputs.optional):
        raise ModelError(
            f"The model takes {', '.join(missing)}, which is not simulated: name a --scene."
        )
    if card.preparation.quantity != "db":
        raise ModelError(
            "The model takes images of amplitudes, which are not simulated: name a --scene."
        )
    side = card.tile_size
    with TemporaryDirectory(prefix="sarseg-") as folder:
        path = Path(folder) / "simulated.tif"
        drawn = simulate(_SEED, side, count * side, polarisations=simulated, border=False)
        write_scene(drawn, path, path.with_name("truth.tif"))
        with Scene.open([str(path)]) as scene:
            yield scene


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin that fill a scene without overhanging it; in the middle of a small one."""
    if length < side:
        return [-((side - length) // 2)]
    return [round(start) for start in np.linspace(0, length - side, length // side)]


def _bit_reversed(count: int) -> NDArray[np.float64]:
    """0, 1/2, 1/4, 3/4, 1/8, …: van der Corput's sequence, where it begins each number's place."""
    numbers = np.arange(count)
    places, share = np.zeros(count), 0.5
    while numbers.any():
        places += share * (numbers % 2)
        numbers //= 2
        share /= 2
    return places
