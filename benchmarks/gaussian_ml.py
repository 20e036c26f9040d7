"""Gaussian maximum likelihood on the local mean: the baseline a trained model has to beat.

Features are the mean dB of every band over 9 x 9 valid pixels; each class is one Gaussian with a
full covariance; priors are equal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

Floats = NDArray[np.float64]
Labels = NDArray[np.uint8]

WINDOW = 9


@dataclass(frozen=True)
class Gaussians:
    """Means ``(K, F)`` and covariances ``(K, F, F)`` of the classes 0..K-1."""

    means: Floats
    covariances: Floats

    @classmethod
    def fit(cls, samples: Iterable[tuple[Floats, Labels]], num_classes: int) -> "Gaussians":
        """From pairs of features ``(H, W, F)`` and class indices ``(H, W)``; others are left out.

        Every pair is looked at once and let go, so any number of scenes will do.
        """
        counts: list[float] = [0.0] * num_classes
        sums: list[Floats | float] = [0.0] * num_classes
        products: list[Floats | float] = [0.0] * num_classes
        for features, labels in samples:
            for index in range(num_classes):
                pixels = features[labels == index]
                counts[index] += len(pixels)
                sums[index] = sums[index] + pixels.sum(axis=0)
                products[index] = products[index] + pixels.T @ pixels
        means = np.stack([total / count for total, count in zip(sums, counts, strict=True)])
        squares = np.stack([total / count for total, count in zip(products, counts, strict=True)])
        return cls(means, squares - np.einsum("kf,kg->kfg", means, means))

    def classify(self, features: Floats) -> NDArray[np.intp]:
        """Class ``(…)`` of greatest likelihood for features ``(…, F)``."""
        scores = []
        for mean, covariance in zip(self.means, self.covariances, strict=True):
            deviation = features - mean
            inverse = np.linalg.inv(covariance)
            distance = ((deviation @ inverse) * deviation).sum(axis=-1)
            scores.append(-0.5 * (distance + np.linalg.slogdet(covariance).logabsdet))
        best: NDArray[np.intp] = np.argmax(scores, axis=0)
        return best


def local_mean_db(bands_db: Sequence[NDArray[np.floating]]) -> Floats:
    """Mean over 9 x 9 pixels of every band ``(H, W)`` in dB, ``(H, W, bands)``; NaN outside."""
    means = []
    for band in bands_db:
        valid = np.isfinite(band)
        total = uniform_filter(np.where(valid, band, 0.0).astype(np.float64), WINDOW)
        share = uniform_filter(valid.astype(np.float64), WINDOW)
        mean = total / np.maximum(share, 0.5 / WINDOW**2)
        means.append(np.where(valid, mean, np.nan))
    return np.stack(means, axis=-1)
