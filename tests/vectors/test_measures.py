import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarseg.errors import UsageError
from sarseg.vectors.measures import Measure


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("0.5ha", 5000, "metres"),
        (".5 ha", 5000, "metres"),
        ("5000m2", 5000, "metres"),
        ("5000 m²", 5000, "metres"),
        ("1e3M2", 1000, "metres"),
        ("2km2", 2e6, "metres"),
        ("20px", 20, "pixels"),
        (" 20 PX ", 20, "pixels"),
        ("0ha", 0, "metres"),
        ("1.5e+1px", 15, "pixels"),
    ],
)
def test_areas(text: str, value: float, unit: str) -> None:
    assert Measure.of_area(text) == Measure(pytest.approx(value), unit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [("10m", 10, "metres"), ("0.1km", 100, "metres"), ("1px", 1, "pixels"), ("7 M", 7, "metres")],
)
def test_lengths(text: str, value: float, unit: str) -> None:
    assert Measure.of_length(text) == Measure(pytest.approx(value), unit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["", "ha", "5", "-5ha", "+5ha", "5 h a", "5,5ha", "5.ha", "5acres", "5m", "5px2", "nanha"],
)
def test_what_is_no_area_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not an area: .* as 0\.5ha, 5000m2 or 20px"):
        Measure.of_area(text)


@pytest.mark.parametrize("text", ["infha", "0x5ha", "5ha 3", "٥ha", "1_000m2", "5haha"])
def test_other_ways_to_write_numbers_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not an area"):
        Measure.of_area(text)


@pytest.mark.parametrize("text", ["", "10", "10m2", "10ha", "-1px", "1e", "1 feet", "one m"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not a length: .* as 10m or 1px"):
        Measure.of_length(text)


@pytest.mark.parametrize("text", ["1e999ha", "1e305km2", "9" * 400 + "px"])
def test_what_is_beyond_all_numbers_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is too large for an area"):
        Measure.of_area(text)


@given(text=st.text(), kind=st.sampled_from([Measure.of_area, Measure.of_length]))
def test_any_text_is_a_measure_or_refused(text: str, kind: object) -> None:
    assert callable(kind)
    try:
        measure = kind(text)
    except UsageError:
        return
    assert measure.value >= 0


@given(value=st.floats(0, 1e9), unit=st.sampled_from([("m2", 1.0), ("ha", 1e4), ("km2", 1e6)]))
def test_any_number_python_prints_is_read(value: float, unit: tuple[str, float]) -> None:
    name, square_metres = unit
    found = Measure.of_area(f"{value}{name}")
    assert found == Measure(pytest.approx(value * square_metres), "metres")  # type: ignore[arg-type]
