"""What every speckle filter of one scene offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from sarseg.kernels import over_rows

if TYPE_CHECKING:
    from torch import Tensor


class SpeckleFilter(BaseModel, ABC):
    """A filter of linear intensity against multiplicative speckle.

    ``size`` is the side in pixels of the box that a pixel's estimate comes from, ``looks`` the
    equivalent number of looks of the intensity; None means that it is yet to be estimated from the
    scene. Invalid pixels, and what lies beyond the array, count nowhere. A pixel's result depends
    on the pixels within ``margin`` of it alone, so that a window filtered with its margin equals
    the same window of the filtered whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""  # of the kind, which narrows it to one Literal
    size: int = Field(default=7, ge=1, le=101)
    looks: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)

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

    def with_looks(self, looks: float) -> Self:
        """The same filter for ``looks`` (> 0), else pydantic's ValidationError."""
        return self.model_validate({**self.model_dump(), "looks": looks})

    def __call__(
        self, intensity: NDArray[np.float32], valid: NDArray[np.bool_], device: str = "cpu"
    ) -> NDArray[np.float32]:
        """Despeckled linear ``intensity`` (C, h, w), where it is ``valid`` (h, w).

        Valid intensities are finite and >= 0. Invalid pixels, which may hold anything, pass
        through unchanged. ``device`` names the torch device that computes.

        Raises ValueError where ``looks`` is None.
        """
        if self.looks is None:
            raise ValueError(
                f"The number of looks of the {self.name} filter is not known yet: set it, or "
                f"estimate it from the scene and use with_looks()."
            )
        if device != "cpu":
            return self._on_device(intensity, valid, self.looks, device)
        return self._on_cpu(intensity, valid, self.looks)

    @abstractmethod
    def _fill_rows(
        self,
        intensity: NDArray[np.float32],
        valid: NDArray[np.bool_],
        looks: float,
        first: int,
        result: NDArray[np.float32],
    ) -> None:
        """Write the rows of one band (h, w) from ``first`` on into ``result`` (rows, w).

        What is written at invalid pixels does not matter. Both arrays are contiguous.
        """

    @abstractmethod
    def _despeckled(self, intensity: Tensor, valid: Tensor, looks: float) -> Tensor:
        """The same by torch: ``intensity`` float32 (C, h, w), ``valid`` bool (h, w)."""

    def _on_cpu(
        self, intensity: NDArray[np.float32], valid: NDArray[np.bool_], looks: float
    ) -> NDArray[np.float32]:
        bands = np.ascontiguousarray(intensity, np.float32)
        mask = np.ascontiguousarray(valid, np.bool_)
        result = np.empty_like(bands)

        def fill(first: int, last: int) -> None:
            for band, filled in zip(bands, result, strict=True):
                self._fill_rows(band, mask, looks, first, filled[first:last])
                unfilled = ~mask[first:last]
                np.copyto(filled[first:last], band[first:last], where=unfilled)

        over_rows(mask.shape[0], fill)
        return result

    def _on_device(
        self, intensity: NDArray[np.float32], valid: NDArray[np.bool_], looks: float, device: str
    ) -> NDArray[np.float32]:
        import torch

        bands = torch.tensor(intensity, dtype=torch.float32, device=device)
        mask = torch.tensor(valid, device=device)
        result = torch.where(mask, self._despeckled(bands, mask, looks).float(), bands)
        return np.asarray(result.cpu().numpy(), np.float32)
