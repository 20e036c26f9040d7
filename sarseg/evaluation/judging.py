"""How well a map agrees with its reference, counted while the map's rows go by.

The map is a file, or what a model makes of a scene.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from sarseg.classes import NODATA, LandCoverClass
from sarseg.datasets.splits import BLOCKS
from sarseg.errors import UsageError
from sarseg.evaluation.classes import SharedLegend, shared_legend
from sarseg.evaluation.leaks import scene_leaks
from sarseg.evaluation.map import LandCoverMap
from sarseg.evaluation.page.pictures import Picture, ReducedMaps, scene_picture
from sarseg.evaluation.reference import Reference, ReferenceFiles, open_reference
from sarseg.evaluation.result import Evaluation, accuracy_of, areas_of
from sarseg.evaluation.samples import SampledMap, read_samples
from sarseg.evaluation.tally import JudgedRows, Tally
from sarseg.model.card import library_versions
from sarseg.model.file import LoadedModel
from sarseg.prediction.boxes import BoxSource
from sarseg.prediction.caching import bounded_cache
from sarseg.prediction.fit import doubts
from sarseg.prediction.mapping import FinishedRows
from sarseg.prediction.rows import map_rows
from sarseg.prediction.settings import DEFAULTS, PredictSettings
from sarseg.prediction.tile_reading import checked_grid
from sarseg.scenes.grid import Grid
from sarseg.scenes.reader import Scene
from sarseg.scenes.window import Window

Progress = Callable[[int, int], None]

Facts = Mapping[str, str]
"""What a reader needs to know to get the figures again, in the order of the page."""


_FEW_SAMPLES = 10
"""Of fewer in a class, the margins themselves are uncertain."""


@dataclass(frozen=True)
class Judging:
    """What a map is judged by: labels, samples, or both.

    ``attribute`` of the ``samples`` holds the class; boundaries are matched within ``tolerance``
    pixels; ``pictures`` are made on request. UsageError where there is nothing to judge by.
    """

    labels: ReferenceFiles | None = None
    samples: Path | None = None
    attribute: str = "class"
    tolerance: int = 2
    pictures: bool = False

    def __post_init__(self) -> None:
        if self.labels is None and self.samples is None:
            raise UsageError(
                "Nothing was given to judge by: give --labels, or --samples for area estimates."
            )

    @property
    def facts(self) -> Facts:
        """The files, and how they were used."""
        facts = {}
        if self.labels is not None:
            facts["Labels"] = str(self.labels.labels)
            if (judged := self.labels.judged) is not None:
                division = judged.split
                if division == BLOCKS:
                    division = judged.blocks.description
                facts["Split"] = f"{division}; {judged.part} part"
            facts["Tolerance of boundaries"] = f"{self.tolerance} pixels"
        if self.samples is not None:
            facts["Samples"] = f"{self.samples}, attribute {self.attribute}"
        return facts


@dataclass(frozen=True)
class Outcome:
    """An evaluation, and pictures for its page where they were asked for."""

    evaluation: Evaluation
    pictures: tuple[Picture, ...] = ()


def evaluate_map(path: Path, judging: Judging, *, progress: Progress | None = None) -> Outcome:
    """Judge the land-cover map ``path``; labels and samples are laid on its grid.

    ``progress(done, total)`` counts rows. Raises InputError where a file cannot be used, nothing is
    labelled, or no class matches.
    """
    with LandCoverMap(path) as landcover:
        rows = _reported(landcover.rows(), landcover.whole.height, progress)
        judged = _Judged(rows, landcover.classes, landcover, judging)
        tags = landcover.tags
    told = {
        "Predicted by model": tags.get("SARSEG_MODEL_SHA256"),
        "Predicted from": tags.get("SARSEG_SCENE"),
        "Predicted by sarseg": tags.get("SARSEG_VERSION"),
    }
    facts = {"Map": str(path), **{key: value for key, value in told.items() if value}}
    return judged.outcome(path.name, "map", facts)


def evaluate_scene(
    scene: Scene,
    files: Sequence[str],
    model: LoadedModel,
    path: Path,
    judging: Judging,
    settings: PredictSettings = DEFAULTS,
    *,
    boxes: BoxSource | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Judge the map that ``predict_scene`` would write of ``scene``, without writing it.

    ``files`` are those that the scene was opened from, ``path`` is that of the model. On the
    options, ``progress`` and what else is raised see ``predict_scene``, on the rest
    ``evaluate_map``.
    """
    card = model.card
    with_confidence = replace(settings, confidence=True)
    rows = map_rows(scene, model, with_confidence, boxes=boxes, progress=progress)
    grid = checked_grid(scene, card, settings, boxes)
    with bounded_cache(scene, grid, card, grid.width), closing(rows):
        judged = _Judged(rows, card.classes, scene, judging)
        pictures = (scene_picture(scene),) if judging.pictures else ()
    part = judging.labels.part if judging.labels else None
    shape = (scene.whole.height, scene.whole.width)
    warnings = (
        *scene_leaks(card, files, *shape, part, judged.division),
        *scene.doubts,
        *doubts(scene, card, settings.scaling),
    )
    facts = {
        **model_facts(model, path),
        "Scene": scene.name,
        "Read as": scene.unit,
        "Scaled by": "the training set" if settings.scaling == "model" else "the scene itself",
        "Overlap of tiles": f"{grid.overlap} pixels",
        **({"Boxes": str(boxes.path)} if boxes else {}),
    }
    return judged.outcome(path.name, "model", facts, warnings, pictures)


def model_facts(model: LoadedModel, path: Path) -> Facts:
    """What tells a model from others."""
    card = model.card
    return {
        "Model": str(path),
        "Model SHA-256": model.sha256,
        "Method": f"{card.method} on {card.backbone}, decoder {card.decoder}",
        "Temperature": f"{card.temperature:.4g}",
        "Trained on": str(card.training.get("dataset", "unknown")),
    }


def version_facts() -> Facts:
    """What the figures were computed with."""
    return {"Versions": ", ".join(f"{name} {one}" for name, one in library_versions().items())}


class _RowCounter(Protocol):
    def add_rows(self, rows: JudgedRows) -> None: ...


class _Judged:
    """What is counted of the ``rows`` of a map of ``classes`` on ``grid``."""

    def __init__(
        self,
        rows: Iterable[FinishedRows],
        classes: Sequence[LandCoverClass],
        grid: Grid,
        judging: Judging,
    ) -> None:
        self._judging = judging
        self.division: str | None = None
        """How pixels were divided into parts, None where all count."""
        self._tally: Tally | None = None
        self._sampled: SampledMap | None = None
        self._reduced: ReducedMaps | None = None
        self._outside = 0
        if judging.labels is None:
            self._legend = shared_legend(classes, ())
            self._count(rows, grid, None)
            return
        with open_reference(judging.labels, grid) as reference:
            self.division = reference.division
            self._legend = shared_legend(classes, reference.classes)
            self._tally = Tally(len(self._legend.classes), judging.tolerance)
            self._count(rows, grid, reference)

    def _count(
        self,
        rows: Iterable[FinishedRows],
        grid: Grid,
        reference: Reference | None,
    ) -> None:
        """Let the rows pass everything that counts them."""
        legend, judging = self._legend, self._judging
        if judging.samples is not None:
            samples = read_samples(judging.samples, grid, legend.classes, judging.attribute)
            self._outside = samples.outside
            self._sampled = SampledMap(samples, len(legend.classes), grid.georeference)
        if judging.pictures:
            self._reduced = ReducedMaps(grid.georeference.height, grid.georeference.width)
        counters: list[_RowCounter] = [
            each for each in (self._tally, self._sampled, self._reduced) if each is not None
        ]
        for beside in _beside(rows, legend, reference):
            for counter in counters:
                counter.add_rows(beside)

    def outcome(
        self,
        subject: str,
        kind: Literal["map", "model"],
        facts: Facts,
        warnings: Sequence[str] = (),
        pictures: Sequence[Picture] = (),
    ) -> Outcome:
        """The result, with what else is known of it."""
        judging, classes = self._judging, self._legend.classes
        labels = judging.labels
        drawn: Sequence[Picture] = ()
        if self._reduced is not None:
            drawn = self._reduced.pictures(classes, with_reference=labels is not None)
        pixels = np.zeros(len(classes), np.int64)
        if self._tally is not None:
            pixels = self._tally.confusion.sum(axis=1)
        doubts, notes = self._legend.told(pixels)
        evaluation = Evaluation(
            subject=subject,
            kind=kind,
            reference=str(labels.labels) if labels else None,
            part=labels.part if labels else None,
            accuracy=accuracy_of(self._tally, classes) if self._tally else None,
            areas=areas_of(self._sampled, classes) if self._sampled else None,
            warnings=(*warnings, *doubts),
            notes=(*notes, *self._sample_notes()),
            provenance={**facts, **judging.facts, **version_facts()},
        )
        return Outcome(evaluation, (*pictures, *drawn))

    def _sample_notes(self) -> Iterator[str]:
        if self._sampled is None:
            return
        if self._outside:
            yield f"{self._outside} samples lie on no pixel of the map and were left out."
        if self._sampled.unmapped:
            yield (
                f"{self._sampled.unmapped} samples lie where the map has no class and were left "
                "out."
            )
        strata = [
            (entry.name, int(samples))
            for entry, samples, mapped in zip(
                self._legend.classes,
                self._sampled.counts.sum(axis=1),
                self._sampled.mapped,
                strict=True,
            )
            if mapped
        ]
        for name, samples in strata:
            if 2 <= samples < _FEW_SAMPLES:
                yield f"{name}: {samples} samples; its figures say little."
        if sparse := [name for name, samples in strata if samples < 2]:
            yield (
                f"Fewer than two samples lie where the map shows {', '.join(sparse)}: estimates "
                "that need them are missing. Draw samples in every class of the map."
            )


def _beside(
    rows: Iterable[FinishedRows],
    legend: SharedLegend,
    reference: Reference | None,
) -> Iterator[JudgedRows]:
    """Rows of the map beside those of the reference, in one legend."""
    for each in rows:
        mapped = legend.of_map[each.classes]
        truth = np.full_like(mapped, NODATA)
        if reference is not None:
            truth = legend.of_reference[reference.read(Window(each.row, 0, *mapped.shape))]
        yield JudgedRows(each.row, truth, mapped, each.confidence)


def _reported(
    rows: Iterable[FinishedRows], total: int, progress: Progress | None
) -> Iterator[FinishedRows]:
    for each in rows:
        yield each
        if progress:
            progress(each.row + len(each.classes), total)
