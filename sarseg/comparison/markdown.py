"""The page of a comparison: Markdown that is read as text, too."""

import math
from collections.abc import Iterable, Iterator, Sequence

from sarseg.comparison.plots import Picture
from sarseg.comparison.results import Figure, Results, Row
from sarseg.comparison.trials import Value
from sarseg.pages.templates import DASH
from sarseg.wording import counted

_BUDGET = "\\*"
"""Marks a run of which training ended before its plateau; Markdown wants it escaped."""


def as_markdown(results: Results, pictures: Sequence[Picture]) -> str:
    """The page of ``results``; ``pictures`` lie beside it."""
    parts = [
        f"# {results.title}",
        _about(results),
        *_table(results),
        *(f"![{picture.caption}]({picture.path.name})" for picture in pictures),
        *_paired(results),
        *_by_class(results),
        *_again(results),
    ]
    return "\n\n".join(parts) + "\n"


def _about(results: Results) -> str:
    labelled = {name: count for name, count in results.pixels.items() if count}
    sentences = [f"Compared on {results.data}."]
    if results.unit is not None:
        sentences.append(
            f"Judged on the {results.part} part: {sum(labelled.values()):,} pixels of "
            f"{counted(len(labelled), 'class', 'classes')} in "
            f"{counted(results.units, results.unit)}."
        )
    networks = [each for row in results.rows if row.by_gradient for each in row.trials]
    validated = any(each.validation_miou is not None for each in networks)
    kept = "the epoch with the best validation mIoU" if validated else "the last epoch"
    sentences.append(
        "All runs have the same data, settings and seeds. "
        f"{f'Networks keep {kept}; figures' if networks else 'Figures'} are mean ± standard "
        "deviation over seeds."
    )
    if results.unit == "field":
        sentences.append("A field is a connected area of one class in the labels.")
    return " ".join(sentences)


def _table(results: Results) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in results.rows for name in row.figures))
    head = [
        "run",
        *_varied(results),
        "seeds",
        *names,
        "mIoU, validation",
        "trained parameters",
        "all parameters",
        "epochs",
        "memory, GB",
        "time, s",
    ]
    rows = [
        [
            row.run,
            *_value(results, row.value),
            str(len(row.trials)),
            *(_figure(row.figures.get(name)) for name in names),
            _mean([each.validation_miou for each in row.trials], 3),
            _millions(row.trainable_parameters, row),
            _millions(row.parameters, row),
            _epochs(row),
            _most([each.peak_memory / 1e9 for each in row.trials]),
            _mean([each.seconds for each in row.trials], 0),
        ]
        for row in results.rows
    ]
    yield "## Accuracy and cost"
    yield _grid(head, rows)
    if any(each.plateau is False for row in results.rows for each in row.trials):
        yield (
            f"{_BUDGET} The budget of epochs ended before the plateau: more training might do "
            "better."
        )
    troubles = [f"- failed: {sentence}" for row in results.rows for sentence in row.failed]
    troubles += [
        f"- not run yet: {', '.join([row.run, *_value(results, row.value)])}, "
        f"seed {', '.join(map(str, row.missing))}"
        for row in results.rows
        if row.missing
    ]
    if troubles:
        yield "\n".join(troubles)


def _paired(results: Results) -> Iterator[str]:
    if not results.differences:
        return
    reference = results.differences[0].reference
    yield f"## Differences to {reference}"
    yield (
        f"Of the mean over seeds, with the 95 % interval of {results.resamples} draws of the "
        f"{results.unit}s with replacement, the same for both runs; below 0 the run is worse than "
        f"{reference}. Draws say nothing of other seeds: for those see the differences of each."
    )
    head = ["run", *_varied(results), "figure", "difference", "95 % interval", "by seed"]
    rows = [
        [
            each.run,
            *_value(results, each.value),
            each.figure,
            f"{each.mean:+.3f}",
            f"{each.low:+.3f} to {each.high:+.3f}",
            ", ".join(f"{one:+.3f}" for one in each.by_seed),
        ]
        for each in results.differences
    ]
    yield _grid(head, rows, left=("run", "figure"))


def _by_class(results: Results) -> Iterator[str]:
    done = [row for row in results.rows if row.trials]
    if not done:
        return
    yield "## IoU of each class"
    classes = [name for name in results.pixels if any(name in row.iou for row in done)]
    head = ["run", *_varied(results), *classes]
    rows = [
        ["pixels", *([""] * len(_varied(results))), *(f"{results.pixels[n]:,}" for n in classes)]
    ]
    rows += [
        [
            row.run,
            *_value(results, row.value),
            *(f"{row.iou[name]:.3f}" if name in row.iou else DASH for name in classes),
        ]
        for row in done
    ]
    yield _grid(head, rows)


def _again(results: Results) -> Iterator[str]:
    yield "## To get this again"
    yield f"    {results.command}"
    versions = "; ".join(
        ", ".join(f"{name} {version}" for name, version in each.items())
        for each in results.versions
    )
    lines = [f"- {results.date}" if results.date else "", f"- {versions}" if versions else ""]
    lines += [f"- {each}" for each in results.machines]
    if told := [line for line in lines if line]:
        yield "\n".join(told)
    yield "The configuration:"
    yield "\n".join(["```yaml", results.configuration.rstrip(), "```"])


def _varied(results: Results) -> list[str]:
    return [] if results.varied is None else [results.varied]


def _value(results: Results, value: Value) -> list[str]:
    if results.varied is None:
        return []
    return [DASH if value is None else f"{value:g}" if isinstance(value, float) else str(value)]


def _figure(figure: Figure | None) -> str:
    if figure is None or math.isnan(figure.mean):
        return DASH
    if figure.deviation is None:
        return f"{figure.mean:.3f}"
    return f"{figure.mean:.3f} ± {figure.deviation:.3f}"


def _mean(values: Iterable[float | None], decimals: int) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):,.{decimals}f}" if known else DASH


def _most(values: Sequence[float]) -> str:
    return f"{max(values):.2f}" if values else DASH


def _millions(number: int, row: Row) -> str:
    return f"{number / 1e6:.2f} M" if row.by_gradient and row.trials else DASH


def _epochs(row: Row) -> str:
    known = [each.epochs for each in row.trials if each.epochs is not None]
    if not known:
        return DASH
    mark = _BUDGET if any(each.plateau is False for each in row.trials) else ""
    least, most = min(known), max(known)
    return (str(least) if least == most else f"{least}–{most}") + mark


def _grid(
    head: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[str] = ("run",)
) -> str:
    """A table; columns are to the right but for those named ``left``."""
    rule = [":--" if name in left else "--:" for name in head]
    lines = [head, rule, *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
