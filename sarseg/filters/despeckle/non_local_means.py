"""Non-local means for multiplicative speckle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from sarseg.filters.despeckle.base import SpeckleFilter
from sarseg.filters.despeckle.local_statistics import neighbourhood, row_blocks
from sarseg.kernels import compiled

if TYPE_CHECKING:
    from torch import Tensor

_ROWS, _COLUMNS = 64, 256  # of a block, whose values and sums a core's second cache can hold

_FLOOR = float(np.finfo(np.float32).tiny)
"""Stands for an intensity of 0 where a ratio is formed."""


class NonLocalMeans(SpeckleFilter):
    """The mean of the pixels round about, each weighted by how alike its patch is.

    Patches s and t of ``patch`` x ``patch`` pixels with intensities a and b, pixel by pixel, are
    as unlike as ``S = sum log((sqrt(a / b) + sqrt(b / a)) / 2)``, and pixel t weighs
    ``exp(-(2 L - 1) S / (strength patch))`` in the estimate of s, with ``L`` looks. Candidates t
    come from the search window of ``size`` x ``size`` pixels. Between patches that differ by their
    speckle alone, the spread of S grows as the patch's side, hence the division by it; a larger
    ``strength`` smooths more.

    Only pixels that are valid in both patches are compared, and S is scaled up to a whole patch.
    With half a look or less, ratios say nothing any more and all weights are 1.

    Source: C.-A. Deledalle, L. Denis, F. Tupin 2009, "Iterative weighted maximum likelihood
    denoising with probabilistic patch-based weights", IEEE TIP 18(12):2661-2672: its non-iterative
    filter, written for intensity instead of amplitude.
    """

    name: Literal["non-local-means"] = "non-local-means"
    size: int = Field(default=21, ge=1, le=101)
    patch: int = Field(default=7, ge=1, le=31)
    strength: float = Field(default=1.0, gt=0.0, allow_inf_nan=False)

    @field_validator("patch")
    @classmethod
    def _odd_patch(cls, patch: int) -> int:
        if patch % 2 == 0:
            raise ValueError("patch must be odd, so that it has a middle pixel")
        return patch

    @property
    def margin(self) -> int:
        """Pixels needed on every side of a window."""
        return self.size // 2 + self.patch // 2

    def _sharpness(self, looks: float) -> float:
        """What S is multiplied by."""
        return max(2.0 * looks - 1.0, 0.0) / (self.strength * self.patch)

    def _fill_rows(
        self,
        intensity: NDArray[np.float32],
        valid: NDArray[np.bool_],
        looks: float,
        first: int,
        result: NDArray[np.float32],
    ) -> None:
        height, width = result.shape
        sharpness = self._sharpness(looks)
        for rows in row_blocks(height, _ROWS):
            for cols in row_blocks(width, _COLUMNS):
                top, bottom = first + rows.start, first + rows.stop
                known, counted = neighbourhood(
                    intensity, valid, self.margin, top, bottom, cols.start, cols.stop
                )
                _fill(known, counted, self.size // 2, self.patch, sharpness, result[rows, cols])

    def _despeckled(self, intensity: Tensor, valid: Tensor, looks: float) -> Tensor:
        import torch
        from torch.nn.functional import pad

        reach, half = self.size // 2, self.patch // 2
        height, width = valid.shape
        known = pad(torch.where(valid, intensity, 0.0).double(), (self.margin,) * 4)
        counted = pad(valid.double(), (self.margin,) * 4)
        floored = known.clamp(min=_FLOOR)
        logarithm = floored.log()

        def shifted(values: Tensor, down: int, across: int) -> Tensor:
            """The patches' pixels, ``down`` and ``across`` from where they are."""
            rows = slice(reach + down, reach + down + height + 2 * half)
            cols = slice(reach + across, reach + across + width + 2 * half)
            return values[..., rows, cols]

        total, weights = (torch.zeros_like(intensity, dtype=torch.float64) for _ in range(2))
        middle = np.s_[..., half : half + height, half : half + width]
        for down in range(-reach, reach + 1):
            for across in range(-reach, reach + 1):
                both = shifted(counted, 0, 0) * shifted(counted, down, across)
                sums = shifted(floored, 0, 0) + shifted(floored, down, across)
                logarithms = shifted(logarithm, 0, 0) + shifted(logarithm, down, across)
                unlike = ((sums / 2.0).log() - logarithms / 2.0) * both
                shared = _patch_sums(both, self.patch).clamp(min=1.0)
                distance = _patch_sums(unlike, self.patch) * (self.patch**2 / shared)
                weight = (-self._sharpness(looks) * distance).exp()
                weight = weight * shifted(counted, down, across)[middle]
                total += weight * shifted(known, down, across)[middle]
                weights += weight
        return total / weights


@compiled
def _fill(
    known: NDArray[np.float32],
    counted: NDArray[np.float32],
    reach: int,
    patch: int,
    sharpness: float,
    result: NDArray[np.float32],
) -> None:
    """Despeckled block (rows, w) from its neighbourhood, ``reach + patch // 2`` wider all round.

    A pair of pixels is compared once, for both. The ratios of a patch are multiplied and the
    logarithm is taken of the product, which overflows to infinity only where the weight is 0.
    """
    half = patch // 2
    margin = reach + half
    rows, columns = result.shape
    floored = np.maximum(known, np.float32(_FLOOR)).astype(np.float64)
    inverse = 1.0 / np.sqrt(2.0 * floored)
    total = np.empty((rows, columns))
    weights = np.ones((rows, columns))
    for row in range(rows):
        for col in range(columns):
            total[row, col] = known[margin + row, margin + col]
    breadth = columns + reach
    ratio = np.empty((rows + reach + patch, breadth + patch))
    both = np.empty((rows + reach + patch, breadth + patch), np.float32)
    weight = np.empty(breadth)
    for down in range(reach + 1):
        for across in range(-reach if down else 1, reach + 1):
            # Pixels whose own estimate or whose partner's lies in the block.
            start, width = margin + min(0, -across), columns + abs(across)
            for row in range(rows + down + 2 * half):
                here, there = margin - down - half + row, margin - half + row
                left, right = start - half, start - half + across
                for col in range(width + 2 * half):
                    shared = counted[here, left + col] * counted[there, right + col]
                    both[row, col] = shared
                    sums = floored[here, left + col] + floored[there, right + col]
                    unlike = sums * inverse[here, left + col] * inverse[there, right + col]
                    ratio[row, col] = unlike if shared > 0.0 else 1.0
            for row in range(rows + down):
                here, there = margin - down + row, margin + row
                _weigh(ratio, both, row, patch, sharpness, weight[:width])
                for col in range(width):
                    weight[col] *= counted[here, start + col] * counted[there, start + across + col]
                if row >= down:
                    first = max(0, across)
                    for col in range(columns):
                        known_there = known[there, margin + across + col]
                        total[row - down, col] += weight[first + col] * known_there
                        weights[row - down, col] += weight[first + col]
                if row < rows:
                    first = max(0, -across)
                    for col in range(columns):
                        known_here = known[here, margin - across + col]
                        total[row, col] += weight[first + col] * known_here
                        weights[row, col] += weight[first + col]
    for row in range(rows):
        for col in range(columns):
            result[row, col] = total[row, col] / weights[row, col]


@compiled
def _weigh(
    ratio: NDArray[np.float64],
    both: NDArray[np.float32],
    row: int,
    patch: int,
    sharpness: float,
    weight: NDArray[np.float64],
) -> None:
    """Weights of the patches whose first row is ``row``, from their ratios' products."""
    width = weight.size
    down, down_shared = np.ones(width + patch - 1), np.zeros(width + patch - 1, np.float32)
    for tap in range(row, row + patch):
        for col in range(down.size):
            down[col] *= ratio[tap, col]
            down_shared[col] += both[tap, col]
    shared = np.zeros(width, np.float32)
    weight[:] = 1.0
    for tap in range(patch):
        for col in range(width):
            weight[col] *= down[col + tap]
            shared[col] += down_shared[col + tap]
    for col in range(width):
        scale = sharpness * patch * patch / max(shared[col], np.float32(1.0))
        weight[col] = np.exp(-scale * np.log(weight[col]))


def _patch_sums(values: Tensor, patch: int) -> Tensor:
    """Sums of all ``patch`` x ``patch`` windows that lie within (..., h, w), by torch."""
    height, width = values.shape[-2] - patch + 1, values.shape[-1] - patch + 1
    down = values[..., :height, :].clone()
    for tap in range(1, patch):
        down += values[..., tap : tap + height, :]
    total = down[..., :width].clone()
    for tap in range(1, patch):
        total += down[..., tap : tap + width]
    return total
