"""What a comparison is told: its data, its runs and what they share, from a YAML file."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from sarseg.datasets.fusar import RELEASES
from sarseg.datasets.splits import BLOCKS
from sarseg.errors import UsageError
from sarseg.registry import unknown_name
from sarseg.scenes.unit import parse_unit
from sarseg.training.settings import OWNERS, TrainSettings
from sarseg.yaml_text import load_yaml, yaml_fault

SHIPPED = sorted(
    entry.name.removesuffix(".yaml")
    for entry in (files(__package__) / "configs").iterdir()
    if entry.name.endswith(".yaml")
)
"""Comparisons that come with sarseg, by name."""

_ELSEWHERE = {
    "dataset": "data: says it for all runs",
    "data": "data: says it for all runs",
    "seed": "seeds: says it for all runs",
    "devices": "a trial has one process",
    "logger": "results.json takes what is known of a trial",
}
"""Options of ``sarseg train`` that no comparison takes, and why."""

_FOR_ALL = {"foreground": "foreground is one for all runs: give it under settings."}
"""Options that runs have to share, lest they be judged by different classes, and what to do."""

_OF_BASELINES = ("baseline", "weights")


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetData(_Part):
    """Chips as ``sarseg train`` takes them; every chip of the part is a unit."""

    dataset: str
    data: Path | None = None


class SceneData(_Part):
    """One scene with labels: cut into chips to train on, mapped whole to be judged.

    Options are those of ``sarseg tile`` under their names. A unit is a field: a connected area of
    one class in the labels of the part.
    """

    scene: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(min_length=1)
    labels: Path
    split: str
    size: int = Field(default=256, gt=0)
    overlap: int = Field(default=0, ge=0)
    label_attribute: str | None = None
    classes: Path | None = None
    ignore: Annotated[tuple[int | str, ...], BeforeValidator(_listed)] = ()
    split_attribute: str | None = None
    block_size: int | None = None
    guard: int | None = None
    shares: tuple[float, float, float] | None = None
    split_seed: int | None = None
    despeckle: str = "none"
    looks: float | Literal["auto"] = "auto"
    low_pass: float | None = None
    high_pass: float | None = None
    bands: tuple[str, ...] | None = None
    input_unit: str = "auto"
    nodata: float | None = None

    @model_validator(mode="after")
    def _blocks_are_asked_for(self) -> Self:
        blocks = ("block_size", "guard", "shares", "split_seed")
        given = [name for name in blocks if getattr(self, name) is not None]
        if given and self.split != BLOCKS:
            raise ValueError(f"{given[0]} is about blocks, and split is no blocks")
        if self.overlap >= self.size:
            raise ValueError("overlap must be smaller than size")
        parse_unit(self.input_unit)
        return self


class Run(_Part):
    """One competitor: a method of sarseg, or a ``baseline`` with settings of its own.

    ``options`` are those of ``sarseg train`` that it has for itself; ``set`` of a baseline are the
    baseline's settings. ``weights`` is a file that a baseline network starts from.
    """

    baseline: str | None = None
    weights: Path | None = None
    set: dict[str, Any] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _of_a_baseline(self) -> Self:
        if self.baseline is None and self.weights is not None:
            raise ValueError("weights are for a baseline; methods take backbone_weights")
        return self


class Comparison(_Part):
    """``runs`` under the same ``data``, ``settings`` and ``seeds``, judged on ``part``.

    ``without`` lists groups of classes; each makes a further column, the mIoU of all other classes.
    All runs are compared with the one called ``reference``. ``vary`` names one option, or one
    setting of a part, and its values: each run that has it is trained once with each.
    """

    title: str
    data: DatasetData | SceneData
    runs: dict[str, Run] = Field(min_length=1)
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1)] = (
        0,
        1,
        2,
    )
    part: Literal["train", "validation", "test"] = "test"
    without: tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...] = ()
    reference: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    written: str = ""
    """The configuration as it was written, for whoever wants to get the results again."""
    vary: dict[str, Annotated[tuple[int | float | str | bool, ...], Field(min_length=1)]] = Field(
        default_factory=dict, max_length=1
    )

    @field_validator("seeds")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a seed stands there twice")
        return value

    @field_validator("vary")
    @classmethod
    def _can_be_varied(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, values in value.items():
            _check_option(name if "." not in name else "set")
            _check_own(name)
            if "." in name and name.partition(".")[0] not in OWNERS:
                raise ValueError(f"{name} is not of the form {'|'.join(OWNERS)}.NAME")
            if len(set(values)) < len(values):
                raise ValueError(f"a value of {name} stands there twice")
        return value

    @model_validator(mode="after")
    def _reference_runs(self) -> Self:
        if self.reference is not None and self.reference not in self.runs:
            raise ValueError(unknown_name("run", self.reference, self.runs))
        return self

    @property
    def varied(self) -> str | None:
        """What ``vary`` names, None for nothing."""
        return next(iter(self.vary), None)


def load_comparison(config: str, data: Mapping[str, Any]) -> Comparison:
    """The comparison in the file ``config``, or the shipped one of that name.

    Paths in a file are relative to its folder. ``data`` are entries for its ``data``, by which the
    command line fills or overrides it. Raises UsageError where a name or a value makes no sense.
    """
    path = Path(config)
    if config in SHIPPED and not path.is_file():
        shipped = files(__package__) / "configs" / f"{config}.yaml"
        text = shipped.read_text(encoding="utf-8")
        content = load_yaml(text)
        where = f"The shipped comparison {config}"
    else:
        text, content = _read(path)
        where = f"The comparison {path}"
        _resolve(content, path.parent)
    own = content.get("data") or {}
    if not isinstance(own, Mapping):
        raise UsageError(f"{where} must give data: as a mapping, as in data: {{dataset: chips/}}.")
    content = {**content, "data": {**own, **data}}
    try:
        _check_names(content)
        content["written"] = text
        content["runs"] = {
            name: _run(name, run) for name, run in (content.get("runs") or {}).items()
        }
        content["settings"] = _options(content.get("settings") or {})
        return Comparison.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{where}: {_fault(error)}") from error
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        content = load_yaml(text)
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no comparison {path}: give a YAML file, or one of {', '.join(SHIPPED)}."
        ) from error
    except OSError as error:
        raise UsageError(f"The comparison {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The comparison {path} is not valid YAML: {yaml_fault(error)}."
        ) from error
    if not isinstance(content, dict):
        raise UsageError(
            f"The comparison {path} must map names to values: title, data, runs and more; see "
            "docs/compare.md."
        )
    return text, content


def _resolve(content: dict[str, Any], folder: Path) -> None:
    """Make the paths in ``content`` relative to where the command runs."""

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(each) for each in value]
        if not isinstance(value, str) or "://" in value or value.startswith("/vsi"):
            return value
        return str(folder / value)

    def within(mapping: Any, names: tuple[str, ...]) -> None:
        for name in names:
            if isinstance(mapping, dict) and name in mapping:
                mapping[name] = resolved(mapping[name])

    data = content.get("data")
    within(data, ("scene", "labels", "classes", "data"))
    if isinstance(data, dict):
        if data.get("split") != BLOCKS:
            within(data, ("split",))
        if data.get("dataset") not in RELEASES:
            within(data, ("dataset",))
    runs = content.get("runs")
    for mapping in (content.get("settings"), *(runs.values() if isinstance(runs, dict) else ())):
        within(mapping, ("weights", "backbone_weights", "backbone-weights"))


def _check_names(content: Mapping[str, Any]) -> None:
    _check_known(content, [name for name in Comparison.model_fields if name != "written"], "")
    data = content["data"]
    if "scene" in data and "dataset" in data:
        raise ValueError("data has both a scene and a dataset; give one of them.")
    if "scene" not in data and "dataset" not in data:
        raise ValueError(
            "data says neither a dataset (--dataset) nor a scene (--scene, --labels, --split)."
        )
    kind = SceneData if "scene" in data else DatasetData
    _check_known(data, kind.model_fields, "data: ")
    missing = [name for name in ("labels", "split") if name not in data]
    if kind is SceneData and missing:
        raise ValueError(f"data has a scene, but no {missing[0]} (--{missing[0]}).")
    for place in ("runs", "settings"):
        if not isinstance(content.get(place) or {}, Mapping):
            raise ValueError(f"{place} must be a mapping.")


def _check_known(given: Mapping[str, Any], known: Collection[str], where: str) -> None:
    for key in given:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it may have {', '.join(known)}."
            raise ValueError(f"{where}there is no key {key}; {hint}")


def _run(name: str, given: Any) -> dict[str, Any]:
    """A run's mapping in the form of ``Run``."""
    if not isinstance(given, Mapping):
        raise ValueError(f"the run {name} must be a mapping, as in {{method: cwsam}}.")
    try:
        options = _options({key: given[key] for key in given if key not in _OF_BASELINES})
        for option in options:
            _check_own(option)
        own = options.pop("set", {})
        for clash in ("method", "decoder", "backbone", "backbone_weights", "init"):
            if "baseline" in given and clash in options:
                raise ValueError(f"{clash} is of sarseg's methods, and this is a baseline.")
        return {
            **{key: given[key] for key in _OF_BASELINES if key in given},
            "set": own,
            "options": options,
        }
    except ValueError as error:
        raise ValueError(f"the run {name}: {error}") from error


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of ``sarseg train`` by the names of ``TrainSettings``."""
    named = {str(key).replace("-", "_"): value for key, value in given.items()}
    for name in named:
        _check_option(name)
    if not isinstance(named.get("set", {}), Mapping):
        raise ValueError("set must be a mapping, as in set: {method.rank: 4}.")
    return named


def _check_option(name: str) -> None:
    if name in _ELSEWHERE:
        raise ValueError(f"{name} is not to be set here: {_ELSEWHERE[name]}.")
    known = [field for field in TrainSettings.model_fields if field not in _ELSEWHERE]
    if name not in known:
        near = get_close_matches(name, [*known, *_OF_BASELINES], n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
        raise ValueError(f"there is no option {name}; {hint}")


def _check_own(name: str) -> None:
    """Raise ValueError for an option that no run has by itself."""
    if name in _FOR_ALL:
        raise ValueError(_FOR_ALL[name])


def _fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    place = [str(part) for part in fault["loc"] if part not in ("DatasetData", "SceneData")]
    reason = fault["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{' of '.join(reversed(place))}: {reason}." if place else f"{reason}."
