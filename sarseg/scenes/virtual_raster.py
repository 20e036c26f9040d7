"""GDAL's virtual rasters (VRT): small XML files that say what a raster is put together from.

Elements and attributes as in GDAL's own documentation of the format
(https://gdal.org/drivers/raster/vrt.html). All bands are uint8. Coordinates are written with all
their digits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree

from rasterio.crs import CRS

from sarseg.scenes.georeference import Georeference


@dataclass(frozen=True)
class Piece:
    """Columns [col, col + width) of a mosaic, of full height: the band ``band`` (from 1) of a file
    beside the virtual raster, or of its overview of number ``overview`` (from 0)."""

    name: str
    band: int
    col: int
    width: int
    overview: int | None = None


def write_xml(path: Path, root: Element) -> None:
    """Write ``root`` as the file ``path``, replacing what was there; OSError where that fails."""
    # without a declaration: in sidecars GDAL takes the first element for the root
    ElementTree(root).write(path, encoding="UTF-8", xml_declaration=False)


def virtual_raster(height: int, width: int, parts: Iterable[Element]) -> Element:
    """A raster of ``parts``: bands, georeferencing, metadata."""
    root = Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    root.extend(parts)
    return root


def raw_band(number: int, name: str, offset: int, line: int) -> Element:
    """Band ``number`` (from 1) of a file without a header: its rows begin at byte ``offset`` and
    then every ``line`` bytes. ``name`` is seen from where the virtual raster lies."""
    band = Element("VRTRasterBand", dataType="Byte", band=str(number), subClass="VRTRawRasterBand")
    band.append(_file(name))
    band.append(element("ImageOffset", offset))
    band.append(element("PixelOffset", 1))
    band.append(element("LineOffset", line))
    return band


def mosaic_band(
    number: int, height: int, pieces: Iterable[Piece], nodata: int, parts: Iterable[Element] = ()
) -> Element:
    """Band ``number`` (from 1), put together from ``pieces``; ``parts`` say more about it."""
    band = Element("VRTRasterBand", dataType="Byte", band=str(number))
    band.append(element("NoDataValue", nodata))
    band.extend(parts)
    for piece in pieces:
        width, rows = str(piece.width), str(height)
        source = Element("SimpleSource")
        source.append(_file(piece.name))
        if piece.overview is not None:
            options = Element("OpenOptions")
            options.append(element("OOI", piece.overview, key="OVERVIEW_LEVEL"))
            source.append(options)
        source.append(element("SourceBand", piece.band))
        source.append(Element("SrcRect", xOff="0", yOff="0", xSize=width, ySize=rows))
        source.append(Element("DstRect", xOff=str(piece.col), yOff="0", xSize=width, ySize=rows))
        band.append(source)
    return band


def overview(name: str, band: int) -> Element:
    """An overview of a band: the band ``band`` (from 1) of a file beside the virtual raster."""
    made = Element("Overview")
    made.append(_file(name))
    made.append(element("SourceBand", band))
    return made


def georeferencing(georeference: Georeference) -> list[Element]:
    """What ties a raster to the ground; of a transform and points, the transform."""
    parts = []
    if georeference.transform is not None:
        a, b, c, d, e, f = georeference.transform[:6]
        numbers = ",".join(repr(float(number)) for number in (c, a, b, f, d, e))
        parts.append(element("GeoTransform", numbers))
    if georeference.gcps and georeference.transform is None:
        parts.append(ground_control_points(georeference))
    elif georeference.crs is not None:
        parts.append(element("SRS", _wkt(georeference.crs)))
    if georeference.rpcs is not None:
        parts.append(metadata(georeference.rpcs.to_gdal(), domain="RPC"))
    return parts


def ground_control_points(georeference: Georeference) -> Element:
    """The ground control points with their CRS, names and remarks."""
    crs = georeference.gcp_crs
    points = Element("GCPList", {} if crs is None else {"Projection": _wkt(crs)})
    for point in georeference.gcps:
        numbers = {
            "Pixel": point.col, "Line": point.row, "X": point.x, "Y": point.y, "Z": point.z or 0.0
        }  # fmt: skip
        points.append(
            Element(
                "GCP",
                {key: repr(float(number)) for key, number in numbers.items()},
                Id=point.id or "",
                Info=point.info or "",
            )
        )
    return points


def metadata(items: Mapping[str, str], domain: str | None = None) -> Element:
    """Tags of a raster or of a band."""
    block = Element("Metadata", {} if domain is None else {"domain": domain})
    for key, value in items.items():
        block.append(element("MDI", value, key=key))
    return block


def colour_table(colours: Sequence[tuple[int, int, int, int]]) -> Element:
    """The colours (RGBA, 0..255) of pixel values 0, 1, 2 and so on."""
    table = Element("ColorTable")
    for colour in colours:
        components = {f"c{place}": str(value) for place, value in enumerate(colour, start=1)}
        table.append(Element("Entry", components))
    return table


def element(tag: str, content: object, **attributes: str) -> Element:
    """An element that holds a text."""
    made = Element(tag, attributes)
    made.text = str(content)
    return made


def _file(name: str) -> Element:
    return element("SourceFilename", name, relativeToVRT="1")


def _wkt(crs: CRS) -> str:
    return str(crs.to_wkt(version="WKT2_2019"))
