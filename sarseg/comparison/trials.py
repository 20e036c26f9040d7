"""The trials of a comparison: each run with each value and each seed."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sarseg import __version__
from sarseg.adapters import METHODS, method
from sarseg.baselines import baseline
from sarseg.baselines.base import Baseline
from sarseg.comparison.config import Comparison, Run
from sarseg.comparison.data import chips_of
from sarseg.decoders import DECODERS, decoder
from sarseg.errors import SarsegError, UsageError
from sarseg.model.checkpoints import file_sha256
from sarseg.registry import Configured
from sarseg.training.config import effective_settings
from sarseg.training.losses import LOSSES
from sarseg.training.settings import TrainSettings
from sarseg.training.start import start

Value = int | float | str | bool | None

_OF_METHODS = ("method", "decoder", "backbone", "backbone_weights", "init")
"""Options that say nothing to a baseline."""

_OF_CLASSIFIERS = ("label_share", "despeckle", "looks", "low_pass", "high_pass")
"""Options that say something to what is fitted in one pass."""


@dataclass(frozen=True)
class Trial:
    """One run with one value of what is varied (None: it has nothing of the kind) and one seed.

    ``baseline`` is a baseline's name, None for a method of sarseg. ``key`` tells it from any trial
    that could come out otherwise.
    """

    run: str
    value: Value
    settings: TrainSettings
    baseline: str | None
    baseline_settings: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    key: str = ""

    @property
    def seed(self) -> int:
        """The seed of all that is drawn at random."""
        return self.settings.seed

    @property
    def label(self) -> str:
        """As in ``cwsam, 0.25, seed 1``."""
        return ", ".join([self.run, *_shown(self.value), f"seed {self.seed}"])

    @property
    def file_name(self) -> str:
        """Its name in the folder of a comparison, without a suffix."""
        parts = [self.run, *_shown(self.value), str(self.seed)]
        return "-".join(re.sub(r"[^a-z0-9.]+", "_", part.lower()).strip("_") for part in parts)

    def described(self) -> dict[str, Any]:
        """What it is, in full, but for where things lie."""
        told = {"settings": self.settings.recorded()}
        if self.baseline is None:
            return told
        for unused in _OF_METHODS:
            told["settings"].pop(unused, None)  # of weights, settings do not say where they lie
        return {**told, "baseline": self.baseline, "set": dict(self.baseline_settings)}


def trials_of(comparison: Comparison, folder: Path, digest: str) -> list[Trial]:
    """All trials of ``comparison`` in ``folder``, on the data of this ``digest``, run by run.

    Raises UsageError or ModelError, which name the run, where settings make no sense.
    """
    found = []
    starts: dict[str, str] = {}
    for name, run in comparison.runs.items():
        try:
            for value in _values(comparison, run):
                for seed in comparison.seeds:
                    trial = _trial(comparison, folder, name, value, seed)
                    found.append(_keyed(trial, comparison.part, digest, starts))
        except SarsegError as error:
            raise type(error)(f"The run {name}: {error}") from error
    names: dict[str, str] = {}
    for trial in found:
        if trial.file_name in names:
            raise UsageError(
                f"The trials {names[trial.file_name]!r} and {trial.label!r} would lie in files of "
                f"the same name, {trial.file_name}.json: give the runs other names."
            )
        names[trial.file_name] = trial.label
    return found


def _values(comparison: Comparison, run: Run) -> tuple[Value, ...]:
    """What is varied of a run: nothing where it lacks what is named."""
    varied = comparison.varied
    if varied is None or not _has(comparison, run, varied):
        return (None,)
    if varied in run.options or varied in run.set:
        raise UsageError(f"It sets {varied}, which vary: varies; leave it out there.")
    return comparison.vary[varied]


def _has(comparison: Comparison, run: Run, varied: str) -> bool:
    owner, _, setting = varied.partition(".")
    if run.baseline is not None and not baseline(run.baseline, run.set).by_gradient:
        return owner in _OF_CLASSIFIERS
    if not setting:
        return run.baseline is None or varied not in _OF_METHODS
    if owner in ("method", "decoder") and run.baseline is not None:
        return False
    all_kinds: dict[str, Mapping[str, type[Configured]]] = {
        "method": METHODS,
        "decoder": DECODERS,
        "loss": LOSSES,
    }
    given = {"method": "cwsam", "decoder": "classwise", **comparison.settings, **run.options}
    chosen = all_kinds.get(owner, {}).get(str(given.get(owner)))
    return chosen is None or setting in chosen.model_fields


def _trial(comparison: Comparison, folder: Path, name: str, value: Value, seed: int) -> Trial:
    run = comparison.runs[name]
    varied = comparison.varied if value is not None else None
    told = {**comparison.settings, **run.options, **dict(chips_of(comparison.data, folder))}
    told |= {"seed": seed, "logger": "none"}
    shared, own = comparison.settings.get("set", {}), {} if run.baseline else run.set
    told["set"] = {**shared, **own}
    if varied is not None:
        (told["set"] if "." in varied else told)[varied] = value
    chosen = None if run.baseline is None else baseline(run.baseline, _seeded(run, seed))
    if chosen is not None:
        told["set"] = {
            key: each
            for key, each in told["set"].items()
            if not key.startswith(("method.", "decoder."))
        }
        for unused in _OF_METHODS:
            told.pop(unused, None)
        if not chosen.by_gradient:
            told["augment"] = False
            if run.weights is not None:
                raise UsageError("It is fitted to the chips and starts from no weights.")
    given = {key: each for key, each in told.items() if each is not None}
    settings = effective_settings(given)
    return Trial(
        run=name,
        value=value,
        settings=settings,
        baseline=run.baseline,
        baseline_settings={} if chosen is None else chosen.model_dump(mode="json"),
        weights=run.weights,
    )


def _seeded(run: Run, seed: int) -> dict[str, Any]:
    """The baseline's settings, with the trial's seed where it draws at random by one."""
    assert run.baseline is not None
    has_seed = "seed" in type(baseline(run.baseline, run.set)).model_fields
    return {"seed": seed, **run.set} if has_seed else run.set


def _keyed(trial: Trial, part: str, digest: str, starts: dict[str, str]) -> Trial:
    """``trial`` with its key. ``starts`` keeps what it begins with, by run and value: to read the
    weights of a large backbone once is enough."""
    name = f"{trial.run} {trial.value}"
    if name not in starts:
        starts[name] = _start(trial)
    told = {
        **trial.described(),
        "start": starts[name],
        "part": part,
        "data": digest,
        "sarseg": __version__,
    }
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return replace(trial, key=key)


def _start(trial: Trial) -> str:
    """SHA-256 of the weights that training starts from, empty for none; raises what is wrong with
    the settings of method and decoder."""
    if trial.baseline is not None:
        return "" if trial.weights is None else file_sha256(trial.weights)
    method(trial.settings.method, trial.settings.settings_of("method"))
    decoder(trial.settings.decoder, trial.settings.settings_of("decoder"))
    return start(trial.settings).sha256


def chosen_baseline(trial: Trial) -> Baseline:
    """The baseline of a trial that is one."""
    assert trial.baseline is not None
    return baseline(trial.baseline, trial.baseline_settings)


def _shown(value: Value) -> Iterator[str]:
    if value is not None:
        yield f"{value:g}" if isinstance(value, float) else str(value)
