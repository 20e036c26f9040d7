"""Means over seeds, and differences with intervals by resampling the units of the reference.

A confusion matrix a unit (a field, a chip) is all that is needed. Pixels of one unit are alike, so
that units and not pixels are drawn (the bootstrap of Efron and Tibshirani 1993, "An Introduction to
the Bootstrap", by clusters).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
"""Draws that an interval is made of."""

SHARE = 0.95
"""Of the draws that lie within an interval."""

_AT_ONCE = 2**22
"""Numbers of draws of units that are made, or weighed, at a time: so many, and memory is small."""


@dataclass(frozen=True)
class Spread:
    """Mean of some figures, and their standard deviation (ddof 1; NaN of one alone)."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Difference:
    """By how much one run is above another: the mean over seeds, and the interval of it that
    resampling the units gives."""

    mean: float
    low: float
    high: float


def spread(figures: Sequence[float]) -> Spread:
    """Mean and standard deviation over seeds."""
    values = np.asarray(figures, float)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return Spread(float(values.mean()), deviation)


def mean_iou(confusions: NDArray[np.number], left_out: Sequence[int] = ()) -> NDArray[np.float64]:
    """mIoU of matrices ``(…, K, K + 1)`` as ``confusion_matrix`` counts them: ``(…)``.

    The mean is over the classes that the reference of each matrix contains, without those
    ``left_out``; what is predicted or labelled as these still counts against the others. NaN where
    no class is left.
    """
    counts = confusions.astype(float)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    labelled = counts.sum(-1)
    union = labelled + counts.sum(-2)[..., : hits.shape[-1]] - hits
    judged = labelled > 0
    judged[..., list(left_out)] = False
    iou = np.divide(hits, union, out=np.zeros_like(hits), where=judged)
    number = judged.sum(-1)
    total = iou.sum(-1)
    mean: NDArray[np.float64] = np.divide(
        total, number, out=np.full_like(total, np.nan), where=number > 0
    )
    return mean


def resample_weights(units: int, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.uint16]:
    """How often each resample draws each unit, with replacement: ``(resamples, units)``."""
    random = np.random.default_rng(seed)
    shares = np.full(units, 1 / units)
    weights = np.empty((resamples, units), np.uint16)
    for block in _blocks(resamples, units):
        weights[block] = random.multinomial(units, shares, size=len(weights[block]))
    return weights


def paired_difference(
    run: Sequence[NDArray[np.number]],
    reference: Sequence[NDArray[np.number]],
    weights: NDArray[np.integer],
    left_out: Sequence[int] = (),
) -> Difference:
    """mIoU of ``run`` less that of ``reference``, each the mean over its seeds.

    Both are counts ``(units, K, K + 1)``, one array a seed, over the same units; ``weights`` are
    from ``resample_weights`` and the same for all runs and seeds, which is what pairs them.
    """
    gap = _mean_over_seeds(run, None, left_out) - _mean_over_seeds(reference, None, left_out)
    gaps = _mean_over_seeds(run, weights, left_out) - _mean_over_seeds(reference, weights, left_out)
    tail = 50 * (1 - SHARE)
    low, high = np.nanpercentile(gaps, [tail, 100 - tail])
    return Difference(float(gap), float(low), float(high))


def _mean_over_seeds(
    seeds: Sequence[NDArray[np.number]],
    weights: NDArray[np.integer] | None,
    left_out: Sequence[int],
) -> NDArray[np.float64]:
    """mIoU of all units ``()``, or of each resample ``(R,)``: the mean over ``seeds``."""
    figures = []
    for counts in seeds:
        flat = counts.reshape(len(counts), -1).astype(float)
        summed = flat.sum(0) if weights is None else _weighted(weights, flat)
        figures.append(mean_iou(summed.reshape(*summed.shape[:-1], *counts.shape[1:]), left_out))
    mean: NDArray[np.float64] = np.mean(figures, axis=0)
    return mean


def _weighted(weights: NDArray[np.integer], flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """``weights`` (R, U) times ``flat`` (U, N): sums of whole numbers below 2^53, exact whatever
    their order."""
    summed = np.empty((len(weights), flat.shape[1]))
    for block in _blocks(*weights.shape):
        summed[block] = weights[block].astype(float) @ flat
    return summed


def _blocks(resamples: int, units: int) -> Iterator[slice]:
    """Resamples in blocks that memory has room for."""
    rows = max(_AT_ONCE // units, 1)
    return (slice(start, start + rows) for start in range(0, resamples, rows))
