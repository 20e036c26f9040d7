"""Which spatial frequencies features hold."""

import torch
from torch import Tensor, fft

_LEAST = 1e-6
"""Added to amplitudes, so that none is without a logarithm."""


def log_amplitudes(features: Tensor) -> Tensor:
    """Natural logarithm of the amplitudes of ``features`` (D, h, w) at equal frequencies along rows
    and columns: the mean over D, from zero to the highest, (min(h, w) // 2 + 1,).

    The half-diagonal of the spectrum, as Park and Kim look at it (2022, arXiv:2202.06709).
    """
    amplitudes = fft.fft2(features.double(), norm="forward").abs()
    steps = torch.arange(min(features.shape[-2:]) // 2 + 1, device=features.device)
    diagonal = amplitudes[:, steps, steps]
    logarithms: Tensor = (diagonal + _LEAST).log().mean(dim=0)
    return logarithms


def relative(amplitudes: Tensor) -> Tensor:
    """Log amplitudes (..., F) less that of zero frequency: negative where detail is weaker than the
    mean."""
    return amplitudes - amplitudes[..., :1]
