"""Images of a Sentinel-1 product as calibrated backscatter."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sarseg.scenes.band import DerivedBand, Encoding, Meaning, RasterBand
from sarseg.scenes.sentinel1.lookup import Noise, VectorTable
from sarseg.scenes.unit import Calibration, Unit
from sarseg.scenes.window import Window

_HALF_DN = 0.5**2
"""Power of half a DN: what a DN of 0 may stand for."""

_SHARE_OF_NOISE = 0.01
"""Part of the noise, -20 dB of it, below which a power tells nothing."""


class CalibratedBand(DerivedBand):
    """Backscatter: (DN² - noise) / A², in linear intensity, of an image of DN, or of complex
    numbers, whose amplitude counts.

    Where noise outweighs DN², the result is that of a hundredth of the noise, and at least that of
    half a DN: dark, but above 0, so that it has a value in decibels. ``A`` and the noise are
    interpolated for the pixels of a window alone. Validity is that of the image.

    ``doubt`` is a sentence for the user where the noise could not be subtracted.
    """

    def __init__(
        self,
        image: RasterBand,
        gain: VectorTable,
        noise: Noise | None,
        calibration: Calibration,
        files: Sequence[str],
    ) -> None:
        """``image`` is named by its polarisation. ``noise`` is None where the processor has
        subtracted it. ``files`` are those that ``image`` and the tables come from.
        """
        super().__init__(image)
        self.meaning = Meaning(
            image.meaning.name, unit="intensity", unit_source="product", calibration=calibration
        )
        self._gain = gain
        self._noise = noise
        self._files = tuple(files)

    @property
    def files(self) -> tuple[str, ...]:
        return self._files

    @property
    def linear_unit(self) -> Unit:
        return "intensity"

    @property
    def encoding(self) -> Encoding:
        return replace(self._band.encoding, format="Sentinel-1 product (SAFE)")

    @property
    def doubt(self) -> str | None:
        if self._noise is None or self._noise.calibrated:
            return None
        return (
            f"the noise of {self.meaning.name} is not subtracted: the product, of an early "
            "processor, does not tell it in the units of its image. Dark areas are too bright."
        )

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        amplitude, valid = self._band.read(window)
        power = np.square(amplitude, dtype=np.float64)
        if self._noise is not None and self._noise.calibrated:
            noise = self._noise.at(window)
            power = np.maximum(power - noise, _SHARE_OF_NOISE * noise)
        backscatter = np.maximum(power, _HALF_DN) / np.square(self._gain.at(window))
        return backscatter.astype(np.float32), valid
