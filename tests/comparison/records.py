"""Trials that have been finished without any work."""

from pathlib import Path
from typing import Any

from sarseg.comparison.config import Comparison, DatasetData, Run
from sarseg.comparison.record import Judgement, TrialRecord
from sarseg.comparison.trials import Trial, trials_of

FOLDER = Path("compared")


def small_comparison(**changes: Any) -> Comparison:
    """Two methods and a classifier, on two seeds."""
    return Comparison(
        **{
            "title": "Three runs",
            "data": DatasetData(dataset="chips"),
            "runs": {
                "cwsam": Run(),
                "full": Run(options={"method": "full"}),
                "Gauss": Run(baseline="gaussian-ml"),
            },
            "seeds": (0, 1),
            "reference": "cwsam",
            "settings": {"epochs": 5, "patience": 2},
            **changes,
        }
    )


def records_of(
    comparison: Comparison, hits: dict[str, tuple[int, ...]]
) -> tuple[list[Trial], dict[str, TrialRecord]]:
    """Trials, and records of those for which ``hits`` has, by run, how many of 10 pixels of each of
    two units (one a class) are right; a further one a seed."""
    trials = trials_of(comparison, FOLDER, "data")
    found = {}
    for trial in trials:
        if trial.run not in hits:
            continue
        right = [hit + trial.seed for hit in hits[trial.run]]
        counts = [(unit, unit, unit, n) for unit, n in enumerate(right)]
        counts += [(unit, unit, 2, 10 - n) for unit, n in enumerate(right) if n < 10]
        by_gradient = trial.baseline is None
        found[trial.label] = TrialRecord(
            key=trial.key,
            run=trial.run,
            value=trial.value,
            seed=trial.seed,
            by_gradient=by_gradient,
            epochs=5 if by_gradient else None,
            best_epoch=3 if by_gradient else None,
            plateau=trial.run == "cwsam" if by_gradient else None,
            validation_miou=0.5 if by_gradient else None,
            parameters=3_000_000 if by_gradient else 0,
            trainable_parameters=(len(trial.run) * 100_000) if by_gradient else 0,
            peak_memory=10**9,
            seconds=12.0,
            machine="a computer",
            versions={"sarseg": "1"},
            finished="2026-01-02T03:04:05+00:00",
            settings={},
            judgement=Judgement(
                unit="field", units=2, classes=("water", "land"), counts=tuple(counts)
            ),
        )
    return trials, found
