"""Gaussian maximum likelihood on the local mean: the baseline a trained model has to beat."""

from typing import ClassVar

import torch
from torch import Tensor

from sarseg.baselines.base import LOWEST, Baseline, Classifier, LabelledChips, nothing_to_fit
from sarseg.baselines.windows import Window, valid_pixels, window_means
from sarseg.classes import NODATA

_RIDGE = 1e-6
"""Of a band's variance, added to it in every covariance: bands that say the same stay apart."""


class GaussianMl(Baseline):
    """Settings of Gaussian maximum likelihood."""

    name: ClassVar[str] = "gaussian-ml"
    by_gradient: ClassVar[bool] = False

    window: Window = 9
    """Pixels across which bands are averaged, so that speckle does not blur the classes."""

    def build(self, bands: int, num_classes: int) -> "Gaussians":
        """A Gaussian for each class, yet to be fitted."""
        return Gaussians(bands, num_classes, self.window)


class Gaussians(Classifier):
    """One Gaussian with a full covariance for each class, over the local means; equal priors.

    Where the bands are scaled linearly, the classes that are found stay the same.
    """

    means: Tensor
    whitening: Tensor
    offsets: Tensor

    def __init__(self, bands: int, num_classes: int, window: Window) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.window = window
        self.register_buffer("means", torch.zeros(num_classes, bands, dtype=torch.float64))
        self.register_buffer(
            "whitening", torch.eye(bands, dtype=torch.float64).repeat(num_classes, 1, 1)
        )
        self.register_buffer("offsets", torch.zeros(num_classes, dtype=torch.float64))

    def fit(self, chips: LabelledChips) -> None:
        """Add up the moments of each class, chip by chip.

        A class without pixels is never predicted. One with so few that its covariance would be
        that of chance has the covariance within classes, pooled over all: neighbouring means share
        most of their pixels, so a window's worth of them counts as one observation, and C bands
        need more than C observations.
        """
        counts = torch.zeros_like(self.offsets)
        sums = torch.zeros_like(self.means)
        products = torch.zeros_like(self.whitening)
        for number in range(len(chips)):
            bands, labels = chips[number]
            features = window_means(bands[None], self.window)[0]
            counted = torch.where(valid_pixels(bands[None])[0, 0], labels, NODATA)
            for index in range(self.num_classes):
                pixels = features[:, counted == index]
                counts[index] += pixels.shape[1]
                sums[index] += pixels.sum(dim=1)
                products[index] += pixels @ pixels.T
        seen = counts > 0
        if not seen.any():
            raise nothing_to_fit(GaussianMl.name)
        divisors = counts.clamp(min=1.0)
        self.means = sums / divisors[:, None]
        outer = self.means[:, :, None] * self.means[:, None, :]
        covariances = products / divisors[:, None, None] - outer
        pooled = (covariances * (counts / counts.sum())[:, None, None]).sum(dim=0)
        enough = counts > (self.means.shape[1] + 1) * self.window**2
        covariances = torch.where(enough[:, None, None], covariances, pooled)
        variances = pooled.diagonal()
        ridge = _RIDGE * torch.where(variances > 0.0, variances, 1.0)
        lower = torch.linalg.cholesky(covariances + ridge.diag())
        self.whitening = torch.linalg.inv(lower)
        # half the log-determinant, of a factor that is triangular
        half = lower.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        self.offsets = torch.where(seen, -half, -torch.inf)

    def forward(self, bands: Tensor) -> Tensor:
        """Log-probabilities of the classes: ``(B, C, S, S) -> (B, K, S, S)``."""
        features = window_means(bands, self.window)
        scores = []
        for mean, whitening, offset in zip(self.means, self.whitening, self.offsets, strict=True):
            deviation = features - mean[:, None, None]
            white = torch.einsum("fg,bghw->bfhw", whitening, deviation)
            scores.append(offset - 0.5 * white.square().sum(dim=1))
        return torch.stack(scores, dim=1).log_softmax(dim=1).clamp(min=LOWEST).float()
