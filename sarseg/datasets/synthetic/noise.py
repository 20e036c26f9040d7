"""Stationary Gaussian fields: the irregularity of outlines and of textures."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray


def smooth_field(
    shape: tuple[int, int], scale: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Gaussian field ``(H, W)`` of mean 0 and variance 1, smooth over ``scale`` pixels.

    ``scale`` is the standard deviation of the Gaussian kernel that filters white noise.
    """
    # The field is periodic: the margin keeps opposite borders from resembling each other.
    margin = int(2 * scale) + 1
    height, width = (int(scipy.fft.next_fast_len(size + margin, real=True)) for size in shape)
    spectrum = scipy.fft.rfft2(rng.standard_normal((height, width), dtype=np.float32))
    exponent = -2.0 * (np.pi * scale) ** 2
    spectrum *= np.exp(exponent * np.fft.fftfreq(height) ** 2).astype(np.float32)[:, None]
    spectrum *= np.exp(exponent * np.fft.rfftfreq(width) ** 2).astype(np.float32)
    field = scipy.fft.irfft2(spectrum, s=(height, width), overwrite_x=True)
    # Variance from theory, not from the sample: few grains must not be stretched to unit variance.
    field *= np.float32(2.0 * np.sqrt(np.pi) * scale)
    return np.ascontiguousarray(field[: shape[0], : shape[1]], dtype=np.float32)
