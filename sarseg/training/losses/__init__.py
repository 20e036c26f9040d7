"""What class logits are judged by in training: one file each, one class each.

A loss is a ``Loss``: settings, a ``name``, ``weights`` and ``totals``. A new one is a new file in
this folder; nothing else has to know it. Equations and sources: ``docs/losses.md``.
"""

from collections.abc import Mapping
from typing import Any

from sarseg.registry import choose, kinds_in
from sarseg.training.losses.base import Loss

LOSSES = kinds_in(__name__, __path__, Loss)  # type: ignore[type-abstract]


def loss(name: str, settings: Mapping[str, Any] | None = None) -> Loss:
    """The loss called ``name`` with ``settings``; ModelError on an unknown name or setting."""
    return choose("loss", LOSSES, name, settings)
