"""Filters of spatial frequency on linear intensity."""

from __future__ import annotations

from math import ceil, log, pi, sin, sqrt
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import special

from sarseg.kernels import compiled, over_rows

if TYPE_CHECKING:
    from torch import Tensor

_REACH = 4.0
"""Standard deviations at which a Gaussian is cut off: at most 6e-4 of its weight lies beyond."""


class FrequencyFilter(BaseModel):
    """Low-pass, high-pass or, with both cutoffs, band-pass with soft (Gaussian) edges.

    Cutoffs are in cycles per pixel, 0.001 to 0.5, where half the power passes. ``low_pass`` alone
    averages: intensity is convolved, along rows and columns, with the discrete Gaussian whose
    transfer function is ``exp(-ln(2)/2 (sin(pi f) / sin(pi low_pass))^2)`` (Lindeberg 1990,
    "Scale-space for discrete signals", IEEE TPAMI 12(3):234-254). Samples of the continuous one
    would alias: above about 0.2 cycles per pixel they pass too much. ``high_pass`` alone is the
    intensity over such an average: speckle and texture are multiplicative, so what is above a
    cutoff is a ratio, about 1 (in decibels a difference: the homomorphic filter of Oppenheim,
    Schafer & Stockham 1968). Band-pass is the average at ``low_pass`` over that at ``high_pass``.

    A Gaussian has no negative lobes: nothing rings at point targets, intensity stays positive, and
    an average keeps the mean. Averages are normalised over the valid pixels within ``margin``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low_pass: float | None = Field(default=None, ge=0.001, le=0.5)
    high_pass: float | None = Field(default=None, ge=0.001, le=0.5)

    @model_validator(mode="after")
    def _passes_a_band(self) -> Self:
        if self.low_pass is None and self.high_pass is None:
            raise ValueError("give low_pass, high_pass, or both for a band-pass")
        if self.low_pass and self.high_pass and self.high_pass >= self.low_pass:
            raise ValueError(
                f"a band-pass passes what lies above high_pass ({self.high_pass:g}) and below "
                f"low_pass ({self.low_pass:g}), so high_pass must be the smaller one"
            )
        return self

    @property
    def margin(self) -> int:
        """Pixels needed on every side of a window."""
        cutoffs = [cutoff for cutoff in (self.low_pass, self.high_pass) if cutoff is not None]
        return _radius(min(cutoffs))

    def __call__(
        self, intensity: NDArray[np.float32], valid: NDArray[np.bool_], device: str = "cpu"
    ) -> NDArray[np.float32]:
        """Filtered linear ``intensity`` (C, h, w), where it is ``valid`` (h, w).

        Valid intensities are finite and >= 0. Invalid pixels, which may hold anything, pass
        through unchanged; where the average is 0, the ratio to it is 1. ``device`` names the torch
        device that computes.
        """
        fine: NDArray[np.float32] = intensity
        if self.low_pass is not None:
            fine = _average(intensity, valid, self.low_pass, device)
        if self.high_pass is None:
            return fine
        result = _average(intensity, valid, self.high_pass, device)
        nothing = valid & (result == 0)
        np.divide(fine, result, out=result, where=valid & ~nothing)
        result[nothing] = 1.0
        return result


def _radius(cutoff: float) -> int:
    return ceil(_REACH * _standard_deviation(cutoff))


def _standard_deviation(cutoff: float) -> float:
    """Of the Gaussian, in pixels, whose transfer function is 1/sqrt(2) at ``cutoff``."""
    return sqrt(log(2.0)) / (2.0 * sin(pi * cutoff))


def _weights(cutoff: float) -> NDArray[np.float64]:
    steps = np.arange(-_radius(cutoff), _radius(cutoff) + 1)
    return np.asarray(special.ive(steps, _standard_deviation(cutoff) ** 2))


def _average(
    intensity: NDArray[np.float32], valid: NDArray[np.bool_], cutoff: float, device: str
) -> NDArray[np.float32]:
    """Gaussian means over the valid pixels; invalid ones as they are."""
    weights = _weights(cutoff)
    if device != "cpu":
        return _average_on_device(intensity, valid, weights, device)
    bands = np.ascontiguousarray(intensity, np.float32)
    mask = np.ascontiguousarray(valid, np.bool_)
    result = np.empty_like(bands)

    def fill(first: int, last: int) -> None:
        for band, averages in zip(bands, result, strict=True):
            _fill_averages(band, mask, weights, first, averages[first:last])

    over_rows(mask.shape[0], fill)
    return result


@compiled
def _fill_averages(
    intensity: NDArray[np.float32],
    valid: NDArray[np.bool_],
    weights: NDArray[np.float64],
    first: int,
    result: NDArray[np.float32],
) -> None:
    """Write the averages of one band's rows from ``first`` on into ``result`` (rows, w).

    Direct sums: a transform would spread the rounding of bright targets over dark surroundings.
    """
    height, width = intensity.shape
    radius = len(weights) // 2
    column_sums = np.empty(width + 2 * radius)
    column_weights = np.empty(width + 2 * radius)
    sums = np.empty(width)
    totals = np.empty(width)
    for row in range(len(result)):
        column_sums[:] = 0.0
        column_weights[:] = 0.0
        top = max(first + row - radius, 0)
        bottom = min(first + row + radius + 1, height)
        for source in range(top, bottom):
            weight = weights[source - first - row + radius]
            for col in range(width):
                known = valid[source, col]
                column_sums[radius + col] += weight * intensity[source, col] if known else 0.0
                column_weights[radius + col] += weight if known else 0.0
        sums[:] = 0.0
        totals[:] = 0.0
        for step in range(2 * radius + 1):
            weight = weights[step]
            for col in range(width):
                sums[col] += weight * column_sums[col + step]
                totals[col] += weight * column_weights[col + step]
        for col in range(width):
            known = valid[first + row, col]
            result[row, col] = sums[col] / totals[col] if known else intensity[first + row, col]


def _average_on_device(
    intensity: NDArray[np.float32],
    valid: NDArray[np.bool_],
    weights: NDArray[np.float64],
    device: str,
) -> NDArray[np.float32]:
    import torch

    bands = torch.tensor(intensity, device=device)
    mask = torch.tensor(valid, device=device)
    known = torch.where(mask, bands, 0.0).double()
    kernel = torch.tensor(weights, device=device)
    averages = _blurred(known, kernel) / _blurred(mask.double()[None], kernel)
    return np.asarray(torch.where(mask, averages.float(), bands).cpu().numpy())


def _blurred(images: Tensor, kernel: Tensor) -> Tensor:
    """``images`` (C, h, w), zero beyond the edge, weighted with ``kernel`` along both axes."""
    from torch.nn import functional

    radius = len(kernel) // 2
    column = kernel.reshape(1, 1, -1, 1)
    rows = functional.conv2d(images[:, None], column, padding=(radius, 0))
    return functional.conv2d(rows, column.mT, padding=(0, radius))[:, 0]
