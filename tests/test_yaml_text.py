import pytest
import yaml

from sarseg.yaml_text import load_yaml, yaml_fault


def test_reads_what_yaml_says() -> None:
    assert load_yaml("a: [1, yes]\nb: {c: null}") == {"a": [1, True], "b": {"c": None}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1: water\n2: forest\n1: town", "1 stands there twice (line 3, column 1)"),
        ("1: {name: water, name: sea}", "'name' stands there twice (line 1, column 18)"),
        ("1: water\n0x1: town", "1 stands there twice (line 2, column 1)"),
        ("1: [water", "expected ',' or ']', but got '<stream end>' (line 1, column 10)"),
        ("1: a\x00", "special characters are not allowed (character 5)"),
    ],
)
def test_tells_a_mistake_in_one_line(text: str, fault: str) -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        load_yaml(text)
    assert yaml_fault(caught.value) == fault


def test_a_merged_key_may_be_replaced() -> None:
    text = "a: &base {x: 1, y: 2}\nb:\n  <<: *base\n  x: 3\n"
    assert load_yaml(text)["b"] == {"x": 3, "y": 2}


def test_tells_a_text_of_another_encoding() -> None:
    with pytest.raises(UnicodeDecodeError) as caught:
        b"a: \xff".decode()
    assert yaml_fault(caught.value) == "it is no UTF-8 text (byte 3)"
