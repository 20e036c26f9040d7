import json
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio.features
import shapely
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sarseg.classes import LandCoverClass, unnamed_class
from sarseg.errors import OutputError
from sarseg.scenes import osgeo
from sarseg.vectors.formats.features import Features
from sarseg.vectors.layer_styles import (
    check_raster_style,
    embed_style,
    write_raster_style,
    write_styles,
)
from sarseg.vectors.regions import Polygons
from sarseg.vectors.style import drawn_classes, raster_qml, sld, vector_qml
from sarseg.vectors.write import check_target, write_features
from tests.vectors.maps import UTM, blocky, write_map

NAMES = ("wäter & <sea>", '"for\'est"', "wheat\nfield", "with ]]> in it")
COLOURS = ((0, 114, 178), (0, 158, 115), (240, 228, 66), (213, 94, 0))
LEGEND = tuple(
    LandCoverClass(id=number, name=name, colour=colour)
    for number, (name, colour) in enumerate(zip(NAMES, COLOURS, strict=True))
)
SLD = "{http://www.opengis.net/sld}"
OGC = "{http://www.opengis.net/ogc}"

legends = st.lists(
    st.builds(
        LandCoverClass,
        id=st.integers(0, 254),
        name=st.text(min_size=1),
        colour=st.tuples(*[st.integers(0, 255)] * 3),
    ),
    max_size=5,
)


def in_xml(name: str) -> str:
    """What XML 1.0 can hold of ``name``: https://www.w3.org/TR/xml/#charsets."""
    ranges = ((0x20, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))
    return "".join(
        character
        if character in "\t\n\r" or any(low <= ord(character) <= high for low, high in ranges)
        else "\ufffd"
        for character in name
    )


def one_line_ends(text: str) -> str:
    """What a parser makes of the ends of lines in texts: https://www.w3.org/TR/xml/#sec-line-ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def properties(layer: ElementTree.Element) -> dict[str, str]:
    return {option.get("name", ""): option.get("value", "") for option in layer.findall("Option/*")}


@given(legend=legends)
def test_polygons_in_qgis(legend: Sequence[LandCoverClass]) -> None:
    root = ElementTree.fromstring(vector_qml(legend).encode())
    (renderer,) = root.findall("renderer-v2")
    assert (renderer.get("type"), renderer.get("attr")) == ("categorizedSymbol", "class_id")
    categories = renderer.findall("categories/category")
    symbols = {symbol.get("name"): symbol for symbol in renderer.findall("symbols/symbol")}
    assert len(symbols) == len(categories) == len(legend)
    for entry, category in zip(legend, categories, strict=True):
        assert (category.get("value"), category.get("label")) == (str(entry.id), in_xml(entry.name))
        (layer,) = symbols[category.get("symbol")].findall("layer")
        drawn = properties(layer)
        assert layer.get("class") == "SimpleFill"
        assert drawn["color"] == ",".join(map(str, (*entry.colour, 255)))
        assert drawn["outline_color"] == drawn["color"]
        assert drawn == {prop.get("k"): prop.get("v") for prop in layer.findall("prop")}


@given(legend=legends)
def test_rasters_in_qgis(legend: Sequence[LandCoverClass]) -> None:
    root = ElementTree.fromstring(raster_qml(legend).encode())
    (renderer,) = root.findall("pipe/rasterrenderer")
    assert (renderer.get("type"), renderer.get("band")) == ("paletted", "1")
    entries = [
        (entry.get("value"), entry.get("label"), entry.get("color"))
        for entry in renderer.findall("colorPalette/paletteEntry")
    ]
    assert entries == [
        (str(entry.id), in_xml(entry.name), "#" + bytes(entry.colour).hex()) for entry in legend
    ]


@given(legend=legends, layer=st.text())
def test_sld(legend: Sequence[LandCoverClass], layer: str) -> None:
    root = ElementTree.fromstring(sld(legend, layer).encode())
    assert (root.tag, root.get("version")) == (f"{SLD}StyledLayerDescriptor", "1.0.0")
    (named,) = root
    assert [element.tag for element in named] == [f"{SLD}Name", f"{SLD}UserStyle"]
    assert (named[0].text or "") == one_line_ends(in_xml(layer))
    (style,) = named.findall(f"{SLD}UserStyle")
    assert [element.tag for element in style] == [f"{SLD}Title", f"{SLD}FeatureTypeStyle"]
    rules = style.findall(f"{SLD}FeatureTypeStyle/{SLD}Rule")
    assert len(rules) == len(legend)
    for entry, rule in zip(legend, rules, strict=True):
        # In the order that the schema wants.
        assert [element.tag for element in rule] == [
            f"{SLD}Name",
            f"{SLD}Title",
            f"{OGC}Filter",
            f"{SLD}PolygonSymbolizer",
        ]
        _, title, condition, symbolizer = rule
        assert title.text == one_line_ends(in_xml(entry.name))
        (equal,) = condition
        assert [(element.tag, element.text) for element in equal] == [
            (f"{OGC}PropertyName", "class_id"),
            (f"{OGC}Literal", str(entry.id)),
        ]
        assert [element.tag for element in symbolizer] == [f"{SLD}Fill", f"{SLD}Stroke"]
        parameters = {element.get("name"): element.text for element in symbolizer.iter()}
        assert parameters["fill"] == parameters["stroke"] == "#" + bytes(entry.colour).hex()


def test_classes_of_any_id_are_drawn(tmp_path: Path) -> None:
    legend = drawn_classes([70_000, 1, 300, -3, 7], LEGEND)
    assert [entry.id for entry in legend] == [-3, 1, 7, 300, 70_000]
    assert legend[1] is LEGEND[1]
    assert (legend[2].name, legend[2].colour) == ("class 7", unnamed_class(7).colour)
    assert legend[3].name == "class 300"
    assert len({entry.colour for entry in legend}) == len(legend)
    assert all(0 <= channel <= 255 for entry in legend for channel in entry.colour)

    root = ElementTree.fromstring(vector_qml(legend).encode())
    drawn = [(each.get("value"), each.get("label")) for each in root.iter("category")]
    assert drawn[3:] == [("300", "class 300"), ("70000", "class 70000")]
    for text in (raster_qml(legend), sld(legend, "x")):
        assert all(name in text for name in ("class -3", "class 300", "class 70000"))

    output = tmp_path / "polygons.fgb"
    features = Features(
        Polygons.of(np.array([shapely.box(0, 0, 1, 1)])), {"class_id": np.array([300])}
    )
    write_features([features], output, crs=None, layer="x", legend=lambda: drawn_classes([300]))
    assert 'value="300"' in output.with_suffix(".qml").read_text(encoding="utf-8")


def coverage(classes: np.ndarray[Any, Any]) -> Features:
    found = rasterio.features.shapes(classes, transform=UTM["transform"])
    shapes, values = zip(*found, strict=True)
    ids = np.array(values, np.int32)
    names = np.array([NAMES[class_id] for class_id in ids], object)
    geometries = np.array(list(map(shapely.geometry.shape, shapes)), object)
    return Features(Polygons.of(geometries), {"class_id": ids, "class_name": names})


def write(output: Path, layer: str = "landcover", **options: Any) -> tuple[str, ...]:
    crs = pyproj.CRS(UTM["crs"])
    batches = [coverage(blocky(60, 80))]
    return write_features(
        batches, output, crs=crs, layer=layer, legend=lambda: LEGEND, **options
    ).notes


def styles(path: Path) -> list[tuple[Any, ...]]:
    return (
        sqlite3.connect(path)
        .execute(
            "SELECT f_table_name, f_geometry_column, styleName, useAsDefault FROM layer_styles"
            " ORDER BY id"
        )
        .fetchall()
    )


class TestGeoPackage:
    def test_holds_the_style_of_the_layer(self, tmp_path: Path) -> None:
        output = tmp_path / "polygons.gpkg"
        assert write(output, 'it\'s "one"') == ()
        assert styles(output) == [('it\'s "one"', "geom", "sarseg", 1)]
        database = sqlite3.connect(output)
        assert database.execute("SELECT styleQML, styleSLD FROM layer_styles").fetchall() == [
            (vector_qml(LEGEND), sld(LEGEND, 'it\'s "one"'))
        ]
        registered = database.execute("SELECT table_name, data_type FROM gpkg_contents ORDER BY 2")
        assert registered.fetchall() == [
            ("layer_styles", "attributes"),
            ('it\'s "one"', "features"),
        ]
        assert list(tmp_path.iterdir()) == [output]

    def test_keeps_the_styles_that_others_made(self, tmp_path: Path) -> None:
        output = tmp_path / "polygons.gpkg"
        write(output)
        with sqlite3.connect(output) as database:
            database.execute(
                "INSERT INTO layer_styles (f_table_name, f_geometry_column, styleName,"
                " useAsDefault) VALUES ('landcover', 'geom', 'mine', 1)"
            )
        embed_style(output, "landcover", LEGEND)
        assert styles(output) == [
            ("landcover", "geom", "mine", 0),
            ("landcover", "geom", "sarseg", 1),
        ]

    @pytest.mark.skipif(not osgeo.available(), reason="osgeo is not installed")
    def test_opens_in_gdal_without_a_warning(self, tmp_path: Path) -> None:
        from osgeo import gdal

        output = tmp_path / "polygons.gpkg"
        write(output)
        warnings: list[str] = []
        gdal.PushErrorHandler(lambda *warning: warnings.append(warning[2]))
        try:
            dataset = gdal.OpenEx(str(output), gdal.OF_VECTOR | gdal.OF_UPDATE)
            layers = [dataset.GetLayer(number) for number in range(dataset.GetLayerCount())]
            assert [layer.GetName() for layer in layers] == ["landcover", "layer_styles"]
            (style,) = list(layers[1])
            assert style.GetField("styleQML") == vector_qml(LEGEND)
            assert style.GetField("update_time").startswith("1970/01/01")
            assert len(list(layers[0])) == layers[0].GetFeatureCount()
        finally:
            gdal.PopErrorHandler()
        assert warnings == []


class TestBeside:
    @pytest.mark.parametrize("extension", [".fgb", ".shp", ".geojson", ".parquet"])
    def test_files_with_the_style(self, tmp_path: Path, extension: str) -> None:
        output = tmp_path / f"a.polygons{extension}"
        assert write(output) == ()
        qml, sld_file = output.with_suffix(".qml"), output.with_suffix(".sld")
        assert qml.read_text(encoding="utf-8").startswith(vector_qml(LEGEND))
        assert sld_file.read_text(encoding="utf-8").startswith(sld(LEGEND, "landcover"))
        for path in (qml, sld_file):
            ElementTree.parse(path)
        # What sarseg made, it makes anew unasked.
        write_styles(output, "landcover", LEGEND[:1])
        assert qml.read_text(encoding="utf-8").startswith(vector_qml(LEGEND[:1]))

    def test_a_style_by_others_stays_unless_asked(self, tmp_path: Path) -> None:
        output = tmp_path / "polygons.fgb"
        qml = tmp_path / "polygons.qml"
        qml.write_text("<qgis><renderer-v2/></qgis>")
        (note,) = write(output)
        assert f"{qml} was not made by sarseg" in note
        assert "--overwrite" in note
        assert qml.read_text() == "<qgis><renderer-v2/></qgis>"
        assert output.with_suffix(".sld").exists()
        assert write(output, overwrite=True) == ()
        assert qml.read_text(encoding="utf-8").startswith(vector_qml(LEGEND))

    def test_the_style_of_a_raster_stays_even_if_asked(self, tmp_path: Path) -> None:
        output = tmp_path / "map.fgb"
        qml, sld_file = tmp_path / "map.qml", tmp_path / "map.sld"
        qml.write_text(raster_qml(LEGEND))
        sld_file.write_text('<a xmlns="http://www.opengis.net/sld"><RasterSymbolizer/></a>')
        contents = qml.read_bytes(), sld_file.read_bytes()
        notes = write(output, overwrite=True)
        assert [str(qml) in notes[0], str(sld_file) in notes[1]] == [True, True]
        assert all("style of a raster" in note for note in notes)
        assert (qml.read_bytes(), sld_file.read_bytes()) == contents

    @pytest.mark.parametrize("style", ["polygons.qml", "polygons.sld"])
    def test_where_no_style_can_be_is_told_before_the_work(
        self, tmp_path: Path, style: str
    ) -> None:
        (tmp_path / style).mkdir()
        for name in ("polygons.fgb", "polygons.shp"):
            with pytest.raises(OutputError, match=rf"{style}, which is no file"):
                check_target(tmp_path / name, layer="x", styled=True, overwrite=True)
            check_target(tmp_path / name, layer="x", styled=False)
        check_target(tmp_path / "polygons.gpkg", layer="x", styled=True)

    def test_a_style_that_cannot_be_written_loses_no_polygons(self, tmp_path: Path) -> None:
        output = tmp_path / "polygons.fgb"
        (tmp_path / "polygons.qml").mkdir()
        (note,) = write(output, overwrite=True)
        assert "polygons.qml, which is no file" in note
        assert len(pyogrio.read_dataframe(output)) > 0
        assert output.with_suffix(".sld").is_file()

    def test_polygons_that_fail_leave_the_old_style(self, tmp_path: Path) -> None:
        output = tmp_path / "polygons.fgb"
        write(output)
        before = output.with_suffix(".qml").read_bytes()
        output.unlink()
        output.mkdir()  # the polygons cannot take their name
        with pytest.raises(OutputError, match=r"polygons\.fgb"):
            write_features(
                [coverage(blocky(60, 80))],
                output,
                crs=None,
                layer="x",
                legend=lambda: LEGEND[:1],
            )
        assert output.with_suffix(".qml").read_bytes() == before


def python_with_qgis() -> str | None:
    """The system's Python: no package index has QGIS."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    tried = python and subprocess.run(
        [python, "-c", "import qgis.core"], check=False, capture_output=True
    )
    return python if tried and tried.returncode == 0 else None


@pytest.mark.full
def test_qgis_draws_polygons_and_maps_in_the_colours_of_the_legend(tmp_path: Path) -> None:
    python = python_with_qgis()
    if python is None:
        pytest.skip("the system's python3 has no QGIS: nothing was opened in it")
    classes = blocky(60, 80)
    write(tmp_path / "layers.gpkg", "it's <one>")
    write(tmp_path / "layers.gpkg", "two", append=True)
    names = ["layers.gpkg|layername=it's <one>", "layers.gpkg|layername=two"]
    for extension in ("fgb", "shp", "geojson"):
        names.append(f"{extension}.{extension}")
        write(tmp_path / names[-1])
    names.append(write_map(tmp_path / "map.tif", classes, **UTM).name)
    (tmp_path / "map.qml").write_text(raster_qml(LEGEND), encoding="utf-8")

    script = Path(__file__).with_name("open_in_qgis.py")
    opened = subprocess.run(
        [python, script, tmp_path, *names], cwd=tmp_path, check=True, capture_output=True
    )
    for number, answer in enumerate(json.loads(opened.stdout)):
        assert answer["valid"]
        assert answer["loaded"]
        assert answer["renderer"] == (
            "paletted" if "map.tif" in names[number] else "categorizedSymbol"
        )
        assert [
            (int(value), label, tuple(colour)) for value, label, colour in answer["classes"]
        ] == [(entry.id, entry.name, entry.colour) for entry in LEGEND]
        picture = np.asarray(Image.open(tmp_path / f"{number}.png").convert("RGB"))
        if "geojson" in names[number]:  # degrees: the map is turned
            assert set(map(tuple, picture[150, ::5])) & set(COLOURS)
        else:
            expected = np.array(COLOURS)[classes]
            np.testing.assert_array_equal(picture[2::5, 2::5], expected)
    assert b"warning" not in opened.stderr.lower()


def test_a_raster_gets_a_style_beside_it_that_nothing_else_loses(tmp_path: Path) -> None:
    landcover = tmp_path / "map.tif"
    style = tmp_path / "map.qml"
    assert write_raster_style(landcover, LEGEND) is None
    first = style.read_bytes()
    assert b"<rasterrenderer" in first
    assert write_raster_style(landcover, LEGEND[:1]) is None  # its own it makes anew
    assert style.read_bytes() != first
    style.write_text("<qgis>mine</qgis>")
    assert "was not made by sarseg" in (write_raster_style(landcover, LEGEND) or "")
    assert style.read_text() == "<qgis>mine</qgis>"
    assert write_raster_style(landcover, LEGEND, overwrite=True) is None
    assert style.read_bytes() == first
    style.write_text(vector_qml(LEGEND))
    assert "of polygons" in (write_raster_style(landcover, LEGEND, overwrite=True) or "")


def test_where_no_style_of_a_raster_can_be(tmp_path: Path) -> None:
    check_raster_style(tmp_path / "map.tif")
    (tmp_path / "map.qml").mkdir()
    with pytest.raises(OutputError, match=r"map\.qml, which is no file"):
        check_raster_style(tmp_path / "map.tif")
