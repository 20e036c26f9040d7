"""How pages are made that need nothing else: Jinja, a style, numbers as people read them."""

import math

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from sarseg.classes import hexadecimal

DASH = "–"
"""What stands where there is no figure."""

_THIN = "\N{NARROW NO-BREAK SPACE}"


def environment(package: str) -> Environment:
    """Templates of ``package``, which may include ``style.css`` of this one.

    Whatever they show is escaped. Filters, and functions of the same names for macros: ``share``,
    ``percent``, ``number``, ``hectares``, ``colour``.
    """
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader(__package__, ".")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown_as = {
        "share": share,
        "percent": percent,
        "number": number,
        "hectares": hectares,
        "colour": hexadecimal,
    }
    made.filters.update(shown_as)
    made.globals.update(shown_as)
    return made


def share(value: float | None) -> str:
    """A figure in 0..1 with three digits."""
    return DASH if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A figure in 0..1 in percent."""
    return DASH if value is None else f"{100 * value:.1f} %"


def number(value: float, decimals: int = 0) -> str:
    """Digits in groups of three."""
    return f"{value:,.{decimals}f}".replace(",", _THIN)


def hectares(value: float | None) -> str:
    """Whole hectares from ten on; at least two digits of less."""
    if value is None:
        return DASH
    if abs(value) >= 10:
        return number(round(value))
    small = 0 < abs(value) < 0.1
    return number(value, 1 - math.floor(math.log10(abs(value))) if small else 2)
