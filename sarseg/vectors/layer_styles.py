"""Where a layer's style is kept: inside a GeoPackage, or in files beside the polygons."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

from sarseg.errors import OutputError
from sarseg.scenes.output import replacing
from sarseg.vectors.formats.geopackage import CHANGED
from sarseg.vectors.style import Drawn, raster_qml, sld, vector_qml

STYLE_NAME = "sarseg"

_BESIDE = ".qml", ".sld"

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


def check_styles(output: Path) -> None:
    """Raise OutputError where styles beside the polygons ``output`` could not be written."""
    for suffix in _BESIDE:
        _read(output.with_suffix(suffix))


def check_raster_style(raster: Path) -> None:
    """Raise OutputError where a style beside the class raster ``raster`` could not be written."""
    _read(raster.with_suffix(".qml"))


def embed_style(geopackage: Path, layer: str, legend: Sequence[Drawn]) -> None:
    """Write ``legend`` into ``geopackage`` as the default style of ``layer``: QGIS then opens it in
    its colours. Styles that others made stay. Raises sqlite3.Error."""
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


def write_styles(
    output: Path, layer: str, legend: Sequence[Drawn], *, overwrite: bool = False
) -> tuple[str, ...]:
    """Write ``legend`` as the style of the polygons ``output``: a ``.qml`` and a ``.sld`` beside
    them. QGIS then opens them in its colours.

    Files that sarseg did not make are replaced only with ``overwrite``, and styles of rasters
    never. The sentences returned tell of those that stay, and of what could not be written: the
    polygons are there without it.
    """
    texts = vector_qml(legend), sld(legend, layer)
    notes = []
    for suffix, text in zip(_BESIDE, texts, strict=True):
        path = output.with_suffix(suffix)
        try:
            note = _reason_to_stay(path, overwrite)
            if note is None:
                with replacing(path) as temporary:
                    temporary.write_text(text + _MARK, encoding="utf-8")
        except OutputError as error:
            note = str(error)
        if note is not None:
            notes.append(note)
    return tuple(notes)


def write_raster_style(
    raster: Path, legend: Sequence[Drawn], *, overwrite: bool = False
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
    """What the style file ``path`` holds; nothing where it is not there.

    Raises OutputError where it could not be replaced, or only blindly.
    """
    if path.exists() and not path.is_file():
        raise OutputError(
            f"A style cannot be written to {path}, which is no file: move it away, or give the "
            "output another name."
        )
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
