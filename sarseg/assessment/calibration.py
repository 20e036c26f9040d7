"""Whether confidence means what it says: calibration error, and the temperature that mends it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from sarseg.classes import NODATA

COOLEST, HOTTEST = 0.05, 20.0
"""Temperatures that ``fit_temperature`` looks between."""


@dataclass(frozen=True)
class CalibrationBin:
    """Pixels whose confidence lies in ``lower`` < c <= ``upper``; all in 0..1 but the count.

    ``confidence`` is their mean confidence, ``accuracy`` the share of right ones.
    """

    lower: float
    upper: float
    confidence: float
    accuracy: float
    count: int


class Calibration:
    """Counts of right and wrong pixels by the confidence, in whole percent, of their class."""

    def __init__(self) -> None:
        self._counts = np.zeros((2, 101), np.int64)  # [wrong or right, percent]

    def add(self, percent: NDArray[np.uint8], correct: NDArray[np.bool_]) -> None:
        """Count pixels, any shape: confidence 0..100, or 255 for none, and whether it is right.

        Only judged pixels are to be given. Raises ValueError for another percentage.
        """
        told = percent != NODATA
        percent, correct = percent[told], correct[told]
        if percent.size and percent.max() > 100:
            raise ValueError(f"a confidence of {percent.max()} %: it has to be 0 to 100")
        for outcome in (False, True):
            self._counts[int(outcome)] += np.bincount(percent[correct == outcome], minlength=101)

    def curve(self, bins: int = 15) -> list[CalibrationBin]:
        """The reliability diagram: bins of equal width that hold a pixel, in rising order.

        Guo et al. (2017), "On calibration of modern neural networks", ICML, section 2; confidence
        0 belongs to the first bin.
        """
        percent = np.arange(101)
        # In whole numbers: a bin's upper end is exactly its own.
        belongs = np.maximum(-(-percent * bins // 100) - 1, 0)
        curve = []
        for number in range(bins):
            wrong, right = self._counts[:, belongs == number]
            pixels = wrong + right
            count = int(pixels.sum())
            if count:
                curve.append(
                    CalibrationBin(
                        lower=number / bins,
                        upper=(number + 1) / bins,
                        confidence=float(pixels @ percent[belongs == number] / (100 * count)),
                        accuracy=float(right.sum() / count),
                        count=count,
                    )
                )
        return curve

    def ece(self, bins: int = 15) -> float:
        """Expected calibration error, 0..1: the mean gap of the bins, weighted by their pixels.

        Naeini, Cooper and Hauskrecht (2015), "Obtaining well calibrated probabilities using
        Bayesian binning", AAAI; Guo et al. (2017), equation 3. NaN without a pixel.
        """
        curve = self.curve(bins)
        total = sum(entry.count for entry in curve)
        gaps = sum(entry.count * abs(entry.accuracy - entry.confidence) for entry in curve)
        return gaps / total if total else math.nan

    def mce(self, bins: int = 15) -> float:
        """Maximum calibration error, 0..1: the widest gap of a bin. Guo et al. (2017), equation 5.

        NaN without a pixel.
        """
        gaps = (abs(entry.accuracy - entry.confidence) for entry in self.curve(bins))
        return max(gaps, default=math.nan)


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """What to divide logits ``(N, K)`` by so that the softmax fits ``labels`` ``(N,)``, 0..K-1.

    The temperature of least mean negative log-likelihood within 0.05..20: Guo et al. (2017),
    section 4.2. The likelihood has one maximum, which lies at the upper bound where the logits say
    less than nothing. Where no prediction is wrong it would rise without end towards temperature
    0, a certainty that no finite sample supports: 1 is given back, and the logits stay as they
    are. Raises ValueError without a pixel, and for values that are not finite, shapes that do not
    belong together and labels that are no class.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits {logits.shape} and labels {labels.shape} do not fit")
    if not labels.size:
        raise ValueError("a temperature cannot be fitted without a labelled pixel")
    if not np.isfinite(logits).all():
        raise ValueError("a temperature cannot be fitted to logits that are not finite")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(f"labels {labels.min()}..{labels.max()} for {logits.shape[1]} classes")
    # Relative to the label's own logit, the negative log-likelihood is the log-sum-exp alone.
    exact = logits.astype(np.float64)
    relative = exact - np.take_along_axis(exact, labels[:, None].astype(np.int64), axis=1)
    if relative.max() <= 0:
        return 1.0

    def loss(log_temperature: float) -> float:
        return float(logsumexp(relative * math.exp(-log_temperature), axis=1).mean())

    found = minimize_scalar(loss, bounds=(math.log(COOLEST), math.log(HOTTEST)), method="bounded")
    return math.exp(found.x)


class PixelSample:
    """A random sample of at most ``limit`` labelled pixels of all that pass by.

    Every pixel is as likely to be in it as any other. Each draws a random number, and those with
    the smallest stay, so the sample depends on the seed and on the order of the pixels, but not
    on the batches that they come in.
    """

    def __init__(self, num_classes: int, limit: int, seed: int) -> None:
        if limit < 1:
            raise ValueError(f"a sample of at most {limit} pixels: it has to be 1 or more")
        self.limit = limit
        self.logits = np.empty((0, num_classes), np.float32)
        """``(n, K)``, as ``fit_temperature`` takes them."""
        self.labels = np.empty(0, np.int64)
        """``(n,)``, of the same pixels."""
        self._draws = np.empty(0)  # of the same pixels, rising
        self._generator = np.random.default_rng(seed)

    def add(self, logits: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
        """Let pixels pass: logits ``(B, K, …)``, labels ``(B, …)``; labels from K on are none.

        Raises ValueError for shapes that do not belong together.
        """
        by_pixel = np.moveaxis(logits, 1, -1)
        if by_pixel.shape != (*labels.shape, self.logits.shape[1]):
            raise ValueError(f"logits {logits.shape} and labels {labels.shape} do not fit")
        labelled = labels < self.logits.shape[1]
        draws = np.full(labels.shape, np.inf)
        draws[labelled] = self._generator.random(np.count_nonzero(labelled))
        bar = self._draws[-1] if len(self._draws) == self.limit else 1.0
        passed = draws < bar
        ranked = np.concatenate([self._draws, draws[passed]])
        kept = np.argsort(ranked, kind="stable")[: self.limit]
        self._draws = ranked[kept]
        self.logits = np.concatenate([self.logits, by_pixel[passed].astype(np.float32)])[kept]
        self.labels = np.concatenate([self.labels, labels[passed].astype(np.int64)])[kept]
