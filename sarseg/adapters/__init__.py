"""Ways to adapt SAM's image encoder: one file each, one class each.

A method is an ``AdaptationMethod``: settings, a ``name`` and ``install(encoder)``. A new one is a
new file in this folder; nothing else has to know it.
"""

from collections.abc import Mapping
from typing import Any

from sarseg.adapters.base import AdaptationMethod
from sarseg.registry import choose, kinds_in

METHODS = kinds_in(__name__, __path__, AdaptationMethod)  # type: ignore[type-abstract]


def method(name: str, settings: Mapping[str, Any] | None = None) -> AdaptationMethod:
    """The method called ``name`` with ``settings``; ModelError on an unknown name or setting."""
    return choose("method", METHODS, name, settings)
