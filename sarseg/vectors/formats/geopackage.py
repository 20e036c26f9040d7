"""GeoPackage: layers in an SQLite database (OGC 12-128r17)."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pyogrio
import pyproj

from sarseg.errors import InputError, OutputError
from sarseg.vectors.formats.features import FeatureStream
from sarseg.vectors.formats.ogr import write_layer

VERSION = "1.3"
"""GeoPackage 1.4 makes GDAL before 3.7 warn, and nothing here needs it."""

CHANGED = "1970-01-01T00:00:00.000Z"
"""Time of the last change in every layer, so that the same polygons make the same bytes."""

_OWNED = ("gpkg_", "rtree_", "sqlite_", "layer_styles")
"""How the names of tables begin that are no layers."""


def write(
    stream: FeatureStream, path: Path, *, crs: pyproj.CRS | None, layer: str
) -> tuple[str, ...]:
    """Write ``stream`` as ``layer`` of ``path``, new or there; a layer of that name is replaced."""
    with _time_of_change():
        write_layer(
            stream, path, "GPKG", crs=crs, layer=layer, dataset_options={"VERSION": VERSION}
        )
    if not _is_whole(path, layer, stream.written):
        raise OSError("its end is missing; is there room on the disk?")
    return ()


def is_layer_name(name: str) -> bool:
    """False for names of tables that GeoPackages, SQLite and QGIS keep for themselves."""
    return bool(name) and not name.lower().startswith(_OWNED)


def has_table(path: Path, name: str) -> bool:
    """True where the GeoPackage ``path`` has a table ``name``, in upper or lower case.

    Raises InputError where it is no GeoPackage.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("SELECT srs_id FROM gpkg_spatial_ref_sys LIMIT 1")
            found = database.execute(
                "SELECT 1 FROM sqlite_master WHERE lower(name) = lower(?)", (name,)
            ).fetchone()
    except sqlite3.Error as error:
        raise InputError(
            f"{path} is no GeoPackage that a layer can be added to ({error}); name another file, "
            "or leave --append out."
        ) from error
    return found is not None


def check_not_open(path: Path) -> None:
    """Raise OutputError while another program holds changes that are not yet in ``path``.

    SQLite would apply what it has beside the file to whatever file then has that name.
    """
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        if beside.exists() and beside.stat().st_size:
            raise OutputError(
                f"The output {path} is open in another program, or was when that ended: {beside} "
                "holds changes to it. Close it there, or open and close it once more in QGIS."
            )


def copy(path: Path, target: Path) -> None:
    """A copy of the GeoPackage as it is now. Raises sqlite3.Error."""
    with (
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(target)) as database,
    ):
        source.backup(database)


@contextmanager
def _time_of_change() -> Iterator[None]:
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": CHANGED})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def _is_whole(path: Path, layer: str, features: int) -> bool:
    """False where closing the file failed, as on a full disk: GDAL does not report that."""
    info = pyogrio.read_info(path, layer=layer, force_feature_count=True)
    indexed = info["capabilities"]["fast_spatial_filter"]  # the index comes last
    return bool(info["features"] == features and indexed)
