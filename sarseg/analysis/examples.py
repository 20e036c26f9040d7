"""Tiles to look at a model with: of a scene, or simulated."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.synthetic.files import write_scene
from sarseg.datasets.synthetic.scene import simulate
from sarseg.errors import InputError, ModelError
from sarseg.model.card import ModelCard
from sarseg.prediction.settings import PredictSettings
from sarseg.prediction.tile_reading import checked_grid, tile_reader
from sarseg.scenes.reader import Scene

_SEED = 2_000_000
"""Of the simulated scene: none that the shipped model was trained on or chosen by."""

_VALID = 0.9
"""Of a tile's pixels at least."""


def example_tiles(scene: Scene, card: ModelCard, count: int) -> list[NDArray[np.float32]]:
    """At most ``count`` prepared tiles (C, S, S) of ``scene``, spread evenly over those that are
    valid.

    Raises ModelError where the bands do not fit, InputError where no tile is nine tenths valid.
    """
    settings = PredictSettings(overlap=0)
    windows = list(checked_grid(scene, card, settings, None))
    # far apart first, so that few are read where all are valid
    order = np.argsort(_bit_reversed(len(windows)), kind="stable")
    found: list[NDArray[np.float32]] = []
    with tile_reader(scene, card, settings) as read:
        for number in order:
            tile = read(windows[number])
            if tile.valid.mean() >= _VALID:
                found.append(tile.bands)
            if len(found) == count:
                break
    if not found:
        raise InputError(
            f"No tile of {card.tile_size} pixels of {scene.name} is {_VALID:.0%} valid: choose "
            "another scene, or none, for a simulated one."
        )
    return found


@contextmanager
def simulated_scene(card: ModelCard, count: int) -> Iterator[Scene]:
    """A simulated scene that holds ``count`` tiles, with bands that the model takes.

    Raises ModelError where it takes other bands than the simulator makes.
    """
    accepted = {band for slot in card.inputs.slots for band in slot.accepts}
    pairs: Sequence[tuple[str, str]] = (("VV", "VH"), ("HH", "HV"))
    bands = max(pairs, key=lambda pair: len(accepted.intersection(pair)))
    if not accepted.intersection(bands):
        wanted = ", ".join(slot.name for slot in card.inputs.slots)
        raise ModelError(f"The model takes {wanted}, which are not simulated: name a scene.")
    side = card.tile_size
    with TemporaryDirectory(prefix="sarseg-") as folder:
        path = Path(folder) / "simulated.tif"
        # one more each way, as tiles begin where they do on the ground
        shape = 2 * side, (count + 1) * side
        drawn = simulate(_SEED, *shape, polarisations=bands, border=False)
        write_scene(drawn, path, path.with_name("truth.tif"))
        with Scene.open([str(path)]) as scene:
            yield scene


def _bit_reversed(count: int) -> NDArray[np.float64]:
    """0, 1/2, 1/4, 3/4, 1/8, …: van der Corput's sequence, where it begins each number's place."""
    numbers = np.arange(count)
    places, share = np.zeros(count), 0.5
    while numbers.any():
        places += share * (numbers % 2)
        numbers //= 2
        share /= 2
    return places
