"""Pictures of a comparison: accuracy against what trains, and against what is varied."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sarseg.classes import fallback_colour, hexadecimal
from sarseg.comparison.results import MIOU, Results, Row
from sarseg.comparison.trials import Value
from sarseg.errors import ModelError
from sarseg.scenes.output import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FORMATS = ("svg", "png")
_MARKERS = "osD^vPX<>*"
_COLOURS = (0, 3, 1, 4, 6, 5, 7, 8, 9, 11)
"""Of ``fallback_colour``: those that are seen on white."""

_LOG_FROM = 10.0
"""Largest value by smallest, above which an axis is logarithmic."""


@dataclass(frozen=True)
class Picture:
    """A picture on disk (PNG; the same lies beside it as SVG), and what it shows."""

    path: Path
    caption: str


def check_plots() -> None:
    """Raise ModelError where what draws is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ModelError(
            "The plots of a comparison need matplotlib, which is not installed: "
            'pip install "sarseg[compare]".'
        ) from error


def plot_files(varied: str | None, folder: Path, prefix: str) -> list[Path]:
    """The files that ``draw`` may write where ``varied`` is varied."""
    names = [_parameters_name(prefix)]
    if varied is not None:
        names.append(_value_name(varied, prefix))
    return [folder / f"{name}.{kind}" for name in names for kind in _FORMATS]


def draw(results: Results, folder: Path, prefix: str) -> list[Picture]:
    """Write the pictures of ``results`` to ``folder``; none where no trial has finished."""
    done = [row for row in results.rows if row.trials]
    if not done:
        return []
    pictures = [_saved(_against_parameters(done), folder, _parameters_name(prefix))]
    captions = ["mIoU against the number of trained parameters"]
    if results.varied is not None and any(row.value is not None for row in done):
        figure = _against_value(done, results.varied)
        pictures.append(_saved(figure, folder, _value_name(results.varied, prefix)))
        captions.append(f"mIoU against {results.varied}")
    return [Picture(path, told) for path, told in zip(pictures, captions, strict=True)]


def _parameters_name(prefix: str) -> str:
    return f"{prefix}accuracy_vs_parameters"


def _value_name(varied: str, prefix: str) -> str:
    return f"{prefix}accuracy_vs_{varied.replace('.', '_')}"


def _against_parameters(rows: Sequence[Row]) -> "Figure":
    figure, axes = _canvas()
    sizes = [row.trainable_parameters for row in rows if row.by_gradient] or [1]
    least, most = min(sizes), max(sizes)
    edge = least / (most / least) ** 0.15 / 3  # where those without parameters stand
    for style, own in _by_run(rows):
        sizes_of_run = [row.trainable_parameters if row.by_gradient else edge for row in own]
        _points(axes, sizes_of_run, own, {**style, "linestyle": ":" if len(own) > 1 else "none"})
    ticks = [tick for tick in _round_numbers(least, most) if tick > edge * 1.8]
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xlabel("trained parameters")
    if any(not row.by_gradient for row in rows):
        axes.axvline(edge * 1.8, color="0.7", linewidth=0.8)
        ticks = [edge, *ticks]
        axes.set_xlim(edge / 1.8, most * 1.6)
    axes.set_xticks(ticks, ["not trained\nby gradient" if t == edge else _short(t) for t in ticks])
    return _finished(figure, axes)


def _round_numbers(least: float, most: float) -> list[float]:
    """1, 2 and 5 times powers of ten about ``least`` to ``most``; of many powers these alone."""
    powers = range(math.floor(math.log10(least)), math.floor(math.log10(most)) + 1)
    digits = (1, 2, 5) if len(powers) < 4 else (1,)
    found = [digit * 10.0**power for power in powers for digit in digits]
    return [number for number in found if least / 2 <= number <= 2 * most]


def _short(number: float) -> str:
    """As in ``500 k`` or ``2 M``."""
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def _against_value(rows: Sequence[Row], varied: str) -> "Figure":
    figure, axes = _canvas()
    values = [row.value for row in rows if row.value is not None]
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in values)
    order: list[Value] = list(dict.fromkeys(values))
    for style, own in _by_run(rows):
        with_value = [row for row in own if row.value is not None]
        if with_value:
            places = [
                row.value if numbers else order.index(row.value)  # words stand side by side
                for row in with_value
            ]
            _points(axes, places, with_value, {**style, "linestyle": "-"})
        else:
            height = own[0].figures[MIOU].mean
            axes.axhline(height, color=style["color"], linestyle="--", label=style["label"])
    if numbers:
        floats = [float(each) for each in values]
        if min(floats) > 0 and max(floats) > _LOG_FROM * min(floats):
            axes.set_xscale("log")
        axes.set_xticks(sorted(set(floats)), [f"{each:g}" for each in sorted(set(floats))])
        axes.minorticks_off()
    else:
        axes.set_xticks(range(len(order)), [str(each) for each in order])
    axes.set_xlabel(varied)
    return _finished(figure, axes)


def _canvas() -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _by_run(rows: Sequence[Row]) -> Iterator[tuple[dict[str, Any], list[Row]]]:
    """The look of each run, and its rows."""
    runs: dict[str, list[Row]] = {}
    for row in rows:
        runs.setdefault(row.run, []).append(row)
    for number, (name, own) in enumerate(runs.items()):
        colour = fallback_colour(_COLOURS[number % len(_COLOURS)])
        marker = _MARKERS[number % len(_MARKERS)]
        yield {"label": name, "color": hexadecimal(colour), "marker": marker}, own


def _points(
    axes: "Axes", places: Sequence[Any], rows: Sequence[Row], style: dict[str, Any]
) -> None:
    figures = [row.figures[MIOU] for row in rows]
    axes.errorbar(
        places,
        [each.mean for each in figures],
        yerr=[each.deviation or 0.0 for each in figures],
        capsize=3,
        **style,
    )


def _finished(figure: "Figure", axes: "Axes") -> "Figure":
    axes.set_ylabel("mIoU, mean and standard deviation")
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _saved(figure: "Figure", folder: Path, name: str) -> Path:
    """Write ``figure`` in all formats; the path of the PNG. Equal figures are equal files."""
    import matplotlib

    for kind in _FORMATS:
        metadata = {"Date": None} if kind == "svg" else {}
        with (
            matplotlib.rc_context({"svg.hashsalt": "sarseg", "svg.fonttype": "path"}),
            replacing(folder / f"{name}.{kind}") as temporary,
        ):
            figure.savefig(temporary, dpi=150, metadata=metadata)
    return folder / f"{name}.png"
