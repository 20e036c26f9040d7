"""Filtered windows of a scene."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sarseg.scenes.auxiliary import is_auxiliary
from sarseg.scenes.radiometry import of_backscatter, to_intensity
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window


class WindowFilter(Protocol):
    """A filter of linear intensity that declares how far it looks."""

    @property
    def margin(self) -> int:
        """Pixels needed on every side of a window."""
        ...

    def __call__(
        self, intensity: NDArray[np.float32], valid: NDArray[np.bool_], device: str = "cpu"
    ) -> NDArray[np.float32]:
        """Filtered linear intensity (C, h, w), where ``valid`` (h, w)."""
        ...


def filtered_window(
    scene: Scene, window: Window, bands: Sequence[int], step: WindowFilter, device: str = "cpu"
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Linear intensity (C, h, w) of ``bands`` after ``step``, and validity (h, w).

    ``window`` lies within the scene; the filter's margin is read too, where the scene has it, and
    cut off again, so that the result is the same window of the filtered whole. Auxiliary bands keep
    their values.
    """
    source = window.padded(step.margin).within(scene.height, scene.width)
    values, valid = scene.read(source, bands)
    inner = window.slices_in(source)
    filtered = of_backscatter(
        lambda backscatter: step(to_intensity(backscatter, scene.unit), valid, device),
        values,
        [is_auxiliary(scene.bands[band]) for band in bands],
    )
    return filtered[:, *inner], valid[inner]
