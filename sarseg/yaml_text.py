"""YAML that people write: each key once, and mistakes told in one line."""

from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.reader import ReaderError


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping; of the two, YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            # `<<` brings in the keys of another mapping, and those that stand here go before them.
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            name = self.construct_object(key)
            if name in seen:
                raise ConstructorError(None, None, f"{name!r} stands there twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """What the YAML document ``text`` says. Raises yaml.YAMLError where it is none, or a key stands
    twice in one mapping."""
    return yaml.load(text, _Loader)


def yaml_fault(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """What is wrong with a text, and in which line and column (from 1), as a phrase."""
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark) is not None:
        where = f"line {mark.line + 1}, column {mark.column + 1}"
        return f"{error.problem or error.context} ({where})"
    if isinstance(error, UnicodeDecodeError):
        return f"it is no UTF-8 text (byte {error.start})"
    if isinstance(error, ReaderError):
        return f"{error.reason} (character {error.position + 1})"
    return " ".join(str(error).split())
