"""Areas and lengths as users write them: ``0.5ha``, ``5000m2``, ``10m``, ``20px``."""

import math
import re
from dataclasses import dataclass
from typing import Literal, Self

from sarseg.errors import UsageError

_WRITTEN = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([a-zA-Z²0-9]+)\s*")
_AREAS = {"m2": 1.0, "m²": 1.0, "ha": 1e4, "km2": 1e6, "km²": 1e6}
_LENGTHS = {"m": 1.0, "km": 1e3}


@dataclass(frozen=True)
class Measure:
    """``value`` in metres or square metres, or in pixels."""

    value: float
    unit: Literal["metres", "pixels"]

    @classmethod
    def of_area(cls, text: str) -> Self:
        """``0.5ha``, ``5000m2``, ``1km2``, ``20px``. Raises UsageError."""
        return cls._of(text, _AREAS, "an area", "0.5ha, 5000m2 or 20px")

    @classmethod
    def of_length(cls, text: str) -> Self:
        """``10m``, ``0.1km``, ``1px``. Raises UsageError."""
        return cls._of(text, _LENGTHS, "a length", "10m or 1px")

    @classmethod
    def _of(cls, text: str, units: dict[str, float], kind: str, example: str) -> Self:
        found = _WRITTEN.fullmatch(text)
        unit = found[2].lower() if found else ""
        if found is None or (unit != "px" and unit not in units):
            raise UsageError(f"'{text}' is not {kind}: give a number with its unit, as {example}.")
        value = float(found[1]) * units.get(unit, 1.0)
        if not math.isfinite(value):
            raise UsageError(f"'{text}' is too large for {kind}.")
        return cls(value, "pixels" if unit == "px" else "metres")
