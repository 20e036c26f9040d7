"""The page of an evaluation: one HTML file that needs nothing else."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sarseg.evaluation.page.pictures import Picture
from sarseg.evaluation.result import Accuracy, Estimate, Evaluation
from sarseg.scenes.output import replacing

_DASH = "–"


def write_page(path: Path, evaluation: Evaluation, pictures: Sequence[Picture]) -> None:
    """Write the page of ``evaluation``, whole or not at all. Raises OutputError."""
    with replacing(path) as temporary:
        temporary.write_text(page(evaluation, pictures), encoding="utf-8")


def page(evaluation: Evaluation, pictures: Sequence[Picture]) -> str:
    """The HTML text. Whatever comes from files, such as class names, is escaped."""
    environment = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown_as = {"share": _share, "percent": _percent, "number": _number, "hectares": _hectares}
    environment.filters.update(shown_as, colour=_colour, estimated=_estimated_hectares)
    environment.globals.update(shown_as)  # macros take them as arguments
    accuracy = evaluation.accuracy
    return environment.get_template("report.html.j2").render(
        report=evaluation,
        pictures=pictures,
        matrix=matrix_rows(accuracy) if accuracy else (),
    )


def matrix_rows(accuracy: Accuracy) -> list[dict[str, Any]]:
    """The confusion matrix for the page: classes of the reference that occur, each with its cells.

    A cell is its count, its share of the row, and whether it lies on the diagonal. The last column,
    of pixels without a class, is left out where it is empty.
    """
    columns = len(accuracy.classes) + bool(accuracy.unmapped)
    return [
        {
            "name": entry.name,
            "cells": [
                {"count": count, "share": count / entry.reference_pixels, "right": index == column}
                for column, count in enumerate(counts[:columns])
            ],
        }
        for index, (entry, counts) in enumerate(
            zip(accuracy.classes, accuracy.confusion, strict=True)
        )
        if entry.reference_pixels
    ]


def _share(value: float | None) -> str:
    """A figure in 0..1 with three digits."""
    return _DASH if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return _DASH if value is None else f"{100 * value:.1f} %"


def _number(value: int) -> str:
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _hectares(value: float | None) -> str:
    if value is None:
        return _DASH
    return _number(round(value)) if abs(value) >= 10 else f"{value:.2f}"


def _estimated_hectares(estimate: Estimate) -> str:
    if estimate.value is None:
        return _DASH
    figures = [estimate.value] if estimate.margin is None else [estimate.value, estimate.margin]
    shown = [f"{figure:,.{estimate.decimals}f}" for figure in figures]
    return " ± ".join(shown).replace(",", "\N{NARROW NO-BREAK SPACE}")


def _colour(rgb: Sequence[int]) -> str:
    red, green, blue = rgb
    return f"#{red:02x}{green:02x}{blue:02x}"
