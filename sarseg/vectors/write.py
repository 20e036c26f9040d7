"""Polygons to files that a GIS opens."""

import os
import warnings
from pathlib import Path

import geopandas
import pyogrio
import pyproj
from pyogrio.errors import DataLayerError, DataSourceError

from sarseg.errors import OutputError, UsageError
from sarseg.scenes.output import replacing

DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".json": "GeoJSON"}
"""GDAL's name of the format by file name extension."""

_CREATION = {"GPKG": {"VERSION": "1.3"}, "GeoJSON": {}}
"""GeoPackage 1.4 makes GDAL before 3.7 warn, and nothing here needs it."""


def check_format(output: Path, crs: pyproj.CRS | None = None) -> None:
    """Raise UsageError where the extension names no format, or the format cannot hold ``crs``."""
    driver = DRIVERS.get(output.suffix.lower())
    if driver is None:
        raise UsageError(
            f"The extension of {output} names no vector format; end the name in "
            f"{', '.join(DRIVERS)}."
        )
    if driver == "GeoJSON" and crs is not None and crs.to_epsg() is None:
        raise UsageError(
            f"GeoJSON names a CRS by its EPSG code, and the CRS {crs.name!r} of the raster has "
            f"none; write {output.with_suffix('.gpkg').name} instead."
        )


def write_polygons(frame: geopandas.GeoDataFrame, output: Path, *, layer: str) -> None:
    """Write ``frame`` to ``output``, whole or not at all; an existing file is replaced.

    The extension chooses the format (``DRIVERS``). The CRS is kept: GeoJSON gets the ``crs`` member
    that GDAL writes, none for EPSG:4326. Missing numbers become null. Raises OutputError.
    """
    with replacing(output) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        driver = DRIVERS[output.suffix.lower()]
        try:
            frame.to_file(
                temporary,
                driver=driver,
                dataset_options=_CREATION[driver],
                layer=layer,
                engine="pyogrio",
                index=False,
            )
        except (DataSourceError, DataLayerError, RuntimeError) as error:
            reason = str(error).rstrip(".")
            raise OutputError(
                f"The output {output} could not be written ({reason}); is there room on the disk?"
            ) from error
        if not _is_whole(temporary, len(frame)):
            raise OutputError(
                f"The end of the output {output} could not be written; is there room on the disk?"
            )


def _is_whole(path: Path, polygons: int) -> bool:
    """False where closing the file failed, as on a full disk: GDAL does not report that."""
    if DRIVERS[path.suffix.lower()] == "GeoJSON":
        with path.open("rb") as file:
            file.seek(-16, os.SEEK_END)
            return b"".join(file.read().split()).endswith(b"}}]}")
    info = pyogrio.read_info(path, force_feature_count=True)
    indexed = info["capabilities"]["fast_spatial_filter"]  # the index comes last
    return bool(info["features"] == polygons and indexed)
