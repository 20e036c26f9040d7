"""Where a layer's style is kept: inside a GeoPackage, or in files beside the polygons."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

from sarseg.classes import LandCoverClass
from sarseg.errors import OutputError
from sarseg.scenes.output import replacing
from sarseg.vectors.formats.geopackage import CHANGED
from sarseg.vectors.style import raster_qml, sld, vector_qml

STYLE_NAME = "sarseg"

_MARK = "<!-- made by sarseg -->\n"
"""The last line of a style file that sarseg made, and may make anew."""

# As QGIS makes it ("Save style in database") and looks for it.
_TABLE = """
CREATE TABLE IF NOT EXISTS layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256),
    f_table_schema TEXT(256),
    f_table_name TEXT(256),
    f_geometry_column TEXT(256),
    styleName TEXT(30),
    styleQML TEXT,
    styleSLD TEXT,
    useAsDefault BOOLEAN,
    description TEXT,
    owner TEXT(30),
    ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
)
"""


def write_style(
    output: Path, layer: str, legend: Sequence[LandCoverClass], *, overwrite: bool = False
) -> tuple[str, ...]:
    """Write ``legend`` as the style of ``layer`` in ``output``; QGIS then opens it in its colours.

    A GeoPackage holds it itself, as the layer's default style; all other files get a ``.qml`` and a
    ``.sld`` beside them. There, files that sarseg did not make are replaced only with
    ``overwrite``, and styles of rasters never; the sentences returned tell of those that stay.

    Raises OutputError where a file beside cannot be written, sqlite3.Error where the GeoPackage
    cannot.
    """
    if output.suffix.lower() == ".gpkg":
        _embed(output, layer, legend)
        return ()
    texts = {".qml": vector_qml(legend), ".sld": sld(legend, layer)}
    notes = []
    for suffix, text in texts.items():
        path = output.with_suffix(suffix)
        note = _reason_to_stay(path, overwrite)
        if note is None:
            with replacing(path) as temporary:
                temporary.write_text(text + _MARK, encoding="utf-8")
        else:
            notes.append(note)
    return tuple(notes)


def write_raster_style(
    raster: Path, legend: Sequence[LandCoverClass], *, overwrite: bool = False
) -> str | None:
    """Write ``legend`` as a style of QGIS beside a class raster: ``.qml``.

    A style that sarseg did not make is replaced only with ``overwrite``, and one of polygons of the
    same name never; the sentence returned tells of it. Raises OutputError.
    """
    path = raster.with_suffix(".qml")
    content = _read(path)
    if b"<renderer-v2" in content:
        return f"{path} is the style of polygons and stays; give the map another name."
    if content and not overwrite and not content.endswith(_MARK.encode()):
        return _not_ours(path)
    with replacing(path) as temporary:
        temporary.write_text(raster_qml(legend) + _MARK, encoding="utf-8")
    return None


def _embed(geopackage: Path, layer: str, legend: Sequence[LandCoverClass]) -> None:
    with closing(sqlite3.connect(geopackage)) as database, database:
        database.execute(_TABLE)
        database.execute(
            "INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier, last_change)"
            " VALUES ('layer_styles', 'attributes', 'layer_styles', ?)",
            (CHANGED,),
        )
        database.execute(
            "DELETE FROM layer_styles WHERE f_table_name = ? AND styleName = ?",
            (layer, STYLE_NAME),
        )
        database.execute(
            "UPDATE layer_styles SET useAsDefault = 0 WHERE f_table_name = ?", (layer,)
        )
        database.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name,"
            " f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner,"
            " ui, update_time) SELECT '', '', table_name, column_name, ?, ?, ?, 1, ?, '', NULL, ?"
            " FROM gpkg_geometry_columns WHERE table_name = ?",
            (
                STYLE_NAME,
                vector_qml(legend),
                sld(legend, layer),
                "Land-cover classes",
                CHANGED,
                layer,
            ),
        )


def _reason_to_stay(path: Path, overwrite: bool) -> str | None:
    """Why the style file ``path`` is not to be replaced; None where it is, or is not there."""
    content = _read(path)
    if not content:
        return None
    if b"<rasterrenderer" in content or _is_of_raster(content):
        return f"{path} is the style of a raster and stays; load a style for the polygons by hand."
    if overwrite or content.endswith(_MARK.encode()):
        return None
    return _not_ours(path)


def _read(path: Path) -> bytes:
    """What the style file ``path`` holds; nothing where it is not there."""
    try:
        return path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise OutputError(f"The style {path} cannot be replaced: {error.strerror}.") from error


def _not_ours(path: Path) -> str:
    return f"{path} was not made by sarseg and stays; give --overwrite to replace it."


def _is_of_raster(content: bytes) -> bool:
    """True for an SLD that draws a raster."""
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError:
        return False
    return any(element.tag.endswith("RasterSymbolizer") for element in root.iter())
