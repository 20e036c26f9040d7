"""An evaluation as text for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sarseg.cli import console

if TYPE_CHECKING:
    from sarseg.evaluation.result import Accuracy, Areas, Estimate, Evaluation

_NAME_WIDTH = 20  # so that a table fits 80 columns


def print_evaluation(evaluation: "Evaluation") -> None:
    """Print the figures."""
    if evaluation.accuracy is not None:
        _print_accuracy(evaluation.accuracy)
    if evaluation.areas is not None:
        _print_areas(evaluation.areas)


def _print_accuracy(accuracy: "Accuracy") -> None:
    columns = ("pixels", "IoU", "prec.", "recall", "F1", f"bF1 {accuracy.tolerance}px")
    rows = [
        (
            entry.name,
            f"{entry.reference_pixels:,}",
            *map(_figure, (entry.iou, entry.precision, entry.recall, entry.f1, entry.boundary_f1)),
        )
        for entry in accuracy.classes
    ]
    _print_table(("class", *columns), rows)
    figures = accuracy.figures
    console.say(
        f"mIoU {_figure(figures.miou)}, OA {_figure(figures.oa)}, FWIoU {_figure(figures.fwiou)}, "
        f"kappa {_figure(figures.kappa)}, boundary F1 {_figure(accuracy.boundary_f1)}"
    )
    if accuracy.reliability is not None:
        console.say(f"Expected calibration error {accuracy.reliability.ece:.3f}")
    if (published := accuracy.published) is not None:
        console.say(
            f"As published, without {published.left_out}: mIoU {_figure(published.figures.miou)}, "
            f"OA {_figure(published.figures.oa)}, FWIoU {_figure(published.figures.fwiou)}"
        )
    if accuracy.unmapped:
        console.say(
            f"{accuracy.unmapped:,} of {accuracy.pixels:,} labelled pixels have no class in the "
            "map; they count as errors."
        )


def _print_areas(areas: "Areas") -> None:
    rows = [
        (
            entry.name,
            f"{entry.samples:,}",
            _hectares(entry.area_ha),
            _with_margin(entry.share),
            _with_margin(entry.users_accuracy),
            _with_margin(entry.producers_accuracy),
        )
        for entry in areas.classes
    ]
    _print_table(("class", "samples", "ha", "share", "user's", "producer's"), rows)
    console.say(
        f"Areas from {areas.samples:,} samples, ± 95 % confidence; overall accuracy "
        f"{_with_margin(areas.overall_accuracy)}"
    )


def _print_table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    name = table.columns[0]
    name.justify, name.overflow, name.max_width = "left", "ellipsis", _NAME_WIDTH
    for first, *others in rows:
        table.add_row(escape(first), *others)
    console.stderr.print(table)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _with_margin(estimate: "Estimate") -> str:
    if estimate.value is None or estimate.margin is None:
        return _figure(estimate.value)
    return f"{estimate.value:.2f}±{estimate.margin:.2f}"


def _hectares(estimate: "Estimate") -> str:
    if estimate.value is None:
        return "-"
    value = f"{estimate.value:,.{estimate.decimals}f}"
    return value if estimate.margin is None else f"{value}±{estimate.margin:,.{estimate.decimals}f}"
