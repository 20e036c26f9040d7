"""What the finished trials say together: means over seeds, differences with intervals."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sarseg.assessment.confusion import scores
from sarseg.comparison.config import Comparison
from sarseg.comparison.process import Failure
from sarseg.comparison.record import TrialRecord, Unit
from sarseg.comparison.statistics import (
    RESAMPLES,
    mean_iou,
    paired_difference,
    resample_weights,
    spread,
)
from sarseg.comparison.trials import Trial, Value
from sarseg.errors import UsageError
from sarseg.registry import unknown_name

MIOU = "mIoU"

Counts = NDArray[np.int64]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Part):
    """A figure of each seed, their mean, and their standard deviation (None of one alone)."""

    mean: float
    deviation: float | None
    by_seed: tuple[float, ...]


class TrialFacts(_Part):
    """What is told of one trial; see ``TrialRecord``."""

    seed: int
    epochs: int | None
    best_epoch: int | None
    plateau: bool | None
    validation_miou: float | None
    seconds: float
    peak_memory: int
    machine: str
    finished: str


class Row(_Part):
    """One run with one value of what is varied, over its finished seeds.

    ``figures`` are by name: mIoU, mIoU without some classes, OA, FWIoU; none where no trial has
    finished. ``iou`` is the mean over seeds of each class that is judged.
    """

    run: str
    value: Value
    by_gradient: bool
    parameters: int
    trainable_parameters: int
    figures: dict[str, Figure]
    iou: dict[str, float]
    settings: dict[str, Any]
    trials: tuple[TrialFacts, ...]
    failed: tuple[str, ...]
    missing: tuple[int, ...]


class PairedDifference(_Part):
    """``figure`` of a run less that of the reference, over the ``seeds`` that both have.

    ``mean`` lies between ``low`` and ``high`` in 95 % of the draws of the units; ``by_seed`` are
    the differences of each seed.
    """

    run: str
    value: Value
    reference: str
    figure: str
    seeds: tuple[int, ...]
    mean: float
    low: float
    high: float
    by_seed: tuple[float, ...]


class Results(_Part):
    """All that a comparison tells.

    ``units`` were judged, connected areas of the reference or chips; ``pixels`` are those of each
    class in the reference. ``resamples`` of the units make the intervals.
    """

    title: str
    command: str
    configuration: str
    data: str
    part: str
    unit: Unit | None
    units: int
    pixels: dict[str, int]
    resamples: int
    varied: str | None
    rows: tuple[Row, ...]
    differences: tuple[PairedDifference, ...]
    machines: tuple[str, ...]
    versions: tuple[dict[str, str], ...]
    date: str


def collect(
    comparison: Comparison,
    trials: Sequence[Trial],
    records: dict[str, TrialRecord],
    failures: Sequence[Failure],
    *,
    command: str,
    data: str,
) -> Results:
    """Aggregate ``records``, by the labels of their trials.

    Raises UsageError where classes are to be left out that there are not, or trials were not judged
    by the same pixels.
    """
    some = next(iter(records.values()), None)
    classes = some.judgement.classes if some else ()
    groups = _groups(comparison, classes)
    counts = {label: each.judgement.by_unit() for label, each in records.items()}
    _check_judged_alike(records, counts)
    pixels = next(iter(counts.values())).sum(axis=(0, 2)) if counts else np.zeros(0, np.int64)
    by_row: dict[tuple[str, Value], list[Trial]] = {}
    for trial in trials:
        by_row.setdefault((trial.run, trial.value), []).append(trial)
    failed = {each.trial: each.sentence for each in failures}
    return Results(
        title=comparison.title,
        command=command,
        configuration=comparison.written,
        data=data,
        part=comparison.part,
        unit=some.judgement.unit if some else None,
        units=some.judgement.units if some else 0,
        pixels=dict(zip(classes, pixels.tolist(), strict=True)),
        resamples=RESAMPLES,
        varied=comparison.varied,
        rows=tuple(_row(own, records, counts, groups, failed) for own in by_row.values()),
        differences=tuple(_differences(comparison, by_row, counts, groups)),
        machines=tuple(dict.fromkeys(each.machine for each in records.values())),
        versions=_distinct(each.versions for each in records.values()),
        date=max((each.finished[:10] for each in records.values()), default=""),
    )


def check_groups(comparison: Comparison, classes: Sequence[str]) -> None:
    """Raise UsageError where classes are to be left out that are not among ``classes``."""
    for name in (name for names in comparison.without for name in names):
        if name not in classes:
            raise UsageError(f"without: {unknown_name('class', name, classes)}")


def _check_judged_alike(records: dict[str, TrialRecord], counts: dict[str, Counts]) -> None:
    """Raise UsageError where trials have other classes or, in some unit, other reference pixels."""
    if not records:
        return
    first = next(iter(records))
    reference = counts[first].sum(axis=2)
    for label, record in records.items():
        same_classes = record.judgement.classes == records[first].judgement.classes
        if not same_classes or not np.array_equal(counts[label].sum(axis=2), reference):
            raise UsageError(
                f"The trials {first!r} and {label!r} were judged by different "
                f"{'pixels' if same_classes else 'classes'}, so that nothing follows from their "
                "difference. Run the comparison in a new folder."
            )


def _groups(comparison: Comparison, classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The classes that each kind of mIoU leaves out, by its name; of no classes nothing."""
    if not classes:
        return {}
    check_groups(comparison, classes)
    groups: dict[str, tuple[int, ...]] = {MIOU: ()}
    for names in comparison.without:
        groups[f"{MIOU} without {', '.join(names)}"] = tuple(map(classes.index, names))
    return groups


def _row(
    trials: Sequence[Trial],
    records: dict[str, TrialRecord],
    counts: dict[str, Counts],
    groups: dict[str, tuple[int, ...]],
    failed: dict[str, str],
) -> Row:
    done = [trial for trial in trials if trial.label in records]
    own = [records[trial.label] for trial in done]
    totals = [counts[trial.label].sum(axis=0) for trial in done]
    figures, iou = {}, {}
    if done:
        judged = [scores(total) for total in totals]
        for name, left_out in groups.items():
            figures[name] = _figure([float(mean_iou(total, left_out)) for total in totals])
        figures["OA"] = _figure([each.oa for each in judged])
        figures["FWIoU"] = _figure([each.fwiou for each in judged])
        by_class = np.mean([each.iou for each in judged], axis=0)
        names = own[0].judgement.classes
        iou = {
            name: float(value)
            for name, value in zip(names, by_class, strict=True)
            if not math.isnan(value)
        }
    first = own[0] if own else None
    return Row(
        run=trials[0].run,
        value=trials[0].value,
        by_gradient=first.by_gradient if first else True,
        parameters=first.parameters if first else 0,
        trainable_parameters=first.trainable_parameters if first else 0,
        figures=figures,
        iou=iou,
        settings=trials[0].described(),
        trials=tuple(
            TrialFacts(**each.model_dump(include=set(TrialFacts.model_fields))) for each in own
        ),
        failed=tuple(
            f"{trial.label}: {failed[trial.label]}" for trial in trials if trial.label in failed
        ),
        missing=tuple(
            trial.seed
            for trial in trials
            if trial.label not in records and trial.label not in failed
        ),
    )


def _figure(values: Sequence[float]) -> Figure:
    found = spread(values)
    deviation = None if math.isnan(found.deviation) else found.deviation
    return Figure(mean=found.mean, deviation=deviation, by_seed=tuple(values))


def _differences(
    comparison: Comparison,
    by_row: dict[tuple[str, Value], list[Trial]],
    counts: dict[str, Counts],
    groups: dict[str, tuple[int, ...]],
) -> Iterable[PairedDifference]:
    if comparison.reference is None or not counts:
        return
    weights = resample_weights(len(next(iter(counts.values()))))
    for (run, value), trials in by_row.items():
        reference = _partner(comparison.reference, value, by_row)
        if run == comparison.reference or reference is None:
            continue
        own = {trial.seed: counts[trial.label] for trial in trials if trial.label in counts}
        other = {trial.seed: counts[trial.label] for trial in reference if trial.label in counts}
        seeds = [seed for seed in own if seed in other]
        if not seeds:
            continue
        pairs = [own[seed] for seed in seeds], [other[seed] for seed in seeds]
        for name, left_out in groups.items():
            by_seed = tuple(
                float(mean_iou(one.sum(0), left_out) - mean_iou(two.sum(0), left_out))
                for one, two in zip(*pairs, strict=True)
            )
            if any(map(math.isnan, by_seed)):  # no class is left to judge by
                continue
            found = paired_difference(*pairs, weights, left_out)
            yield PairedDifference(
                run=run,
                value=value,
                reference=comparison.reference,
                figure=name,
                seeds=tuple(seeds),
                mean=found.mean,
                low=found.low,
                high=found.high,
                by_seed=by_seed,
            )


def _partner(
    reference: str, value: Value, by_row: dict[tuple[str, Value], list[Trial]]
) -> list[Trial] | None:
    """The reference with the same value; where it has none of its own, as it is."""
    return by_row.get((reference, value)) or by_row.get((reference, None))


def _distinct(each: Iterable[dict[str, str]]) -> tuple[dict[str, str], ...]:
    """Versions of packages; those of trials that have none in two versions are put together."""
    found: list[dict[str, str]] = []
    for one in each:
        for other in found:
            if all(other.get(name, version) == version for name, version in one.items()):
                other.update(one)
                break
        else:
            found.append(dict(one))
    return tuple(found)
