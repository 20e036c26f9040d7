"""The page of an evaluation: one HTML file that needs nothing else."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sarseg.evaluation.page.pictures import Picture
from sarseg.evaluation.result import Accuracy, Estimate, Evaluation
from sarseg.pages.templates import DASH, environment, number
from sarseg.scenes.output import replacing


def write_page(path: Path, evaluation: Evaluation, pictures: Sequence[Picture]) -> None:
    """Write the page of ``evaluation``, whole or not at all. Raises OutputError."""
    with replacing(path) as temporary:
        temporary.write_text(page(evaluation, pictures), encoding="utf-8")


def page(evaluation: Evaluation, pictures: Sequence[Picture]) -> str:
    """The HTML text. Whatever comes from files, such as class names, is escaped."""
    templates = environment(__package__)
    templates.filters["estimated"] = _estimated_hectares
    accuracy = evaluation.accuracy
    return templates.get_template("report.html.j2").render(
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


def _estimated_hectares(estimate: Estimate) -> str:
    if estimate.value is None:
        return DASH
    figures = [estimate.value] if estimate.margin is None else [estimate.value, estimate.margin]
    return " ± ".join(number(figure, estimate.decimals) for figure in figures)
