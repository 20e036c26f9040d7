"""Ways to adapt SAM's image encoder: one file each, one class each.

A method is a pydantic model of its settings with ``install(encoder)``, which freezes what stays
and adds what trains. A new one is a new file and a line here.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import ValidationError

from sarseg.adapters.cwsam import Cwsam
from sarseg.adapters.full import Full
from sarseg.errors import ModelError
from sarseg.sam.encoder import ImageEncoder


class Method(Protocol):
    """What every adaptation method offers."""

    def install(self, encoder: ImageEncoder) -> None:
        """Freeze what stays of ``encoder`` and add what trains."""
        ...

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Settings as JSON-able values, for the model file."""
        ...


METHODS: dict[str, type[Cwsam] | type[Full]] = {"cwsam": Cwsam, "full": Full}


def method(name: str, settings: Mapping[str, Any] | None = None) -> Method:
    """The method called ``name`` with ``settings``; ModelError on an unknown name or setting."""
    if name not in METHODS:
        raise ModelError(f"There is no method {name!r}; choose one of: {', '.join(METHODS)}.")
    try:
        return METHODS[name](**(settings or {}))
    except ValidationError as error:
        raise ModelError(f"The settings of method {name} are wrong: {error}") from error
