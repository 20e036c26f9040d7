"""The filters that a scene goes through, one after the other."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sarseg.filters.despeckle import Despeckle
from sarseg.filters.frequency import FrequencyFilter


class Filters(BaseModel):
    """What linear intensity goes through, in this order; None is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    despeckle: Despeckle | None = None
    frequency: FrequencyFilter | None = None

    @property
    def margin(self) -> int:
        """Pixels needed on every side of a window for a result that does not depend on it."""
        return sum(each.margin for each in (self.despeckle, self.frequency) if each)

    @property
    def needs_looks(self) -> bool:
        """True where the number of looks has to be estimated before anything can be filtered."""
        return self.despeckle is not None and self.despeckle.looks is None

    def without_looks(self) -> Self:
        """The same, the number of looks yet to be estimated."""
        despeckle = self.despeckle and self.despeckle.model_copy(update={"looks": None})
        return self.model_copy(update={"despeckle": despeckle})

    def with_looks(self, looks: float) -> Self:
        """The same for scenes of ``looks`` looks."""
        despeckle = self.despeckle and self.despeckle.with_looks(looks)
        return self.model_copy(update={"despeckle": despeckle})

    def __call__(
        self, intensity: NDArray[np.float32], valid: NDArray[np.bool_], device: str = "cpu"
    ) -> NDArray[np.float32]:
        """Filtered linear ``intensity`` (C, h, w), where ``valid`` (h, w)."""
        for each in (self.despeckle, self.frequency):
            if each is not None:
                intensity = each(intensity, valid, device)
        return intensity


NO_FILTERS = Filters()
