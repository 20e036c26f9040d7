"""Land-cover maps as Cloud-Optimised GeoTIFF: written whole, and their legend read back."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from shutil import disk_usage
from xml.etree.ElementTree import Element, indent

import numpy as np
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from sarseg.classes import MAX_CLASS_ID, NODATA, LandCoverClass, unnamed_class
from sarseg.errors import OutputError
from sarseg.scenes import osgeo
from sarseg.scenes.georeference import Georeference, quietly_georeferenced
from sarseg.scenes.virtual_raster import (
    Piece,
    colour_table,
    element,
    georeferencing,
    ground_control_points,
    metadata,
    mosaic_band,
    overview,
    raw_band,
    virtual_raster,
    write_xml,
)

_BLOCK = 512
_CACHE_BYTES = 64 * 2**20
_CLASS_TAG = re.compile(r"CLASS_(\d+)")
_CLASSES, _PERCENTAGES, _MAP = "classes.vrt", "percentages.vrt", "map.vrt"
_STEPS = 4


@dataclass(frozen=True)
class RawStrip:
    """Columns [col, col + width) of a map on disk: uint8, for each row of the map all its bands one
    after the other (band interleaved by line), without a header."""

    path: Path
    col: int
    width: int


def write_landcover(
    path: Path,
    georeference: Georeference,
    classes: Sequence[LandCoverClass],
    bands: Sequence[str],
    strips: Sequence[RawStrip],
    *,
    tags: Mapping[str, str],
    work: Path,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a map as Cloud-Optimised GeoTIFF, whole or not at all, replacing what was there.

    ``bands`` are names: first ``class``, ids with a colour table and a tag ``CLASS_<id>=<name>`` a
    class; then any that hold percentages, 0..100. Nodata is 255 in all. ``strips`` cover the map,
    from left to right. Overviews halve the map until it is within one block of 512 x 512: a class
    by the most frequent of the pixels below, percentages by their mean, both of valid pixels. The
    sidecar ``<path>.aux.xml`` holds the class names as categories and raster attribute table.

    Files are made in the folder ``work``, on the file system of ``path``, over those of an earlier
    attempt. What is no part of the result stays there.
    ``progress(done, total)`` counts the steps of the work. Equal maps are equal byte by byte.

    Raises OutputError where the map cannot be written, ValueError where the strips do not hold the
    map.
    """
    _check_strips(strips, georeference, len(bands))
    sidecar, source = path.with_name(path.name + ".aux.xml"), work / _MAP
    finished, beside = work / "finished.tif", work / "finished.tif.aux.xml"
    shrinks = _shrinks(georeference)

    def made(steps: int) -> None:
        if progress is not None:
            progress(steps, _STEPS)

    with (
        _told_as_failure_of(path, work, georeference.height * georeference.width * len(bands)),
        _gdal_settings(),
        quietly_georeferenced(),
    ):
        _write_mosaics(work, georeference, len(bands), strips)
        made(0)
        _build_overviews(work / _CLASSES, shrinks, Resampling.mode)
        made(1)
        if len(bands) > 1:
            _build_overviews(work / _PERCENTAGES, shrinks, Resampling.average)
        made(2)
        _write_map(source, georeference, classes, bands, shrinks, tags)
        _copy(source, finished, len(bands))
        made(3)
        _verify(finished, source, len(shrinks))
        write_xml(beside, _sidecar(georeference, classes))
        made(_STEPS)
        # A map without a sidecar is right, one with another map's is not: so the old one goes
        # first, and the new one takes its name last.
        sidecar.unlink(missing_ok=True)
        finished.replace(path)
        beside.replace(sidecar)


def _check_strips(strips: Sequence[RawStrip], georeference: Georeference, num_bands: int) -> None:
    col = 0
    for strip in strips:
        size, expected = strip.path.stat().st_size, georeference.height * num_bands * strip.width
        if strip.col != col or size != expected:
            raise ValueError(
                f"{strip} begins at column {strip.col} with {size} bytes, "
                f"expected {col} with {expected}"
            )
        col += strip.width
    if col != georeference.width:
        raise ValueError(f"the strips cover {col} of {georeference.width} columns")


def _shrinks(georeference: Georeference) -> list[int]:
    """By how much each overview is smaller than the map."""
    shrinks = []
    shrink = 1
    while max(georeference.height, georeference.width) > shrink * _BLOCK:
        shrink *= 2
        shrinks.append(shrink)
    return shrinks


def _write_mosaics(
    work: Path, georeference: Georeference, num_bands: int, strips: Sequence[RawStrip]
) -> None:
    """Make the strips one raster of the classes and one of the percentages, as overviews are made
    for all bands of a raster in the same way."""
    height, width = georeference.height, georeference.width
    names = [f"strip-{number}.vrt" for number in range(len(strips))]
    for name, strip in zip(names, strips, strict=True):
        raw = os.path.relpath(strip.path.resolve(), work.resolve())
        parts = [
            raw_band(band + 1, raw, offset=band * strip.width, line=num_bands * strip.width)
            for band in range(num_bands)
        ]
        write_xml(work / name, virtual_raster(height, strip.width, parts))
    for mosaic, chosen in ((_CLASSES, [1]), (_PERCENTAGES, range(2, num_bands + 1))):
        parts = [
            mosaic_band(
                number,
                height,
                [
                    Piece(name, band, strip.col, strip.width)
                    for name, strip in zip(names, strips, strict=True)
                ],
                NODATA,
            )
            for number, band in enumerate(chosen, start=1)
        ]
        write_xml(work / mosaic, virtual_raster(height, width, parts))


def _build_overviews(mosaic: Path, shrinks: Sequence[int], resampling: Resampling) -> None:
    mosaic.with_name(mosaic.name + ".ovr").unlink(missing_ok=True)
    if not shrinks:
        return
    with rasterio.open(mosaic, "r+") as dataset:
        dataset.build_overviews(shrinks, resampling)
    with rasterio.open(mosaic) as dataset:
        for band, (level, shrink) in product(dataset.indexes, enumerate(shrinks)):
            blocks = [range(-(-side // (shrink * _BLOCK))) for side in dataset.shape]
            for row, col in product(*blocks):
                place = f"BLOCK_OFFSET_{col}_{row}"
                # GDAL reads a block that the full disk did not take as nodata, and says nothing
                if dataset.get_tag_item(place, "TIFF", bidx=band, ovr=level) is None:
                    raise OSError("its overviews are incomplete")


def _write_map(
    path: Path,
    georeference: Georeference,
    classes: Sequence[LandCoverClass],
    bands: Sequence[str],
    shrinks: Sequence[int],
    tags: Mapping[str, str],
) -> None:
    """Join both mosaics and their overviews into a raster that has all that the GeoTIFF has."""
    height, width = georeference.height, georeference.width
    sources = [(_CLASSES, 1), *((_PERCENTAGES, number) for number in range(1, len(bands)))]
    levels = [f"overview-{level}.vrt" for level in range(len(shrinks))]
    # Overviews of a source would be taken up unasked, but for those narrower than 128 pixels.
    for level, (name, shrink) in enumerate(zip(levels, shrinks, strict=True)):
        rows, cols = -(-height // shrink), -(-width // shrink)
        parts = [
            mosaic_band(number, rows, [Piece(*source, 0, cols, level)], NODATA)
            for number, source in enumerate(sources, start=1)
        ]
        write_xml(path.with_name(name), virtual_raster(rows, cols, parts))
    legend = [
        metadata({f"CLASS_{entry.id}": entry.name for entry in classes}),
        element("ColorInterp", "Palette"),
        _colours(classes),
    ]
    parts = [*georeferencing(georeference), metadata(tags)]
    for number, (name, source) in enumerate(zip(bands, sources, strict=True), start=1):
        about = legend if number == 1 else [element("ColorInterp", "Gray")]
        about = [element("Description", name), *about, *(overview(n, number) for n in levels)]
        parts.append(mosaic_band(number, height, [Piece(*source, 0, width)], NODATA, about))
    write_xml(path, virtual_raster(height, width, parts))


def _copy(source: Path, target: Path, num_bands: int) -> None:
    # Not by the driver COG: it interleaves the bands by pixel, which takes more room and makes
    # readers of the classes fetch all bands, and it turns the second of two bands into an alpha.
    try:
        rasterio.shutil.copy(
            source,
            target,
            driver="GTiff",
            copy_src_overviews="YES",
            tiled="YES",
            blockxsize=_BLOCK,
            blockysize=_BLOCK,
            compress="DEFLATE",
            interleave="BAND",
            photometric="PALETTE" if num_bands == 1 else "MINISBLACK",
            bigtiff="IF_SAFER",
        )
    except SystemError:  # rasterio's answer where GDAL fails and gives no reason
        raise OSError("GDAL gives no reason") from None


def _verify(path: Path, source: Path, num_overviews: int) -> None:
    """Read the file back: GDAL is silent where the disk was full for what it wrote last."""
    for level in (None, *range(num_overviews)):
        chosen = {} if level is None else {"overview_level": level}
        with rasterio.open(path, **chosen) as made, rasterio.open(source, **chosen) as wanted:
            for window in _blocks(wanted):
                if not np.array_equal(made.read(window=window), wanted.read(window=window)):
                    raise OSError("it reads back differently")


def _blocks(dataset: DatasetReader) -> Iterator[RasterioWindow]:
    for row in range(0, dataset.height, _BLOCK):
        for col in range(0, dataset.width, _BLOCK):
            yield RasterioWindow(
                col, row, min(_BLOCK, dataset.width - col), min(_BLOCK, dataset.height - row)
            )


def _sidecar(georeference: Georeference, classes: Sequence[LandCoverClass]) -> Element:
    """What a GeoTIFF has no place for: names of values, a colour table beside further bands, names
    of ground control points."""
    root, band = Element("PAMDataset"), Element("PAMRasterBand", band="1")
    names = {entry.id: entry.name for entry in classes}
    categories = Element("CategoryNames")
    categories.extend(element("Category", names.get(value, "")) for value in range(max(names) + 1))
    band.extend([categories, _colours(classes), _attribute_table(classes)])
    if georeference.gcps and georeference.transform is None:
        root.append(ground_control_points(georeference))
    root.append(band)
    indent(root)
    return root


def _colours(classes: Sequence[LandCoverClass]) -> Element:
    colours = [(0, 0, 0, 0)] * (NODATA + 1)
    for entry in classes:
        colours[entry.id] = (*entry.colour, 255)
    return colour_table(colours)


def _attribute_table(classes: Sequence[LandCoverClass]) -> Element:
    # name, GDAL's number for the type (0 integer, 2 text), and for the use that is made of it
    columns = [("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8)]
    table = Element("GDALRasterAttributeTable", tableType="thematic")
    for index, (name, kind, usage) in enumerate(columns):
        column = Element("FieldDefn", index=str(index))
        column.extend([element("Name", name), element("Type", kind), element("Usage", usage)])
        table.append(column)
    for index, entry in enumerate(classes):
        row = Element("Row", index=str(index))
        row.extend(element("F", value) for value in (entry.id, entry.name, *entry.colour))
        table.append(row)
    return table


def _gdal_settings() -> rasterio.Env:
    settings = {
        "GDAL_NUM_THREADS": "ALL_CPUS",
        "GDAL_PAM_ENABLED": "NO",  # the sidecar is written here, where a full disk is noticed
        "GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE": "ALL",
        "COMPRESS_OVERVIEW": "DEFLATE",
        "GDAL_TIFF_OVR_BLOCKSIZE": _BLOCK,
    }
    if "GDAL_CACHEMAX" not in os.environ:
        settings["GDAL_CACHEMAX"] = _CACHE_BYTES
    return rasterio.Env(**settings)


@contextmanager
def _told_as_failure_of(path: Path, work: Path, size: int) -> Iterator[None]:
    """``size`` is that of the raw map in bytes. What GDAL says of a full disk varies from file to
    file and names blocks: it stays with the cause."""
    try:
        yield
    except (RasterioError, CPLE_BaseError, OSError) as error:
        # overviews, at most a third each of the map and of its copy, which may not get smaller
        needed, free = size * 5 / 3e9, disk_usage(work).free / 1e9
        why = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        raise OutputError(
            f"The map {path} could not be written{why}: is there room on the disk? Writing it "
            f"takes up to {needed:.2g} GB in {work} beside what is there; {free:.2g} GB are free."
        ) from error


def read_legend(dataset: DatasetReader) -> tuple[LandCoverClass, ...]:
    """Legend of an open class raster: names from the tags ``CLASS_<id>`` of band 1, colours from
    its colour table, in ascending order of id.

    Of rasters without such tags, which others made, the names are those of their attribute table or
    categories, where GDAL's Python bindings are there to read them. Empty where there are none.
    """
    names = {
        int(match[1]): name
        for key, name in dataset.tags(1).items()
        if (match := _CLASS_TAG.fullmatch(key)) and int(match[1]) <= MAX_CLASS_ID and name
    }
    if not names and osgeo.available():
        found = osgeo.value_names(dataset.name)
        names = {value: name for value, name in found.items() if 0 <= value <= MAX_CLASS_ID}
    try:
        colours = dataset.colormap(1)
    except ValueError:  # rasterio's word for: there is none
        colours = {}
    return tuple(
        LandCoverClass(
            id=class_id,
            name=names[class_id],
            colour=colours[class_id][:3] if class_id in colours else unnamed_class(class_id).colour,
        )
        for class_id in sorted(names)
    )
