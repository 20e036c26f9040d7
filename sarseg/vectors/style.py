"""A legend as style files: QGIS's QML for polygons and for rasters, and OGC's SLD."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from sarseg.classes import fallback_colour, hexadecimal

FIELD = "class_id"
"""The field of the polygons that the styles go by."""

_QGIS = {"version": "3.22.0", "styleCategories": "Symbology"}
_DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"

_SLD = "http://www.opengis.net/sld"
_OGC = "http://www.opengis.net/ogc"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SLD_SCHEMA = "http://schemas.opengis.net/sld/1.0.0/StyledLayerDescriptor.xsd"

_OUTLINE_MM = 0.26
"""Width of outlines, in the colour of the fill: one pixel of a screen.

Without them the background shines through between neighbours, whose edges are smoothed one by one;
with 0.1 mm it still does.
"""
_OUTLINE_PIXELS = 1

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Drawn(Protocol):
    """A class as styles draw it, ``colour`` in RGB, 0..255 each; a ``LandCoverClass`` is one."""

    @property
    def id(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def colour(self) -> tuple[int, int, int]: ...


@dataclass(frozen=True)
class _Unnamed:
    """A class of which only the number is known: any, where those in sarseg's maps end at 254."""

    id: int

    @property
    def name(self) -> str:
        return f"class {self.id}"

    @property
    def colour(self) -> tuple[int, int, int]:
        return fallback_colour(self.id)


def drawn_classes(class_ids: Iterable[int], known: Sequence[Drawn] = ()) -> tuple[Drawn, ...]:
    """How to draw ``class_ids``, in ascending order; any that are not ``known`` are ``class N``."""
    by_id = {entry.id: entry for entry in known}
    return tuple(by_id.get(class_id) or _Unnamed(class_id) for class_id in sorted(class_ids))


def vector_qml(legend: Sequence[Drawn]) -> str:
    """Style of QGIS 3 for polygons: one category a class, by ``class_id``."""
    root = Element("qgis", _QGIS)
    renderer = SubElement(
        root,
        "renderer-v2",
        {"type": "categorizedSymbol", "attr": FIELD, "symbollevels": "0", "forceraster": "0"},
    )
    categories = SubElement(renderer, "categories")
    symbols = SubElement(renderer, "symbols")
    for number, entry in enumerate(legend):
        SubElement(
            categories,
            "category",
            {
                "value": str(entry.id),
                "type": "integer",
                "symbol": str(number),
                "label": _text(entry.name),
                "render": "true",
            },
        )
        symbol = SubElement(
            symbols,
            "symbol",
            {"type": "fill", "name": str(number), "alpha": "1", "clip_to_extent": "1"},
        )
        colour = ",".join(map(str, (*entry.colour, 255)))
        layer = {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"}
        _add_properties(
            SubElement(symbol, "layer", layer),
            {
                "style": "solid",
                "color": colour,
                "outline_style": "solid",
                "outline_color": colour,
                "outline_width": str(_OUTLINE_MM),
                "outline_width_unit": "MM",
                "joinstyle": "round",
            },
        )
    return _DOCTYPE + _xml(root)


def raster_qml(legend: Sequence[Drawn]) -> str:
    """Style of QGIS 3 for rasters with class ids in band 1: one palette entry a class."""
    root = Element("qgis", _QGIS)
    renderer = SubElement(
        SubElement(root, "pipe"),
        "rasterrenderer",
        {"type": "paletted", "band": "1", "opacity": "1", "alphaBand": "-1", "nodataColor": ""},
    )
    palette = SubElement(renderer, "colorPalette")
    for entry in legend:
        SubElement(
            palette,
            "paletteEntry",
            {
                "value": str(entry.id),
                "color": hexadecimal(entry.colour),
                "alpha": "255",
                "label": _text(entry.name),
            },
        )
    return _DOCTYPE + _xml(root)


def sld(legend: Sequence[Drawn], layer: str) -> str:
    """Style of OGC's Styled Layer Descriptor 1.0.0 (02-070): one rule a class, by ``class_id``."""
    root = Element(
        "StyledLayerDescriptor",
        {
            "version": "1.0.0",
            "xmlns": _SLD,
            "xmlns:ogc": _OGC,
            "xmlns:xsi": _XSI,
            "xsi:schemaLocation": f"{_SLD} {_SLD_SCHEMA}",
        },
    )
    named = SubElement(root, "NamedLayer")
    SubElement(named, "Name").text = _text(layer)
    style = SubElement(named, "UserStyle")
    SubElement(style, "Title").text = _text(layer)
    rules = SubElement(style, "FeatureTypeStyle")
    for entry in legend:
        rule = SubElement(rules, "Rule")
        SubElement(rule, "Name").text = str(entry.id)
        SubElement(rule, "Title").text = _text(entry.name)
        equal = SubElement(SubElement(rule, "ogc:Filter"), "ogc:PropertyIsEqualTo")
        SubElement(equal, "ogc:PropertyName").text = FIELD
        SubElement(equal, "ogc:Literal").text = str(entry.id)
        symbolizer = SubElement(rule, "PolygonSymbolizer")
        colour = hexadecimal(entry.colour)
        _add_parameters(SubElement(symbolizer, "Fill"), [("fill", colour)])
        _add_parameters(
            SubElement(symbolizer, "Stroke"),
            [("stroke", colour), ("stroke-width", str(_OUTLINE_PIXELS))],
        )
    return _xml(root)


def _add_properties(layer: Element, properties: Mapping[str, str]) -> None:
    """The properties of a symbol's layer as QGIS from 3.20 on reads them, and as all before did."""
    options = SubElement(layer, "Option", {"type": "Map"})
    for name, value in properties.items():
        SubElement(options, "Option", {"type": "QString", "name": name, "value": value})
    for name, value in properties.items():
        SubElement(layer, "prop", {"k": name, "v": value})


def _add_parameters(parent: Element, parameters: Iterable[tuple[str, str]]) -> None:
    for name, value in parameters:
        SubElement(parent, "CssParameter", {"name": name}).text = value


def _text(text: str) -> str:
    """``text`` with U+FFFD for what XML cannot hold, not even escaped."""
    return _NOT_IN_XML.sub("\ufffd", text)


def _xml(root: Element) -> str:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"
