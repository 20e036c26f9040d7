import pytest

from sarseg.cli.options import assigned_settings
from sarseg.errors import UsageError

OWNERS = ("method", "decoder")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("0.125", 0.125),
        ("true", True),
        ("off", False),
        ("null", None),
        ("low", "low"),
        ("'4'", "4"),
        ("a=b", "a=b"),
        ("", None),
    ],
)
def test_values_are_yaml_scalars(text: str, value: object) -> None:
    found = assigned_settings([f"method.x={text}"], OWNERS)
    assert found == {"method_settings": {"x": value}, "decoder_settings": {}}
    assert type(found["method_settings"]["x"]) is type(value)


def test_each_goes_to_its_owner_and_the_last_counts() -> None:
    given = ["method.a=1", "decoder.a=2", "method.b=3", "method.a=4"]
    assert assigned_settings(given, OWNERS) == {
        "method_settings": {"a": 4, "b": 3},
        "decoder_settings": {"a": 2},
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("method.a", "is not of the form method|decoder.NAME=VALUE"),
        ("a=1", "is not of the form"),
        ("method=1", "is not of the form"),
        ("method.=1", "is not of the form"),
        ("encoder.a=1", "is not of the form"),
        ("method.a=[1, 2]", "is not a single one"),
        ("method.a={b: 1}", "is not a single one"),
        ("method.a='", "is not valid YAML"),
    ],
)
def test_other_forms_get_a_sentence(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        assigned_settings([text], OWNERS)
    assert told in str(caught.value)
    assert text in str(caught.value)
