"""Settings from where users write them: presets, a YAML file, the command line."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sarseg.errors import UsageError
from sarseg.registry import unknown_name
from sarseg.training.settings import TrainSettings
from sarseg.yaml_text import load_yaml, yaml_fault

PRESETS = sorted(
    entry.name.removesuffix(".yaml")
    for entry in (files(__package__) / "presets").iterdir()
    if entry.name.endswith(".yaml")
)
"""Settings of published systems, by name."""


def effective_settings(
    given: Mapping[str, Any], *, config: Path | None = None, preset: str | None = None
) -> TrainSettings:
    """The settings of ``preset``, overridden by those of the file ``config``, then by ``given``.

    All are under the names of options, ``-`` or ``_`` between words; what nobody says has its
    default. Of ``set`` each name counts by itself. Raises UsageError where a name or a value makes
    no sense.
    """
    told: dict[str, Any] = {}
    if preset is not None:
        told = _merged(told, _preset(preset))
    from_file = {} if config is None else _from_file(config)
    told = _merged(_merged(told, from_file), given)
    if "dataset" not in told:
        raise UsageError(
            "What to train on is missing: give --dataset DIR, or dataset: in the --config file."
        )
    try:
        return TrainSettings.model_validate(told)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = str(fault["loc"][0])
        reason = fault["msg"].removeprefix("Value error, ").rstrip(".?")
        where = f"--{name.replace('_', '-')}"
        if name in from_file and name not in given:
            where = f"In {config}, {name}"
        found = "" if name == "set" else f" {_shown(fault['input'])}"
        raise UsageError(f"{where}{found}: {reason}.") from error


def as_yaml(settings: TrainSettings) -> str:
    """``settings`` as a file that ``--config`` takes."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _preset(name: str) -> dict[str, Any]:
    if name not in PRESETS:
        raise UsageError(unknown_name("preset", name, PRESETS))
    text = (files(__package__) / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def _from_file(path: Path) -> dict[str, Any]:
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The configuration {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The configuration {path} is not valid YAML: {yaml_fault(error)}."
        ) from error
    if not isinstance(content, dict):
        raise UsageError(
            f"The configuration {path} must map options to values, as in epochs: 50; "
            "`sarseg train --print-config` shows one."
        )
    named = {str(key).replace("-", "_"): value for key, value in content.items()}
    known = list(TrainSettings.model_fields)
    for key in named:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it may have {', '.join(known)}."
            raise UsageError(f"The configuration {path} has an unknown key {key}; {hint}")
    if not isinstance(named.get("set", {}), dict):
        raise UsageError(
            f"The configuration {path} must give set: as a mapping, as in set: {{method.rank: 4}}."
        )
    return named


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**first, **second}
    if "set" in first and "set" in second:
        merged["set"] = {**first["set"], **second["set"]}
    return merged


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
