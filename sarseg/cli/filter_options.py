"""Options that choose filters of a scene, and the filters that they choose."""

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sarseg.errors import UsageError
from sarseg.registry import settings_fault, unknown_name, unknown_setting

if TYPE_CHECKING:
    from pydantic import BaseModel

    from sarseg.filters.chain import Filters
    from sarseg.filters.despeckle import Despeckle
    from sarseg.filters.despeckle.multitemporal import Quegan
    from sarseg.filters.frequency import FrequencyFilter

NO_FILTER = "none"
"""The name that stands for no speckle filter."""

AUTO = "auto"

_OWN_OPTIONS = ("name", "looks")
"""Fields of a speckle filter that are no settings, as there are options for them."""

DespeckleOption = Annotated[
    str | None,
    typer.Option(
        "--despeckle",
        metavar="FILTER",
        help="Speckle filter before all else: none, lee, kuan, enhanced-lee, gamma-map, frost, "
        "enhanced-frost, refined-lee or non-local-means.",
    ),
]
LooksOption = Annotated[
    str,
    typer.Option(
        "--looks",
        metavar="X",
        help="Equivalent number of looks, for the speckle filter; auto: estimated from the scene.",
    ),
]
LowPassOption = Annotated[
    float | None,
    typer.Option(
        "--low-pass", metavar="F", help="Passes frequencies below F, in cycles per pixel (<= 0.5)."
    ),
]
HighPassOption = Annotated[
    float | None,
    typer.Option(
        "--high-pass", metavar="F", help="Passes frequencies above F, in cycles per pixel (<= 0.5)."
    ),
]


def speckle_filter(name: str, looks: str, settings: Mapping[str, Any]) -> "Despeckle | None":
    """The speckle filter called ``name`` for ``looks`` (a number or auto), None for none.

    Raises UsageError where there is no such filter, setting or value.
    """
    from sarseg.filters.despeckle import DESPECKLE_FILTERS

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
) -> "Filters":
    """The speckle filter and the frequency filter that the options choose.

    Raises UsageError where one of them makes no sense.
    """
    from sarseg.filters.chain import Filters

    if despeckle == NO_FILTER and (settings or looks != AUTO):
        raise UsageError(
            "--looks and --set despeckle.… are for a speckle filter: give --despeckle."
        )
    return Filters(
        despeckle=speckle_filter(despeckle, looks, settings),
        frequency=frequency_filter(low_pass, high_pass),
    )


def multitemporal_filter(looks: str, settings: Mapping[str, Any]) -> "Quegan":
    """Quegan's filter of several dates. Raises UsageError as ``speckle_filter`` does."""
    from sarseg.filters.despeckle.multitemporal import Quegan

    if looks != AUTO:
        raise UsageError("The quegan filter needs no number of looks: leave --looks out.")
    return cast("Quegan", _configured(Quegan, "quegan", settings))


def frequency_filter(low_pass: float | None, high_pass: float | None) -> "FrequencyFilter | None":
    """The low-pass, high-pass or band-pass of these cutoffs; None where there is none.

    Raises UsageError where they make no sense.
    """
    if low_pass is None and high_pass is None:
        return None
    from pydantic import ValidationError

    from sarseg.filters.frequency import FrequencyFilter

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
    kind: type["BaseModel"], name: str, settings: Mapping[str, Any], **own: Any
) -> "BaseModel":
    from pydantic import ValidationError

    known = [field for field in kind.model_fields if field not in _OWN_OPTIONS]
    for setting in settings:
        if setting not in known:
            raise UsageError(unknown_setting("speckle filter", name, setting, known))
    try:
        return kind(**settings, **own)
    except ValidationError as error:
        raise UsageError(settings_fault("speckle filter", name, known, error)) from error
