"""Ways to read classes out of SAM's embedding: one file each, one class of settings each.

A new decoder is a new file in this folder. It trains by cross-entropy, or by an objective of its
own in ``training.objectives``.
"""

from collections.abc import Mapping
from typing import Any

from sarseg.decoders.base import Decoder
from sarseg.registry import choose, kinds_in

DECODERS = kinds_in(__name__, __path__, Decoder)  # type: ignore[type-abstract]


def decoder(name: str, settings: Mapping[str, Any] | None = None) -> Decoder:
    """The decoder called ``name`` with ``settings``; ModelError on an unknown name or setting."""
    return choose("decoder", DECODERS, name, settings)
