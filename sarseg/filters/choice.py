"""Filters by the names and numbers that users give."""

from collections.abc import Mapping
from math import isfinite
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from sarseg.errors import UsageError
from sarseg.filters.chain import Filters
from sarseg.filters.despeckle import DESPECKLE_FILTERS, Despeckle
from sarseg.filters.despeckle.multitemporal import Quegan
from sarseg.filters.frequency import FrequencyFilter
from sarseg.filters.names import AUTO, NO_FILTER
from sarseg.registry import settings_fault, unknown_name, unknown_setting

_OWN_OPTIONS = ("name", "looks")
"""Fields of a speckle filter that are no settings, as there are options for them."""


def speckle_filter(name: str, looks: str, settings: Mapping[str, Any]) -> Despeckle | None:
    """The speckle filter called ``name`` for ``looks`` (a number or auto), None for none.

    Raises UsageError where there is no such filter, setting or value.
    """
    number = None if looks == AUTO else _number_of_looks(looks)
    if name == NO_FILTER:
        return None
    if name not in DESPECKLE_FILTERS:
        raise UsageError(unknown_name("speckle filter", name, [*DESPECKLE_FILTERS, NO_FILTER]))
    chosen = _configured(DESPECKLE_FILTERS[name], name, settings, looks=number)
    return cast("Despeckle", chosen)


def filter_chain(
    despeckle: str,
    looks: str,
    settings: Mapping[str, Any],
    low_pass: float | None,
    high_pass: float | None,
) -> Filters:
    """The speckle filter and the frequency filter that the options choose.

    Raises UsageError where one of them makes no sense.
    """
    if despeckle == NO_FILTER and (settings or looks != AUTO):
        raise UsageError(
            "--looks and --set despeckle.… are for a speckle filter: give --despeckle."
        )
    return Filters(
        despeckle=speckle_filter(despeckle, looks, settings),
        frequency=frequency_filter(low_pass, high_pass),
    )


def multitemporal_filter(looks: str, settings: Mapping[str, Any]) -> Quegan:
    """Quegan's filter of several dates. Raises UsageError as ``speckle_filter`` does."""
    if looks != AUTO:
        raise UsageError("The quegan filter needs no number of looks: leave --looks out.")
    return cast("Quegan", _configured(Quegan, "quegan", settings))


def frequency_filter(low_pass: float | None, high_pass: float | None) -> FrequencyFilter | None:
    """The low-pass, high-pass or band-pass of these cutoffs; None where there is none.

    Raises UsageError where they make no sense.
    """
    if low_pass is None and high_pass is None:
        return None
    try:
        return FrequencyFilter(low_pass=low_pass, high_pass=high_pass)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        reason = fault["msg"].removeprefix("Value error, ")
        if not fault["loc"]:  # it is about both
            raise UsageError(f"--low-pass and --high-pass: {reason}.") from error
        option = str(fault["loc"][0]).replace("_", "-")
        raise UsageError(f"--{option} {fault['input']:g} (cycles per pixel): {reason}.") from error


def _number_of_looks(text: str) -> float:
    try:
        looks = float(text)
    except ValueError:
        looks = 0.0
    if looks <= 0.0 or not isfinite(looks):
        raise UsageError(f"--looks {text} is no number of looks: give a number above 0, or auto.")
    return looks


def _configured(
    kind: type[BaseModel], name: str, settings: Mapping[str, Any], **own: Any
) -> BaseModel:
    known = [field for field in kind.model_fields if field not in _OWN_OPTIONS]
    for setting in settings:
        if setting not in known:
            raise UsageError(unknown_setting("speckle filter", name, setting, known))
    try:
        return kind(**settings, **own)
    except ValidationError as error:
        raise UsageError(settings_fault("speckle filter", name, known, error)) from error
