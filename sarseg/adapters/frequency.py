"""Frequency bands of images by a square mask in the centred Fourier plane.

The mask of Liu et al. 2023, "Explicit Visual Prompting for Low-Level Structure Segmentations",
as CWSAM (low band) and SAM-Adapter (high band) use it.
"""

from typing import Literal

import torch
from torch import Tensor, fft

from sarseg.sam.precision import full_precision

Band = Literal["low", "high"]
Bands = Literal["low", "high", "both"]

_BANDS: dict[Bands, tuple[Band, ...]] = {
    "low": ("low",),
    "high": ("high",),
    "both": ("low", "high"),
}


def num_frequency_channels(bands: Bands) -> int:
    """Channels of ``frequency_images``: three a band."""
    return 3 * len(_BANDS[bands])


def frequency_images(image: Tensor, ratio: float, bands: Bands) -> Tensor:
    """The bands of ``image`` ``(B, 3, H, W)`` behind each other: ``(B, 3 or 6, H, W)``."""
    return torch.cat([frequency_band(image, ratio, band) for band in _BANDS[bands]], dim=1)


def frequency_band(image: Tensor, ratio: float, band: Band) -> Tensor:
    """Magnitude of the low or high frequencies of ``image`` ``(…, H, W)``, same shape, float32.

    The low band is the square of side ``2 l`` about zero frequency, with
    ``l = int(sqrt(H W ratio) // 2)``, so that it covers about ``ratio`` of the plane, as far as
    the plane of a long image holds it; the high band is all the rest.
    """
    height, width = image.shape[-2:]
    half_side = int((height * width * ratio) ** 0.5 // 2)
    rows = slice(max(height // 2 - half_side, 0), height // 2 + half_side)
    cols = slice(max(width // 2 - half_side, 0), width // 2 + half_side)
    # half-precision FFTs exist for powers of two only, so autocast stops here
    with full_precision(image.device):
        spectrum = fft.fftshift(fft.fft2(image.float(), norm="forward"), dim=(-2, -1))
        low = torch.zeros(height, width, dtype=torch.bool, device=image.device)
        low[rows, cols] = True
        spectrum = torch.where(low if band == "low" else ~low, spectrum, 0)
        filtered = fft.ifft2(fft.ifftshift(spectrum, dim=(-2, -1)), norm="forward")
        magnitude: Tensor = filtered.real.abs()
        return magnitude
