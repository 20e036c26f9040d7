"""Numbers as pages show them."""

import pytest

from sarseg.classes import hexadecimal
from sarseg.pages.templates import environment, hectares, number, percent, share

THIN = "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234567.8, f"1{THIN}234{THIN}568"),
        (10.4, "10"),
        (9.876, "9.88"),
        (0.0, "0.00"),
        (0.04321, "0.043"),
        (0.00012, "0.00012"),
        (None, "–"),
    ],
)
def test_hectares(value: float | None, shown: str) -> None:
    assert hectares(value) == shown


def test_other_figures() -> None:
    assert (share(0.12345), share(None)) == ("0.123", "–")
    assert (percent(0.12345), percent(None)) == ("12.3 %", "–")
    assert number(1234.56, 1) == f"1{THIN}234.6"
    assert hexadecimal((0, 16, 255)) == "#0010ff"


def test_what_is_shown_is_escaped() -> None:
    templates = environment("sarseg.report")
    assert templates.from_string("{{ name }}").render(name="<b>") == "&lt;b&gt;"
    assert "body {" in templates.from_string('{% include "style.css" %}').render()
