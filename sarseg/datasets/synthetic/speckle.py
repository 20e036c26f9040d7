"""SAR image formation: complex reflectivity, point spread function, detection, multi-looking.

Every resolution cell holds many scatterers of random phase, so that the complex reflectivity of
a rough surface is a circular Gaussian field of variance sigma0 (Goodman 1976; Oliver & Quegan
2004, ch. 4). The sensor sees it through its point spread function; the image is the squared
magnitude, averaged over independent looks. Speckle is thereby correlated between neighbours, and
bright scatterers spread into side lobes.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_PAD = 16
"""Pixels added round the scene so that side lobes do not wrap to the opposite border."""


@dataclass(frozen=True)
class PointSpread:
    """Separable Hamming-weighted band-pass response, the usual one of SAR processors.

    ``bandwidth`` is the processed share of the sampling band (0..1; 1/1.25 = 0.8 is an
    oversampling of 1.25); ``hamming`` the weight's alpha (1 is a pure sinc).
    """

    bandwidth: float = 0.8
    hamming: float = 0.75

    def transfer(self, size: int) -> NDArray[np.float32]:
        """Transfer function ``(size,)`` on the frequencies of an FFT; mean power 1."""
        frequency = np.fft.fftfreq(size)
        weight = self.hamming + (1.0 - self.hamming) * np.cos(
            2.0 * np.pi * frequency / self.bandwidth
        )
        response = np.where(np.abs(frequency) <= self.bandwidth / 2.0, weight, 0.0)
        return np.asarray(response / np.sqrt(np.mean(response**2)), dtype=np.float32)

    def speckle_correlation(self, lag: int) -> float:
        """Correlation (0..1) of a homogeneous area's intensity at ``lag`` pixels along one axis.

        It is the squared autocorrelation of the complex field (Oliver & Quegan 2004, sec. 4.8).
        """
        power = self.transfer(4096).astype(np.float64) ** 2
        return float(np.abs(np.fft.ifft(power)[lag]) ** 2)


@dataclass(frozen=True)
class PointScatterers:
    """Scatterers that dominate their pixel and are the same in every look.

    ``rows`` and ``columns`` are pixel indices ``(N,)``; ``sigma0`` their linear intensity.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    sigma0: NDArray[np.float32]


def look_weights(looks: float) -> NDArray[np.float64]:
    """Weights (sum 1) of independent looks whose average has exactly ``looks`` (>= 1) looks.

    An integer gives equal weights; otherwise one more look has a smaller weight, such that
    ``1 / sum(weights ** 2) == looks``.
    """
    if looks < 1:
        raise ValueError(f"looks must be at least 1, not {looks}")
    whole = int(looks)
    weights = np.ones(whole)
    if looks > whole:
        # (whole + w)^2 = looks (whole + w^2), the smaller root.
        root = np.sqrt(whole**2 + (looks - 1.0) * (whole**2 - looks * whole))
        weights = np.append(weights, (whole - root) / (looks - 1.0))
    return np.asarray(weights / weights.sum())


def form_image(
    sigma0: NDArray[np.float32],
    looks: float,
    rng: np.random.Generator,
    *,
    scatterers: PointScatterers | None = None,
    spread: PointSpread | None = None,
) -> NDArray[np.float32]:
    """Multi-looked intensity ``(H, W)`` (linear, like ``sigma0``) of a reflectivity ``(H, W)``."""
    spread = spread or PointSpread()
    height, width = sigma0.shape
    rows, columns = (int(scipy.fft.next_fast_len(size + 2 * _PAD)) for size in sigma0.shape)
    # Half the amplitude's power goes to the real part, half to the imaginary one.
    amplitude = np.pad(
        np.sqrt(sigma0 * np.float32(0.5)),
        ((_PAD, rows - height - _PAD), (_PAD, columns - width - _PAD)),
        mode="edge",
    )
    transfer_rows, transfer_columns = spread.transfer(rows)[:, None], spread.transfer(columns)
    image = np.zeros(sigma0.shape, dtype=np.float32)
    for weight in look_weights(looks):
        parts = rng.standard_normal((rows, 2 * columns), dtype=np.float32)
        field = parts.view(np.complex64)
        field *= amplitude
        if scatterers is not None:
            _add_scatterers(field, scatterers, rng)
        spectrum = scipy.fft.fft2(field, overwrite_x=True)
        spectrum *= transfer_rows
        spectrum *= transfer_columns
        seen = scipy.fft.ifft2(spectrum, overwrite_x=True)
        seen = seen[_PAD : _PAD + height, _PAD : _PAD + width]
        image += np.float32(weight) * (seen.real**2 + seen.imag**2)
    return image


def _add_scatterers(
    field: NDArray[np.complex64], scatterers: PointScatterers, rng: np.random.Generator
) -> None:
    phase = rng.uniform(0.0, 2.0 * np.pi, len(scatterers.rows))
    amplitude = np.sqrt(scatterers.sigma0) * np.exp(1j * phase)
    np.add.at(field, (scatterers.rows + _PAD, scatterers.columns + _PAD), amplitude)
