"""What a report tells of a map, found in one pass over its rows."""

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import MAX_CLASS_ID, NODATA, LandCoverClass, complete_legend
from sarseg.errors import InputError
from sarseg.kernels import compiled
from sarseg.scenes.block_cache import block_cache, row_of_blocks
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_crs, misplacement
from sarseg.scenes.landcover import read_legend
from sarseg.scenes.opening import open_raster
from sarseg.scenes.pixel_size import SQUARE_METRES_PER_HECTARE, PixelSize
from sarseg.vectors.rows import Rows, confidence_band, read_percentages, read_rows

LONGEST = 2048
"""Pixels of the reduced map's longer side at most."""

_PIXELS_AT_ONCE = 2**22


@dataclass(frozen=True)
class ClassShare:
    """What a map has of one class.

    ``area_ha`` is on the ellipsoid, None where areas are not known; ``share`` of all that has a
    class, 0..1, is of the area where that is known, else of the pixels. ``confidence`` is the mean
    in 0..1, None where the map has none.
    """

    entry: LandCoverClass
    pixels: int
    area_ha: float | None
    share: float
    confidence: float | None


@dataclass(frozen=True)
class MapSurvey:
    """A land-cover map, counted and reduced.

    ``ids`` (h, w) are the most frequent classes of squares of ``step`` pixels, smaller ones at the
    right and lower edge; the lowest of equally frequent ones, 255 where no pixel has a class.
    ``confidence`` (h, w) is the mean of those pixels' percentages, 255 where there is none;
    ``histogram`` (101,) counts all pixels by percentage. Both are None for a map without
    confidence. ``totals`` are by ascending id. ``unmeasured`` is why areas are not known, as a
    clause about the map; None where they are.
    """

    path: Path
    georeference: Georeference
    size: PixelSize | None
    unmeasured: str | None
    tags: dict[str, str]
    totals: tuple[ClassShare, ...]
    step: int
    ids: NDArray[np.uint8]
    confidence: NDArray[np.uint8] | None
    histogram: NDArray[np.int64] | None

    @property
    def pixels(self) -> int:
        """Pixels with a class."""
        return sum(total.pixels for total in self.totals)

    @property
    def area_ha(self) -> float | None:
        """Area with a class."""
        areas = [total.area_ha for total in self.totals if total.area_ha is not None]
        return sum(areas) if len(areas) == len(self.totals) else None

    @property
    def pixel_width(self) -> float | None:
        """Metres on the ground across the pixel at the centre; None where that is not known."""
        width = self.size.at_centre()[0] if self.size else math.nan
        return width if math.isfinite(width) and width > 0 else None

    @property
    def mean_confidence(self) -> float | None:
        """Mean confidence of all pixels, 0..1."""
        if self.histogram is None or not self.histogram.any():
            return None
        return float(np.average(np.arange(101), weights=self.histogram)) / 100


def survey_map(path: Path, progress: Callable[[int, int], None] | None = None) -> MapSurvey:
    """Read the map ``path`` once, in rows; ``progress(done, total)`` counts them.

    The reduced map comes from all pixels and not from the file's overviews: the areas need every
    pixel anyway, and overviews of maps that others made may be means of class ids.

    Raises InputError where the file is no map: unreadable, not of whole numbers, with values that
    are no class id, or without any class.
    """
    with closing(open_raster(str(path))) as dataset, block_cache(row_of_blocks(dataset)):
        georeference = Georeference.of(dataset)
        size = PixelSize.of(georeference)
        unmeasured = _unmeasured(georeference, size)
        measured = size if unmeasured is None else None
        band = confidence_band(dataset)
        confidence_of = None if band is None else read_percentages(dataset, band)
        step = -(-max(dataset.shape) // LONGEST)
        counts = _Counts.of(dataset.height, dataset.width, step)
        at_once = max(_PIXELS_AT_ONCE // dataset.width // step, 1) * step
        unknown = np.full((at_once, dataset.width), NODATA, np.uint8)
        first = 0
        for classes in _squares(read_rows(dataset), at_once):
            end = first + len(classes)
            _check_ids(classes, path, first)
            percent = confidence_of(first, end) if confidence_of else unknown[: len(classes)]
            areas = measured.areas(first, end) if measured else np.empty((0, 0))
            _count(classes, percent, areas, counts.pixels, counts.areas, counts.percentages)
            rows = slice(first // step, -(-end // step))
            _reduce(classes, percent, step, counts.ids[rows], counts.confidence[rows])
            first = end
            if progress is not None:
                progress(first, dataset.height)
        totals = counts.totals(read_legend(dataset), in_hectares=measured is not None)
        tags = dataset.tags()
    if not totals:
        raise InputError(
            f"The map {path} holds no class: all of it is nodata. There is nothing to report; "
            "check the scene that it was made from."
        )
    return MapSurvey(
        path=path,
        georeference=georeference,
        size=size,
        unmeasured=unmeasured,
        tags=tags,
        totals=totals,
        step=step,
        ids=counts.ids,
        confidence=counts.confidence if confidence_of else None,
        histogram=counts.percentages.sum(axis=0) if confidence_of else None,
    )


def _unmeasured(georeference: Georeference, size: PixelSize | None) -> str | None:
    """Why the areas of pixels are not known, as a clause; None where they are."""
    if size is not None:
        return None if size.everywhere else "parts of it lie beyond what its CRS can show"
    if reason := misplacement(georeference):
        return reason
    crs = map_crs(georeference)
    if crs is None:
        return "it has no CRS"
    return f"its CRS, {crs.name}, has no longitudes and latitudes"


@dataclass(frozen=True)
class _Counts:
    """What is filled while rows go by; see ``MapSurvey``. By class: ``pixels`` (255,), ``areas``
    (255,) in square metres and pixels by their ``percentages`` (255, 101)."""

    pixels: NDArray[np.int64]
    areas: NDArray[np.float64]
    percentages: NDArray[np.int64]
    ids: NDArray[np.uint8]
    confidence: NDArray[np.uint8]

    @classmethod
    def of(cls, height: int, width: int, step: int) -> "_Counts":
        shape = -(-height // step), -(-width // step)
        return cls(
            np.zeros(NODATA, np.int64),
            np.zeros(NODATA),
            np.zeros((NODATA, 101), np.int64),
            np.full(shape, NODATA, np.uint8),
            np.full(shape, NODATA, np.uint8),
        )

    def totals(
        self, legend: tuple[LandCoverClass, ...], *, in_hectares: bool
    ) -> tuple[ClassShare, ...]:
        classes = complete_legend(np.flatnonzero(self.pixels).tolist(), legend)
        ids = [entry.id for entry in classes]
        weights = (self.areas if in_hectares else self.pixels)[ids]
        return tuple(
            ClassShare(
                entry,
                int(self.pixels[entry.id]),
                float(self.areas[entry.id] / SQUARE_METRES_PER_HECTARE) if in_hectares else None,
                float(weight / weights.sum()),
                self._mean_confidence(entry.id),
            )
            for entry, weight in zip(classes, weights, strict=True)
        )

    def _mean_confidence(self, class_id: int) -> float | None:
        counts = self.percentages[class_id]
        return float(np.average(np.arange(101), weights=counts)) / 100 if counts.any() else None


def _squares(rows: Rows, height: int) -> Iterator[NDArray[np.int32]]:
    """``rows`` in blocks of ``height``, the last one of what is left."""
    parts: list[NDArray[np.int32]] = []
    waiting = 0
    for block in rows:
        parts.append(block)
        waiting += len(block)
        if waiting >= height:
            joined = np.concatenate(parts)
            whole = waiting - waiting % height
            for first in range(0, whole, height):
                yield joined[first : first + height]
            parts, waiting = [joined[whole:]], waiting - whole
    if waiting:
        yield np.concatenate(parts)


def _check_ids(classes: NDArray[np.int32], path: Path, first: int) -> None:
    if classes.max() > MAX_CLASS_ID:
        row, col = np.argwhere(classes > MAX_CLASS_ID)[0]
        found = classes[row, col]
        raise InputError(
            f"{path} holds {found} at row {first + row}, column {col}; class ids of a land-cover "
            f"map are 0 to {MAX_CLASS_ID}. If {found} stands for pixels without a class, declare "
            f"it with gdal_edit.py -a_nodata {found}; else give a map as `sarseg predict` writes "
            "it."
        )


@compiled
def _count(
    classes: NDArray[np.int32],
    percent: NDArray[np.uint8],
    areas: NDArray[np.float64],
    pixels: NDArray[np.int64],
    square_metres: NDArray[np.float64],
    percentages: NDArray[np.int64],
) -> None:
    """Add up rows (h, W); ``areas`` are as ``PixelSize.areas`` gives them, or empty."""
    height, width = classes.shape
    for row in range(height):
        start = 0
        for col in range(width):
            found = classes[row, col]
            if found >= 0 and percent[row, col] <= 100:
                percentages[found, percent[row, col]] += 1
            if col + 1 == width or classes[row, col + 1] != found:
                if found >= 0:
                    pixels[found] += col + 1 - start
                    if areas.size:
                        square_metres[found] += areas[row, col + 1] - areas[row, start]
                start = col + 1


@compiled
def _reduce(
    classes: NDArray[np.int32],
    percent: NDArray[np.uint8],
    step: int,
    ids: NDArray[np.uint8],
    confidence: NDArray[np.uint8],
) -> None:
    """Fill ``ids`` and ``confidence`` (h, w) with what squares of ``step`` pixels hold."""
    height, width = classes.shape
    counts = np.zeros(256, np.int64)
    for i in range(ids.shape[0]):
        for j in range(ids.shape[1]):
            counts[:] = 0
            total, known = 0, 0
            for row in range(i * step, min((i + 1) * step, height)):
                for col in range(j * step, min((j + 1) * step, width)):
                    found = classes[row, col]
                    if found >= 0:
                        counts[found] += 1
                        if percent[row, col] <= 100:
                            total += percent[row, col]
                            known += 1
            most = np.argmax(counts)
            if counts[most] > 0:
                ids[i, j] = most
            if known > 0:
                confidence[i, j] = (2 * total + known) // (2 * known)
