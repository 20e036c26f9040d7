"""What an evaluation found, as the terminal, JSON and the page tell it."""

import math
from collections.abc import Sequence
from typing import Literal

from sarseg.assessment import area
from sarseg.assessment.area import stratified_estimate
from sarseg.assessment.confusion import Scores, scores
from sarseg.assessment.published import published_scores
from sarseg.classes import LandCoverClass
from sarseg.datasets.fusar import RELEASES
from sarseg.evaluation.samples import SampledMap
from sarseg.evaluation.tally import Tally
from sarseg.inspection.report import Report

_PUBLISHED = "fusar"
_BACKGROUND = "background"

_MOST_DECIMALS = 4
"""Of hectares: a square metre."""


class ClassAccuracy(Report):
    """Figures of one class, 0..1; None where one is not defined, as of what does not occur.

    ``mapped_pixels`` counts those of labelled pixels only.
    """

    id: int
    name: str
    colour: tuple[int, int, int]
    reference_pixels: int
    mapped_pixels: int
    iou: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    boundary_f1: float | None


class Figures(Report):
    """Figures of all classes together, 0..1 (kappa from -1)."""

    miou: float | None
    oa: float | None
    fwiou: float | None
    kappa: float | None


class Published(Report):
    """Figures with a class left out of the matrix, as some publications give them."""

    left_out: str
    figures: Figures
    iou: dict[str, float | None]


class ReliabilityBin(Report):
    """Pixels of about one confidence: its mean, and the share of right ones."""

    lower: float
    upper: float
    confidence: float
    accuracy: float
    pixels: int


class Reliability(Report):
    """Whether confidence means what it says: expected and largest gap, and the curve."""

    ece: float
    mce: float
    bins: tuple[ReliabilityBin, ...]


class Accuracy(Report):
    """A map against labels of all its pixels.

    ``confusion`` (K, K + 1) has a row for each class of the reference and a column for each class
    of the map, the last one for ``unmapped``: pixels without a class, which count as errors.
    ``boundary_f1`` holds within ``tolerance`` pixels.
    """

    pixels: int
    unmapped: int
    classes: tuple[ClassAccuracy, ...]
    confusion: tuple[tuple[int, ...], ...]
    figures: Figures
    boundary_f1: float | None
    tolerance: int
    reliability: Reliability | None
    published: Published | None


class Estimate(Report):
    """A figure with the half width of its 95 % confidence interval; None where not defined."""

    value: float | None
    margin: float | None

    @property
    def decimals(self) -> int:
        """Decimal places to show: two significant digits of the margin, or three of the value."""
        figure, digits = (self.margin, 2) if self.margin else (self.value, 3)
        if not figure:
            return 0
        return min(max(digits - 1 - math.floor(math.log10(abs(figure))), 0), _MOST_DECIMALS)


class ClassArea(Report):
    """One class, estimated from samples; areas in hectares, None without a CRS.

    ``mapped_ha`` is what the map shows of it.
    """

    id: int
    name: str
    samples: int
    mapped_ha: float | None
    area_ha: Estimate
    share: Estimate
    users_accuracy: Estimate
    producers_accuracy: Estimate


class Areas(Report):
    """Area estimates after Olofsson et al. (2014), with the classes of the map as strata."""

    samples: int
    overall_accuracy: Estimate
    classes: tuple[ClassArea, ...]


class Evaluation(Report):
    """How well a map, or a model, does. ``part`` is that of a divided reference."""

    subject: str
    kind: Literal["map", "model"]
    reference: str | None
    part: str | None
    accuracy: Accuracy | None
    areas: Areas | None
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    provenance: dict[str, str]


def accuracy_of(tally: Tally, classes: Sequence[LandCoverClass]) -> Accuracy:
    """The figures of a ``tally`` of ``classes``."""
    confusion = tally.confusion
    result, boundary = scores(confusion), tally.boundary.scores()
    per_class = zip(
        classes,
        confusion.sum(axis=1).tolist(),
        confusion.sum(axis=0).tolist(),
        result.iou,
        result.precision,
        result.recall,
        result.f1,
        boundary.f1,
        strict=False,  # the last column is no class
    )
    return Accuracy(
        pixels=int(confusion.sum()),
        unmapped=int(confusion[:, -1].sum()),
        classes=tuple(
            ClassAccuracy(
                id=entry.id,
                name=entry.name,
                colour=entry.colour,
                reference_pixels=in_reference,
                mapped_pixels=mapped,
                iou=_defined(iou),
                precision=_defined(precision),
                recall=_defined(recall),
                f1=_defined(f1),
                boundary_f1=_defined(edge),
            )
            for entry, in_reference, mapped, iou, precision, recall, f1, edge in per_class
        ),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        figures=_figures(result),
        boundary_f1=_defined(boundary.mean),
        tolerance=tally.boundary.tolerance,
        reliability=_reliability(tally),
        published=_published(tally, classes),
    )


def areas_of(sampled: SampledMap, classes: Sequence[LandCoverClass]) -> Areas:
    """What samples say of the areas of ``classes``, those of the map."""
    estimates = stratified_estimate(sampled.counts, sampled.mapped, 1.0)
    shares = estimates.proportions.sum(axis=0)
    total = float(sampled.mapped.sum())
    return Areas(
        samples=int(sampled.counts.sum()),
        overall_accuracy=_estimate(estimates.overall_accuracy),
        classes=tuple(
            ClassArea(
                id=entry.id,
                name=entry.name,
                samples=int(sampled.counts[index].sum()),
                mapped_ha=float(sampled.mapped[index]) if sampled.in_hectares else None,
                area_ha=_estimate(estimates.area[index] if sampled.in_hectares else None),
                share=Estimate(
                    value=_defined(float(shares[index])),
                    margin=_defined(estimates.area[index].margin / total),
                ),
                users_accuracy=_estimate(estimates.users_accuracy[index]),
                producers_accuracy=_estimate(estimates.producers_accuracy[index]),
            )
            for index, entry in enumerate(classes)
        ),
    )


def _figures(result: Scores) -> Figures:
    return Figures(
        miou=_defined(result.miou),
        oa=_defined(result.oa),
        fwiou=_defined(result.fwiou),
        kappa=_defined(result.kappa),
    )


def _reliability(tally: Tally) -> Reliability | None:
    bins = tuple(
        ReliabilityBin(
            lower=each.lower,
            upper=each.upper,
            confidence=each.confidence,
            accuracy=each.accuracy,
            pixels=each.count,
        )
        for each in tally.calibration.curve()
    )
    if not bins:
        return None
    return Reliability(ece=tally.calibration.ece(), mce=tally.calibration.mce(), bins=bins)


def _published(tally: Tally, classes: Sequence[LandCoverClass]) -> Published | None:
    """FUSAR-Map 1.0 is published with its background out of the matrix."""
    names = [entry.name for entry in classes]
    if sorted(names) != sorted(entry.name for entry in RELEASES[_PUBLISHED].classes):
        return None
    left_out = names.index(_BACKGROUND)
    result = published_scores(tally.confusion, left_out)
    kept = [name for name in names if name != _BACKGROUND]
    return Published(
        left_out=_BACKGROUND,
        figures=_figures(result),
        iou=dict(zip(kept, map(_defined, result.iou), strict=True)),
    )


def _estimate(found: area.Estimate | None) -> Estimate:
    if found is None:
        return Estimate(value=None, margin=None)
    return Estimate(value=_defined(found.value), margin=_defined(found.margin))


def _defined(figure: float) -> float | None:
    return None if math.isnan(figure) else figure
