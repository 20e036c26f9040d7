"""``sarseg info``: what a scene, a model or a dataset is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sarseg.cli import console
from sarseg.cli.options import JsonOption
from sarseg.cli.scene_options import takes_reading
from sarseg.errors import InputError, ModelError, UsageError
from sarseg.scenes.reading import DEFAULT, Reading

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sarseg.model.card import ModelCard

EMBEDDED = "embedded"
"""What the shipped model is called where a model is named."""

_Kind = Literal["scene", "model", "dataset"]


@takes_reading
def info(
    given: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENE|MODEL|DATASET",
            help="The files of one scene; or a model file, or embedded for the shipped model; or "
            "a folder of chips, one of images and masks, fusar or fusar2.",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="FILE",
            help="Say whether the scene fits this model: a model file, or embedded.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder of FUSAR-Map; else SARSEG_DATA, else the cache folder.",
        ),
    ] = None,
    as_json: JsonOption = False,
    reading: Reading = DEFAULT,
) -> None:
    """Say what a scene, a model or a dataset is.

    Example: sarseg info scene_vv.tif scene_vh.tif --model model.safetensors
    """
    kind = _kind(given)
    if kind != "scene" and (reading != DEFAULT or model is not None):
        raise UsageError(
            f"{given[0]} is a {kind}: --model and the options that say how a scene is to be read "
            "are for scenes."
        )
    if kind != "dataset" and data is not None:
        raise UsageError(f"{given[0]} is a {kind}: --data is for fusar and fusar2.")
    if kind == "model":
        _tell_model(given[0], as_json)
    elif kind == "dataset":
        _tell_dataset(given[0], data, as_json)
    else:
        _tell_scene(given, reading, model, as_json)


def _kind(given: Sequence[str]) -> _Kind:
    """What is given: the files of a scene, or one model or dataset."""
    kinds = [_kind_of(each) for each in given]
    for name, kind in zip(given, kinds, strict=True):
        if kind != "scene" and len(given) > 1:
            raise UsageError(
                f"{name} is a {kind}: give it alone, or a model by --model to see whether the "
                "scene fits it."
            )
    return kinds[0]


def _kind_of(given: str) -> _Kind:
    from sarseg.datasets.source import is_dataset

    suffix = Path(given).suffix.lower()
    if suffix in (".pth", ".pt", ".ckpt"):
        raise InputError(
            f"{given} is a checkpoint of weights, neither a scene nor a model file of sarseg. "
            f"`sarseg weights verify {given}` says whether it is one of Meta's backbones, "
            "`sarseg weights import` makes a model file of the checkpoint of a published system."
        )
    if given == EMBEDDED or suffix == ".safetensors":
        return "model"
    return "dataset" if is_dataset(given) else "scene"


def _tell_model(given: str, as_json: bool) -> None:
    from sarseg.cli.info_text import model_text
    from sarseg.inspection.model import inspect_model

    report = inspect_model(_model_file(given))
    _tell("model", report.model_dump(mode="json"), lambda: model_text(report), as_json)


def _tell_dataset(given: str, data: Path | None, as_json: bool) -> None:
    from sarseg.cli.info_text import dataset_text
    from sarseg.inspection.dataset import inspect_dataset

    with console.progress("Chips") as progress:
        report = inspect_dataset(given, data, progress)
    _tell("dataset", report.model_dump(mode="json"), lambda: dataset_text(report), as_json)


def _tell_scene(given: Sequence[str], reading: Reading, model: str | None, as_json: bool) -> None:
    from sarseg.cli.info_text import fit_text, scene_text
    from sarseg.inspection.fit import inspect_fit
    from sarseg.inspection.scene import inspect_scene
    from sarseg.scenes.reader import Scene

    card = None if model is None else _card(model)
    fit, misfit = None, None
    with Scene.open(given, reading) as scene:
        with console.progress("Rows") as progress:
            report = inspect_scene(scene, progress)
        if card is not None:
            try:
                fit = inspect_fit(scene, card)
            except ModelError as error:
                misfit = error
    found = report.model_dump(mode="json")
    if fit is not None:
        found["model"] = {"fits": True, **fit.model_dump(mode="json")}
    elif misfit is not None:
        found["model"] = {"fits": False, "reason": str(misfit)}
    _tell("scene", found, lambda: scene_text(report), as_json)
    for warning in report.warnings:
        console.warn(warning)
    if fit is not None:
        console.say(fit_text(fit))
        for doubt in fit.doubts:
            console.warn(doubt)
    if misfit is not None:
        raise misfit


def _card(model: str) -> "ModelCard":
    from sarseg.model.file import read_card  # which loads torch

    return read_card(_model_file(model))


def _model_file(given: str) -> Path:
    from sarseg.model.backbone import embedded_file
    from sarseg.model.file import EMBEDDED_MODEL

    return embedded_file(EMBEDDED_MODEL) if given == EMBEDDED else Path(given)


def _tell(
    kind: _Kind,
    found: dict[str, Any],
    text: "Callable[[], Sequence[RenderableType]]",
    as_json: bool,
) -> None:
    if as_json:
        console.emit({"kind": kind, **found})
        return
    for part in text():
        console.stderr.print(part, soft_wrap=False)
