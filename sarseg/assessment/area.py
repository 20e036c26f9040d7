"""Areas and accuracies of a map, estimated from reference samples, with their uncertainty.

Olofsson, Foody, Herold, Stehman, Woodcock and Wulder (2014), "Good practices for estimating area
and assessing accuracy of land change", Remote Sensing of Environment 148, 42-57: the stratified
estimator, whose strata are the classes of the map.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NORMAL_95 = 1.96  # as the paper has it


@dataclass(frozen=True)
class Estimate:
    """An estimate and its standard error, in the same unit; NaN where there is none."""

    value: float
    standard_error: float

    @property
    def margin(self) -> float:
        """Half the width of the 95 % confidence interval."""
        return _NORMAL_95 * self.standard_error

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval, of the normal approximation: it may go beyond 0 and 1."""
        return self.value - self.margin, self.value + self.margin


@dataclass(frozen=True)
class AreaEstimates:
    """What reference samples say of a map; tuples hold one entry a class.

    ``area`` is in the unit of ``pixel_area``, everything else a share in 0..1. ``proportions``
    ``[map class, reference class]`` are of the whole area. ``undersampled`` lists the classes on
    the map that have fewer than two samples. With one sample a stratum tells no spread: standard
    errors that need it are NaN. With none, so are the estimates themselves.
    """

    proportions: NDArray[np.float64]
    area: tuple[Estimate, ...]
    users_accuracy: tuple[Estimate, ...]
    producers_accuracy: tuple[Estimate, ...]
    overall_accuracy: Estimate
    undersampled: tuple[int, ...]


def stratified_estimate(
    counts: NDArray[np.integer], map_pixels: NDArray[np.number], pixel_area: float
) -> AreaEstimates:
    """Estimates from samples drawn at random within each class of the map.

    ``counts`` ``(K, K)`` holds samples ``[map class, reference class]``, which is the other way
    round than in a confusion matrix; ``map_pixels`` ``(K,)`` the pixels of each class in the whole
    map, 0 for a class of the reference alone; ``pixel_area`` is the area of one. Equation numbers
    are those of the paper. Samples drawn at random or on a grid over the whole map may be given
    too: the strata are formed afterwards then.

    User's accuracy is NaN for classes that are not on the map, producer's accuracy for classes
    that no sample belongs to. Raises ValueError for shapes that do not fit, negative numbers, an
    empty map, and samples of a class that the map does not have.
    """
    if (
        counts.ndim != 2
        or counts.shape[0] != counts.shape[1]
        or map_pixels.shape != counts[0].shape
    ):
        raise ValueError(f"counts {counts.shape} and map pixels {map_pixels.shape} do not fit")
    if (counts < 0).any() or (map_pixels < 0).any() or not map_pixels.any():
        raise ValueError("counts and pixels have to be 0 or more, and the map has to have pixels")
    samples = counts.sum(axis=1)
    on_map = map_pixels > 0
    if samples[~on_map].any():
        raise ValueError("samples lie in a class that has no pixel on the map")

    weight = map_pixels / map_pixels.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        share = counts / samples[:, None]
        # Of a stratum's shares; NaN from one sample.
        variance = share * (1 - share) / (samples - 1)[:, None]
    share[~on_map] = variance[~on_map] = 0.0
    proportions = weight[:, None] * share  # 4
    spread = weight[:, None] ** 2 * variance

    right, its_variance = np.diagonal(share), np.diagonal(variance)
    true_share = proportions.sum(axis=0)  # 9
    area = float(map_pixels.sum()) * pixel_area
    with np.errstate(divide="ignore", invalid="ignore"):
        producers = np.diagonal(proportions) / true_share  # 3
        inside = (1 - producers) ** 2 * np.diagonal(spread)
        others = np.where(np.eye(len(counts), dtype=bool), 0.0, spread).sum(axis=0)
        outside = producers**2 * others
        producers_variance = (inside + outside) / true_share**2  # 7
    return AreaEstimates(
        proportions=proportions,
        area=_estimates(area * true_share, area**2 * spread.sum(axis=0)),  # 10, 11
        users_accuracy=_estimates(  # 2, 6
            np.where(on_map, right, np.nan), np.where(on_map, its_variance, np.nan)
        ),
        producers_accuracy=_estimates(producers, producers_variance),
        overall_accuracy=_estimates(  # 1, 5
            np.diagonal(proportions).sum(keepdims=True), np.diagonal(spread).sum(keepdims=True)
        )[0],
        undersampled=tuple(np.flatnonzero(on_map & (samples < 2)).tolist()),
    )


def _estimates(values: NDArray[np.float64], variances: NDArray[np.float64]) -> tuple[Estimate, ...]:
    return tuple(
        Estimate(value, math.sqrt(variance))
        for value, variance in zip(values.tolist(), variances.tolist(), strict=True)
    )
