"""Choosing one of several kinds by the name that a user gives, and filling in its settings."""

from abc import ABC
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from inspect import isabstract
from pkgutil import iter_modules
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sarseg.errors import ModelError


class Configured(BaseModel, ABC):
    """One kind of something, with its settings as fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    """What the user calls it."""


Kind = TypeVar("Kind", bound=Configured)


def kinds_in(package: str, folder: Iterable[str], base: type[Kind]) -> dict[str, type[Kind]]:
    """Every kind of ``base`` that the modules of ``package`` define, by name, in its order."""
    kinds: dict[str, type[Kind]] = {}
    for found in iter_modules(folder):
        module = import_module(f"{package}.{found.name}")
        for kind in vars(module).values():
            own = isinstance(kind, type) and kind.__module__ == module.__name__
            if own and issubclass(kind, base) and not isabstract(kind):
                kinds[kind.name] = kind
    return dict(sorted(kinds.items()))


def choose(
    what: str, kinds: Mapping[str, type[Kind]], name: str, settings: Mapping[str, Any] | None
) -> Kind:
    """The kind called ``name``, with ``settings``.

    Raises ModelError, which says ``what`` is unknown or wrong: a name, a setting or its value.
    """
    if name not in kinds:
        raise ModelError(unknown_name(what, name, kinds))
    try:
        return kinds[name](**(settings or {}))
    except ValidationError as error:
        raise ModelError(settings_fault(what, name, kinds[name].model_fields, error)) from error


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence that there is no ``what`` called ``name``."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"There is no {what} {name!r}{hint}; choose one of: {', '.join(names)}."


def settings_fault(what: str, name: str, known: Iterable[str], error: ValidationError) -> str:
    """The sentence that says which setting of the ``what`` called ``name`` is wrong, and why.

    ``known`` are the settings that there are.
    """
    fault = error.errors(include_url=False)[0]
    setting = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return unknown_setting(what, name, setting, known)
    reason = fault["msg"].removeprefix("Value error, ")
    return f"The setting {setting} of the {what} {name} is {fault['input']!r}: {reason}."


def unknown_setting(what: str, name: str, setting: str, known: Iterable[str]) -> str:
    """The sentence that the ``what`` called ``name`` has no such ``setting``."""
    settings = list(known)
    if not settings:
        return f"The {what} {name} has no settings, so no {setting!r} either."
    near = get_close_matches(setting, settings, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(settings)}."
    return f"The {what} {name} has no setting {setting!r}; {hint}"
