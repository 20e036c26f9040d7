"""Polygons to files that a GIS opens, whole or not at all."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyproj

from sarseg.errors import OutputError, UsageError
from sarseg.scenes.output import check_output
from sarseg.vectors.formats import flatgeobuf, geojson, geopackage, geoparquet, shapefile
from sarseg.vectors.formats.features import Features, FeatureStream
from sarseg.vectors.layer_styles import check_styles, embed_style, write_styles
from sarseg.vectors.style import Drawn

STDOUT = Path("-")
"""As an output: newline-delimited GeoJSON to stdout."""

_WRITERS: dict[str, Callable[..., tuple[str, ...]]] = {
    ".gpkg": geopackage.write,
    ".parquet": geoparquet.write,
    ".geoparquet": geoparquet.write,
    ".fgb": flatgeobuf.write,
    ".geojson": geojson.write_collection,
    ".json": geojson.write_collection,
    ".geojsonl": geojson.write_lines,
    ".geojsons": geojson.write_lines,
    ".ndjson": geojson.write_lines,
    ".shp": shapefile.write,
}
EXTENSIONS = tuple(_WRITERS)
_ON_WGS84 = (".geojson", ".json", ".geojsonl", ".geojsons", ".ndjson")


@dataclass(frozen=True)
class Written:
    """How many ``features`` were written, and ``notes``: sentences on what the file is without."""

    features: int
    notes: tuple[str, ...]


def check_target(
    output: Path,
    *,
    layer: str,
    overwrite: bool = False,
    append: bool = False,
    styled: bool = False,
    inputs: Iterable[Path] = (),
) -> None:
    """Raise where ``output`` could not be written, before any work is done.

    ``append`` adds ``layer`` to the GeoPackage ``output``, which may be there already; a layer of
    that name is replaced only with ``overwrite``. ``styled``: a style is to go with the polygons.
    ``inputs`` are files that the work reads.

    Raises UsageError where the extension names no format, or the format has no such layers;
    InputError where there is no GeoPackage to append to; OutputError for all else.
    """
    if output == STDOUT:
        if append:
            raise UsageError("Nothing can be appended to stdout; name a .gpkg, or leave --append.")
        return
    suffix = output.suffix.lower()
    if suffix not in _WRITERS:
        raise UsageError(
            f"The extension of {output} names no vector format; end the name in "
            f"{', '.join(EXTENSIONS)}, or give - for lines of GeoJSON on stdout."
        )
    if suffix != ".gpkg" and append:
        raise UsageError(f"--append adds a layer to a GeoPackage (.gpkg), and {output} is none.")
    if suffix == ".gpkg" and not geopackage.is_layer_name(layer):
        raise UsageError(
            f"A layer of a GeoPackage cannot have the name {layer!r}, which is empty or kept for "
            "tables of its own; name another --layer."
        )
    check_output(output, overwrite=overwrite or append, inputs=inputs)
    if suffix == ".gpkg":
        geopackage.check_not_open(output)
    if append and output.exists() and not overwrite and geopackage.has_table(output, layer):
        raise OutputError(
            f"{output} has a layer {layer} already; give --overwrite to replace that layer, or "
            "name another --layer."
        )
    if suffix == ".shp":
        for part in map(output.with_suffix, shapefile.PARTS):
            if part.is_dir():
                raise OutputError(
                    f"{part} is a folder, where a part of the output {output} would be; name "
                    "another file."
                )
            if part.exists() and not overwrite:
                raise OutputError(
                    f"{part} exists, which would belong to the output {output}; give --overwrite "
                    "to replace it, or name another file."
                )
    if styled and suffix != ".gpkg":
        check_styles(output)


def is_reprojected(output: Path, crs: pyproj.CRS | None) -> bool:
    """True where the format of ``output`` has coordinates on WGS 84, and ``crs`` others than
    longitude and latitude, so that what is straight in one is not in the other."""
    on_wgs84 = output == STDOUT or output.suffix.lower() in _ON_WGS84
    return on_wgs84 and crs is not None and (crs.is_derived or not crs.is_geographic)


def check_crs(output: Path, crs: pyproj.CRS | None) -> None:
    """Raise UsageError where the format of ``output`` cannot hold coordinates in ``crs``."""
    if output == STDOUT or output.suffix.lower() in _ON_WGS84:
        geojson.check_crs(output, crs)


def write_features(
    batches: Iterable[Features],
    output: Path,
    *,
    crs: pyproj.CRS | None,
    layer: str,
    multi: bool = False,
    append: bool = False,
    overwrite: bool = False,
    legend: Callable[[], Sequence[Drawn]] | None = None,
) -> Written:
    """Write ``batches`` (one or more) to ``output``, batch by batch, whole or not at all.

    The extension chooses the format: GeoPackage, GeoParquet 1.1, FlatGeobuf, GeoJSON (RFC 7946) or
    lines of it, Shapefile; ``-`` is lines of GeoJSON on stdout, of which a part may have gone when
    an error ends it. The CRS is kept; GeoJSON is on WGS 84. Missing numbers become null. The same
    batches make the same bytes.

    What is there is replaced: ``check_target`` and ``check_crs`` ask beforehand. With ``append``
    only the ``layer`` of the GeoPackage is replaced or added. With ``multi`` all geometries are
    multipolygons. ``legend``, which is asked when all batches are written, says what colours the
    layer is to have: inside a GeoPackage, or in files beside the polygons once these are there
    (``write_styles``, which tells what ``overwrite`` does).

    Raises what ``batches`` raise, OutputError where ``output`` cannot be written, BrokenPipeError
    where nobody reads stdout any more.
    """
    stream = FeatureStream(batches, multi)
    if output == STDOUT:
        try:
            geojson.print_lines(stream, crs=crs)
        except BrokenPipeError:
            raise
        except (OSError, RuntimeError) as error:
            if error is stream.failure:
                raise
            raise OutputError(f"stdout could not be written ({_reason(error)}).") from error
        return Written(stream.written, ())
    suffix = output.suffix.lower()
    try:
        with _replacing_all(output) as temporary:
            if append and output.exists():
                geopackage.copy(output, temporary)
            notes = _WRITERS[suffix](stream, temporary, crs=crs, layer=layer)
            if suffix == ".gpkg":
                if legend is not None:
                    embed_style(temporary, layer, legend())
                geopackage.check_not_open(output)
    except (OSError, RuntimeError, sqlite3.Error) as error:
        if error is stream.failure:
            raise
        raise OutputError(
            f"The output {output} could not be written ({_reason(error)})."
        ) from error
    if legend is not None and suffix != ".gpkg":
        notes += write_styles(output, layer, legend(), overwrite=overwrite)
    return Written(stream.written, notes)


@contextmanager
def _replacing_all(output: Path) -> Iterator[Path]:
    """Yield ``output``'s name in a hidden folder beside it; all files there take their places.

    On any exception in the block the folder goes, and ``output`` is as before. Of a format with
    several files the one that is named comes last, so that nobody finds it without the others, and
    old parts that the new ones do not replace are deleted after it. What ends the process between
    these steps, a moment, leaves new and old parts side by side.
    """
    prefix = f".{output.stem}.sarseg-partial-"
    with TemporaryDirectory(prefix=prefix, dir=output.parent) as folder:
        temporary = Path(folder) / output.name
        yield temporary
        made = sorted(Path(folder).iterdir(), key=lambda path: path == temporary)
        for path in made:
            path.replace(output.with_name(path.name))
        if output.suffix.lower() == ".shp":
            for part in set(shapefile.PARTS) - {path.suffix for path in made}:
                output.with_suffix(part).unlink(missing_ok=True)  # as an index of the old shapes


def _reason(error: Exception) -> str:
    return str(error.strerror if isinstance(error, OSError) and error.strerror else error).rstrip(
        "."
    )
