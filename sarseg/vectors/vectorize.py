"""A class raster to polygons: the steps in order."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from math import prod, sqrt
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from sarseg.ahead import Ahead
from sarseg.classes import LandCoverClass
from sarseg.errors import InputError, UsageError
from sarseg.scenes.block_cache import block_cache, row_of_blocks
from sarseg.scenes.ground import gcp_order
from sarseg.scenes.opening import open_raster
from sarseg.vectors.attributes import attributes, dissolved
from sarseg.vectors.class_raster import ClassRaster
from sarseg.vectors.formats.features import Features
from sarseg.vectors.majority import majority
from sarseg.vectors.measures import Measure
from sarseg.vectors.placement import place
from sarseg.vectors.polygonise import polygonise
from sarseg.vectors.regions import Polygons, Regions
from sarseg.vectors.rows import Rows, confidence_band, read_percentages
from sarseg.vectors.sieve import Rule, sieved
from sarseg.vectors.simplify import simplified
from sarseg.vectors.smooth import smoothed
from sarseg.vectors.style import Drawn, drawn_classes
from sarseg.vectors.totals import ClassTotal, Totals
from sarseg.vectors.write import check_crs, check_target, is_reprojected, write_features

LAYER = "landcover"

_BATCHES_AHEAD = 1

_A_LITTLE_MORE = 1.002
"""Many corners of outlines are worth one pixel exactly, and 10 m are to reach them where pixels are
called 10 m wide, but are 10.004 m on the ellipsoid."""


@dataclass(frozen=True)
class VectorizeSettings:
    """What is done to a map on its way to polygons.

    First each pixel takes the most frequent class of the ``majority`` x ``majority`` pixels round
    it, then regions below ``min_area`` are given to a neighbour, by ``rule``. Outlines are smoothed
    (``smooth``), then simplified by the tolerance ``simplify``. Of the polygons those of the
    classes ``select``, ids or names, are written, one a class where ``dissolve``.
    """

    majority: int | None = None
    min_area: Measure | None = None
    rule: Rule = "border"
    smooth: bool = False
    simplify: Measure | None = None
    select: tuple[str, ...] | None = None
    dissolve: bool = False


DEFAULTS = VectorizeSettings()


@dataclass(frozen=True)
class VectorizeSummary:
    """What was written: ``classes`` by ascending id, ``crs`` as a code or a name, None without.

    ``gcp_order`` is that of the polynomial by which ground control points placed the map, None
    where a transform did. ``notes`` are sentences on what the file cannot hold.
    """

    output: Path
    polygons: int
    classes: tuple[ClassTotal, ...]
    crs: str | None
    gcp_order: int | None
    notes: tuple[str, ...]


def vectorize(
    landcover: Path | str,
    output: Path,
    settings: VectorizeSettings = DEFAULTS,
    *,
    layer: str = LAYER,
    overwrite: bool = False,
    append: bool = False,
    styled: bool = True,
) -> VectorizeSummary:
    """Write the class raster ``landcover`` as polygons to ``output``, see ``write_features``.

    One polygon for each 4-connected region, with the fields of ``attributes``. ``layer`` names the
    layer of a GeoPackage. With ``styled`` the map's colours go with it.

    Raises InputError where ``landcover`` is no class raster (see ``read_rows``), has no class, or
    none that is selected; OutputError where ``output`` exists or cannot be written; UsageError
    where its extension names no known format, or options do not fit the map.
    """
    check_target(
        output,
        layer=layer,
        overwrite=overwrite,
        append=append,
        styled=styled,
        inputs=[Path(landcover)],
    )
    with open_raster(str(landcover)) as dataset, block_cache(row_of_blocks(dataset)):
        source = ClassRaster(str(landcover), dataset)
        check_crs(output, source.crs)
        bent = is_reprojected(output, source.crs)
        if bent and source.holds_a_pole:
            raise UsageError(
                f"{landcover} lies round a pole, where the longitudes of GeoJSON meet in a point; "
                "write a .gpkg, .parquet or .fgb, which keep the map's CRS."
            )
        chosen = None if settings.select is None else source.ids_of(settings.select)
        totals = Totals()
        # tracing the next polygons takes about as long as writing the last
        batches = _features(source, settings, chosen, bent=bent)
        # the raster closes first, so that an interruption need not wait for the thread's next batch
        with Ahead(batches, _BATCHES_AHEAD) as features, closing(source):
            written = write_features(
                _counted(features, totals),
                output,
                crs=source.crs,
                layer=layer,
                multi=settings.dissolve,
                append=append,
                overwrite=overwrite,
                legend=(lambda: _drawn(totals, source.legend)) if styled else None,
            )
    return VectorizeSummary(
        output,
        written.features,
        totals.classes(),
        source.crs_name,
        gcp_order(source.georeference),
        written.notes,
    )


def _drawn(totals: Totals, legend: Sequence[LandCoverClass]) -> tuple[Drawn, ...]:
    """The classes that there are polygons of."""
    return drawn_classes((total.class_id for total in totals.classes()), legend)


def _features(
    source: ClassRaster,
    settings: VectorizeSettings,
    chosen: frozenset[int] | None,
    *,
    bent: bool,
) -> Iterator[Features]:
    batches = _placed(source, settings, chosen, bent)
    first = next(batches, None)
    if first is None:
        raise InputError(
            f"{source.name} has no pixel with a class, all are nodata; there is nothing to turn "
            "into polygons."
            if chosen is None
            else f"{source.name} has no pixel of the classes that are selected "
            f"({', '.join(map(str, sorted(chosen)))}); there is nothing to turn into polygons."
        )
    yield first
    yield from batches


def _placed(
    source: ClassRaster, settings: VectorizeSettings, chosen: frozenset[int] | None, bent: bool
) -> Iterator[Features]:
    """Features batch by batch; all at once where they are dissolved."""
    batches = (
        Features(
            _on_the_map(polygons, source, bent),
            attributes(regions, polygons, source.legend, source.size),
        )
        for regions, polygons in _shaped(_regions(source, settings), settings, source)
    )
    if chosen is not None:
        batches = (_of_classes(batch, chosen) for batch in batches)
    batches = (batch for batch in batches if len(batch))
    if settings.dissolve:
        together = list(batches)
        batches = (each for each in ([dissolved(_joined(together))] if together else []))
    yield from batches


def _regions(source: ClassRaster, settings: VectorizeSettings) -> Iterator[Regions]:
    dataset = source.dataset
    rows = source.rows()
    if settings.majority is not None:
        rows = majority(rows, settings.majority)
    if settings.min_area is not None:
        rows = _sieved(rows, settings.min_area, settings.rule, source)
    band = confidence_band(dataset)
    percent = None if band is None else read_percentages(dataset, band)
    return polygonise(rows, dataset.width, source.size, percent)


def _sieved(rows: Rows, minimum: Measure, rule: Rule, source: ClassRaster) -> Rows:
    width = source.dataset.width
    if minimum.unit == "metres":
        areas = source.measured("--min-area", "20px").areas
        return sieved(rows, width, minimum.value, areas, rule)

    def pixels(first: int, end: int) -> NDArray[np.float64]:
        return np.broadcast_to(np.arange(width + 1, dtype=np.float64), (end - first, width + 1))

    return sieved(rows, width, minimum.value, pixels, rule)


def _shaped(
    batches: Iterator[Regions], settings: VectorizeSettings, source: ClassRaster
) -> Iterator[tuple[Regions, Polygons]]:
    """Regions and their polygons in pixel coordinates, smoothed and simplified if wanted."""
    if settings.smooth:
        batches = (replace(batch, outlines=smoothed(batch.outlines)) for batch in batches)
    if settings.simplify is None:
        for regions in batches:
            yield regions, regions.outlines
        return
    tolerance = settings.simplify.value
    if settings.simplify.unit == "metres":
        # areas are what a tolerance is about: so it is in sides of a pixel of that area
        tolerance *= _A_LITTLE_MORE / sqrt(prod(source.measured("--simplify", "1px").at_centre()))
    together = list(batches)  # borders are simplified for both neighbours at once
    if not together:
        return
    outlines = np.concatenate([regions.outlines.geometries() for regions in together])
    simple = simplified(outlines, tolerance)
    done = 0
    for regions in together:
        number = len(regions.class_ids)
        yield regions, Polygons.of(simple[done : done + number])
        done += number


def _on_the_map(polygons: Polygons, source: ClassRaster, bent: bool) -> Polygons:
    placed = place(polygons, source.georeference, bent=bent)
    if source.by_points and not shapely.is_valid(placed.geometries()).all():
        raise InputError(
            f"The georeferencing of {source.name} folds the raster over itself, so that its "
            "polygons cross themselves; check its transform or ground control points."
        )
    return placed


def _of_classes(features: Features, chosen: frozenset[int]) -> Features:
    kept = np.flatnonzero(np.isin(features.fields["class_id"], list(chosen)))
    fields = {name: values[kept] for name, values in features.fields.items()}
    return Features(features.polygons.taken(kept), fields)


def _joined(batches: Sequence[Features]) -> Features:
    fields = {
        name: np.concatenate([batch.fields[name] for batch in batches])
        for name in batches[0].fields
    }
    return Features(Polygons.joined([batch.polygons for batch in batches]), fields)


def _counted(batches: Iterable[Features], totals: Totals) -> Iterator[Features]:
    for batch in batches:
        totals.add(batch)
        yield batch
