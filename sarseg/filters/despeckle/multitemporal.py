"""Speckle filter of a stack of co-registered scenes of several dates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from sarseg.filters.despeckle.local_statistics import (
    box_statistics,
    row_blocks,
    tensor_box_statistics,
)
from sarseg.kernels import over_rows

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 32  # rows whose local means are held at a time, of all dates


class Quegan(BaseModel):
    """Quegan and Yu's filter: every date keeps its local mean and shares the others' looks.

    With ``E[I]`` the mean of a box of ``size`` x ``size`` pixels, date k of N becomes
    ``J_k = E[I_k] / N sum_i I_i / E[I_i]``: the local means change from date to date, speckle is
    averaged over the dates. A ratio to a local mean of 0 is 1. All dates weigh the same.

    Invalid pixels, and what lies beyond the array, count nowhere; a pixel's N is the number of
    dates at which it is valid. A pixel's result depends on the pixels within ``margin`` of it
    alone, so that a window filtered with its margin equals the same window of the filtered whole.

    Source: S. Quegan, J. J. Yu 2001, "Filtering of multichannel SAR images", IEEE TGRS
    39(11):2373-2379, the case of uncorrelated channels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["quegan"] = "quegan"
    size: int = Field(default=7, ge=1, le=101)

    @field_validator("size")
    @classmethod
    def _odd(cls, size: int) -> int:
        if size % 2 == 0:
            raise ValueError("size must be odd, so that the box has a middle pixel")
        return size

    @property
    def margin(self) -> int:
        """Pixels needed on every side of a window."""
        return self.size // 2

    def __call__(
        self, stack: NDArray[np.float32], valid: NDArray[np.bool_], device: str = "cpu"
    ) -> NDArray[np.float32]:
        """Despeckled linear intensities ``stack`` (T, C, h, w), where ``valid`` (T, h, w).

        Valid intensities are finite and >= 0. Invalid pixels, which may hold anything, pass
        through unchanged. ``device`` names the torch device that computes.
        """
        if device != "cpu":
            return self._on_device(stack, valid, device)
        return self._on_cpu(stack, valid)

    def _on_cpu(self, stack: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        dates = np.ascontiguousarray(stack, np.float32)
        mask = np.ascontiguousarray(valid, np.bool_)
        result = np.empty_like(dates)

        def fill(first: int, last: int) -> None:
            for block in row_blocks(last - first, _BLOCK):
                rows = slice(first + block.start, first + block.stop)
                for channel in range(dates.shape[1]):
                    bands = dates[:, channel]
                    result[:, channel, rows] = self._despeckled_rows(bands, mask, rows)

        over_rows(mask.shape[1], fill)
        return result

    def _despeckled_rows(
        self, bands: NDArray[np.float32], valid: NDArray[np.bool_], rows: slice
    ) -> NDArray[np.float64]:
        """``rows`` of one channel (T, h, w) of all dates."""
        value, known = bands[:, rows], valid[:, rows]
        mean = np.stack(
            [
                box_statistics(band, mask, self.size, rows.start, rows.stop)[0]
                for band, mask in zip(bands, valid, strict=True)
            ]
        )
        ratio = np.ones_like(mean)
        np.divide(value, mean, out=ratio, where=known & (mean > 0.0))
        dates = np.maximum(np.count_nonzero(known, axis=0), 1)
        shared = np.sum(ratio, axis=0, where=known) / dates
        return np.where(known, mean * shared, value)

    def _on_device(
        self, stack: NDArray[np.float32], valid: NDArray[np.bool_], device: str
    ) -> NDArray[np.float32]:
        import torch

        dates = torch.tensor(stack, dtype=torch.float32, device=device)
        mask = torch.tensor(valid, device=device)
        means: list[Tensor] = []
        total = torch.zeros(dates.shape[1:], dtype=torch.float64, device=device)
        for date, known in zip(dates, mask, strict=True):
            mean, _ = tensor_box_statistics(date, known, self.size)
            ratio = torch.where(mean > 0.0, date / mean, 1.0)
            total += torch.where(known, ratio, 0.0)
            means.append(mean)
        shared = total / mask.sum(dim=0).clamp(min=1)
        result = torch.where(mask[:, None], (torch.stack(means) * shared).float(), dates)
        return np.asarray(result.cpu().numpy(), np.float32)
