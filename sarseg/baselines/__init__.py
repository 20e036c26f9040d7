"""Networks and classifiers to compare sarseg's methods with: one file each, one class each.

A new baseline is a new file in this folder. Most are made of packages that sarseg itself does
without, the extra ``compare``; a package is imported when what it makes is built.
"""

from collections.abc import Mapping
from typing import Any

from sarseg.baselines.base import Baseline
from sarseg.registry import choose, kinds_in

BASELINES = kinds_in(__name__, __path__, Baseline)  # type: ignore[type-abstract]


def baseline(name: str, settings: Mapping[str, Any] | None = None) -> Baseline:
    """The baseline called ``name`` with ``settings``; ModelError on an unknown name or setting."""
    return choose("baseline", BASELINES, name, settings)
