"""A class raster to polygons: the steps in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import geopandas
import numpy as np
import pyproj

from sarseg.classes import LandCoverClass
from sarseg.errors import InputError
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_crs, places_map
from sarseg.scenes.landcover import read_legend
from sarseg.scenes.opening import open_raster
from sarseg.scenes.output import check_output
from sarseg.vectors.attributes import areas_ha, class_names
from sarseg.vectors.placement import place
from sarseg.vectors.polygonise import Engine, Regions, default_engine, polygonise
from sarseg.vectors.write import check_format, write_polygons

LAYER = "landcover"


@dataclass(frozen=True)
class ClassTotal:
    """Polygons of one class; ``area_ha`` is None where the raster has no CRS."""

    class_id: int
    name: str
    polygons: int
    area_ha: float | None


@dataclass(frozen=True)
class VectorizeSummary:
    """What was written: ``classes`` by ascending id, ``crs`` as a code or a name, None without."""

    output: Path
    polygons: int
    classes: tuple[ClassTotal, ...]
    crs: str | None
    engine: Engine


def vectorize(
    landcover: Path | str,
    output: Path,
    *,
    layer: str = LAYER,
    overwrite: bool = False,
    engine: Engine | None = None,
) -> VectorizeSummary:
    """Write the class raster ``landcover`` as polygons to ``output`` (.gpkg, .geojson, .json).

    One polygon for each 4-connected region, with ``class_id``, ``class_name`` and ``area_ha`` (on
    the ellipsoid; null where there is no CRS), ordered by first pixel. ``layer`` names the layer
    of a GeoPackage; ``engine`` is whose GDAL polygonises, the best one installed if None.

    Raises InputError where ``landcover`` is no class raster (see ``polygonise``), OutputError where
    ``output`` exists or cannot be written, UsageError where its extension names no known format.
    """
    check_format(output)
    check_output(output, overwrite=overwrite, inputs=[Path(landcover)])
    engine = engine or default_engine()
    with open_raster(str(landcover)) as dataset:
        georeference = Georeference.of(dataset)
        crs = map_crs(georeference)
        check_format(output, crs)
        legend = read_legend(dataset)
        regions = polygonise(dataset, engine)
    if georeference.transform is None and georeference.gcps and not places_map(georeference.gcps):
        raise InputError(
            f"The {len(georeference.gcps)} ground control points of {landcover} do not tell where "
            "it lies; give it at least three that are not in line."
        )
    frame = _features(regions, georeference, legend)
    if not frame.is_valid.all():
        raise InputError(
            f"The georeferencing of {landcover} folds the raster over itself, so that its polygons "
            "cross themselves; check its transform or ground control points."
        )
    write_polygons(frame, output, layer=layer)
    return VectorizeSummary(output, len(frame), _totals(frame), _crs_name(crs), engine)


def _features(
    regions: Regions, georeference: Georeference, legend: Sequence[LandCoverClass]
) -> geopandas.GeoDataFrame:
    ids, positions = np.unique(regions.class_ids, return_inverse=True)
    names = np.array(list(class_names(ids.tolist(), legend).values()), object)
    return geopandas.GeoDataFrame(
        {
            "class_id": regions.class_ids.astype(np.int32),
            "class_name": names[positions],
            "area_ha": areas_ha(regions.outlines, georeference),
        },
        geometry=place(regions.outlines, georeference),
        crs=map_crs(georeference),
    )


def _totals(frame: geopandas.GeoDataFrame) -> tuple[ClassTotal, ...]:
    by_class = frame.groupby(["class_id", "class_name"])["area_ha"]
    sums = by_class.agg(polygons="size", area=lambda areas: areas.sum(min_count=1))
    return tuple(
        ClassTotal(class_id, name, int(row.polygons), None if isnan(row.area) else row.area)
        for (class_id, name), row in sums.iterrows()
    )


def _crs_name(crs: pyproj.CRS | None) -> str | None:
    return None if crs is None else ":".join(crs.to_authority() or ()) or crs.name
