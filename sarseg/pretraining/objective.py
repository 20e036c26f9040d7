"""What is asked for at hidden pixels: their mean intensity, not their speckle."""

import torch
from torch import Tensor

from sarseg.sam.precision import full_precision

_FARTHEST = 20.0
"""Largest logarithm of an intensity that is told from larger ones: 87 dB from the middle."""


def speckle_loss(log_mean: Tensor, intensity: Tensor, counted: Tensor) -> Tensor:
    """How badly ``exp(log_mean)`` explains ``intensity``, where it is ``counted``: a scalar.

    All are (B, C, S, S) or broadcast to it, ``counted`` boolean. The mean of ``x / m + ln m``: the
    negative log-likelihood of a multilook intensity x, which is gamma distributed about its
    expectation m, up to constants and for each look (Oliver and Quegan 2004, "Understanding
    Synthetic Aperture Radar Images"). It is smallest at the expectation, whatever the number of
    looks; 0 where nothing is counted.
    """
    with full_precision(intensity.device):
        expected = log_mean.float().clamp(-_FARTHEST, _FARTHEST)
        each = intensity * torch.exp(-expected) + expected
        return (each * counted).sum() / counted.sum().clamp(min=1)


def log_window_mean(intensity: Tensor, counted: Tensor) -> Tensor:
    """The logarithm of the mean ``intensity`` (B, C, S, S) of each window and band over its
    ``counted`` pixels, (B, C, 1, 1); 0 where there are none."""
    pixels = counted.sum((-2, -1), keepdim=True)
    total = (intensity * counted).sum((-2, -1), keepdim=True)
    means = torch.where(pixels > 0, total / pixels.clamp(min=1), 1.0)
    return means.clamp(min=torch.finfo(means.dtype).tiny).log()
