"""Frequency bands are those of the Fourier plane, counted frequency by frequency."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sarseg.adapters.frequency import frequency_band, frequency_images


def low_band_by_frequency(image: NDArray[np.float64], ratio: float) -> NDArray[np.float64]:
    """Without shifting: keeps the whole-number frequencies in [-l, l) of either axis."""
    height, width = image.shape
    reach = int(np.sqrt(height * width * ratio) // 2)
    rows, cols = (np.rint(np.fft.fftfreq(side) * side) for side in (height, width))
    kept_rows, kept_cols = ((-reach <= k) & (k < reach) for k in (rows, cols))
    spectrum = np.fft.fft2(image) * np.outer(kept_rows, kept_cols)
    filtered: NDArray[np.float64] = np.fft.ifft2(spectrum).real
    return filtered


@given(
    rows=st.integers(1, 8),
    cols=st.integers(1, 8),
    ratio=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_bands_equal_the_slow_reference(rows: int, cols: int, ratio: float, seed: int) -> None:
    image = np.random.default_rng(seed).normal(size=(3, 16 * rows, 16 * cols))
    low = np.stack([low_band_by_frequency(channel, ratio) for channel in image])
    bands = frequency_images(torch.from_numpy(image)[None], ratio, "both")
    expected = np.concatenate([np.abs(low), np.abs(image - low)])
    np.testing.assert_allclose(bands[0], expected, atol=1e-5)


def test_low_and_high_bands_part_slow_and_fast_waves() -> None:
    rows, cols = torch.meshgrid(torch.arange(32), torch.arange(48), indexing="ij")
    slow = torch.cos(2 * torch.pi * 2 * rows / 32)
    fast = torch.cos(2 * torch.pi * 20 * cols / 48)
    both = slow + fast
    torch.testing.assert_close(frequency_band(both, 0.25, "low"), slow.abs(), atol=1e-5, rtol=0)
    torch.testing.assert_close(frequency_band(both, 0.25, "high"), fast.abs(), atol=1e-5, rtol=0)
