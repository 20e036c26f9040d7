"""What the values of a band are like."""

import numpy as np
from numpy.typing import NDArray

from sarseg.filters.statistics import BandHistogram
from sarseg.inspection.report import Report
from sarseg.scenes.radiometry import to_db, to_intensity
from sarseg.scenes.unit import Unit

_LOW, _HIGH = 0.02, 0.98


class BandStatistics(Report):
    """Of the valid pixels of a band: backscatter in dB, an auxiliary band in its own unit.

    ``low`` and ``high`` are the quantiles 2 % and 98 %. ``spread`` is half the distance between
    those of 15.9 % and 84.1 %. ``mean`` is that of the linear intensity. ``negative`` and ``zero``
    are the parts, 0 to 1, of backscatter that hold no power, which count as -100 dB.
    """

    minimum: float
    low: float
    median: float
    high: float
    maximum: float
    spread: float
    mean: float
    negative: float = 0.0
    zero: float = 0.0


class ValueCounter:
    """Gathers the values of one band piece by piece; ``unit`` None is that of an auxiliary band."""

    def __init__(self, unit: Unit | None) -> None:
        self._unit = unit
        self._histogram = BandHistogram(1)
        self._least, self._most = np.inf, -np.inf
        self._sum = 0.0
        self._negative = self._zero = 0

    @property
    def count(self) -> int:
        """Values taken in."""
        return self._histogram.count

    def add(self, values: NDArray[np.float32]) -> None:
        """Take in ``values`` (n,), all finite."""
        if not values.size:
            return
        shown = linear = values
        if self._unit is not None:
            linear = to_intensity(values, self._unit)
            shown = to_db(linear)
        self._histogram.add(shown[None])
        self._least = min(self._least, float(shown.min()))
        self._most = max(self._most, float(shown.max()))
        self._sum += float(linear.sum(dtype=np.float64))
        if self._unit in ("intensity", "amplitude"):
            self._negative += int(np.count_nonzero(values < 0))
            self._zero += int(np.count_nonzero(values == 0))

    def statistics(self) -> BandStatistics | None:
        """Of all values so far; None without any."""
        count = self.count
        if not count:
            return None
        low, median, high = self._histogram.quantiles(_LOW, 0.5, _HIGH)[0].tolist()
        mean = np.array(self._sum / count, np.float32)
        return BandStatistics(
            minimum=self._least,
            low=low,
            median=median,
            high=high,
            maximum=self._most,
            spread=self._histogram.scaling()[0].spread,
            mean=float(mean if self._unit is None else to_db(mean)),
            negative=self._negative / count,
            zero=self._zero / count,
        )
