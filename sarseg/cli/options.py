"""Options that several commands share, spelled once."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sarseg.errors import UsageError

OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace the output where it exists.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object on stdout.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
BandsOption = Annotated[
    str | None,
    typer.Option(
        "--bands",
        metavar="VV,VH",
        help="Polarisations of the scene's bands in order, where they are not recognised.",
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu or cuda.")]
BackboneWeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--backbone-weights",
        metavar="FILE",
        help="What the model was trained on: Meta's SAM checkpoint, or what `sarseg pretrain` "
        "wrote.",
    ),
]
UnitOption = Annotated[
    str,
    typer.Option(
        "--input-unit",
        metavar="UNIT",
        help="What the numbers are: auto, intensity, amplitude or db.",
    ),
]


def memory_size(text: str | None) -> int | None:
    """``"4GB"`` as bytes; None stays None. Raises UsageError for what is no size."""
    if text is None:
        return None
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        if not re.fullmatch(r"\s*\d+(\.\d+)?\s*([kmgt]i?)?b?\s*", text, re.IGNORECASE):
            raise UsageError(f"--memory {text} is no size: give one as in 4GB or 800MB.")
        size = int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError as error:
        raise UsageError(f"--memory {text} is no size: give one as in 4GB or 800MB.") from error
    if size <= 0:
        raise UsageError(f"--memory {text} is nothing: give a size above 0, as in 4GB.")
    return size


def split_names(names: str | None) -> list[str] | None:
    """``"VV, VH"`` as a list; None stays None."""
    if names is None:
        return None
    return [name.strip() for name in names.split(",") if name.strip()]


def assigned_settings(assignments: Sequence[str], owners: Sequence[str]) -> dict[str, Any]:
    """``["method.rank=4"]`` as ``{"method_settings": {"rank": 4}}``, one entry an owner.

    Values are YAML scalars; of two values for one name the last counts. Raises UsageError where an
    assignment has another form or names none of ``owners``.
    """
    settings: dict[str, dict[str, Any]] = {owner: {} for owner in owners}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        owner, _, setting = name.strip().partition(".")
        if not equals or owner not in settings or not setting:
            raise UsageError(
                f"--set {assignment} is not of the form {'|'.join(owners)}.NAME=VALUE, as in "
                "--set method.adapter_ratio=0.125."
            )
        settings[owner][setting] = _scalar(assignment, text)
    return {f"{owner}_settings": values for owner, values in settings.items()}


def plain_settings(assignments: Sequence[str], example: str = "damping=2") -> dict[str, Any]:
    """``["damping=2"]`` as ``{"damping": 2}``; values as in ``assigned_settings``.

    Raises UsageError where an assignment has another form.
    """
    settings: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise UsageError(
                f"--set {assignment} is not of the form NAME=VALUE, as in --set {example}."
            )
        settings[name.strip()] = _scalar(assignment, text)
    return settings


def _scalar(assignment: str, text: str) -> Any:
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"The value in --set {assignment} is not valid YAML: {reason}.") from error
    if isinstance(value, dict | list):
        raise UsageError(f"The value in --set {assignment} is not a single one.")
    return value
