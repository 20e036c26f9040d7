"""Regions of equal class as polygons in pixel coordinates."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from sarseg.errors import InputError
from sarseg.scenes import osgeo
from sarseg.vectors.outlines import Outlines

Engine: TypeAlias = Literal["osgeo", "rasterio"]

CLASS_DTYPES = ("uint8", "int8", "uint16", "int16", "int32")
"""What the pixels of a class raster may be."""


@dataclass(frozen=True)
class Regions:
    """The 4-connected regions of a class raster, ordered by their first pixel, row by row.

    ``class_ids`` (N,) int64, 0 or more; ``outlines`` (N,) polygons in pixel coordinates: x is the
    column and y the row, counted from the upper left corner of the upper left pixel.
    """

    class_ids: NDArray[np.int64]
    outlines: Outlines


def default_engine() -> Engine:
    """``osgeo`` where GDAL's own Python bindings are installed, else ``rasterio``."""
    return "osgeo" if osgeo.available() else "rasterio"


def polygonise(dataset: DatasetReader, engine: Engine) -> Regions:
    """One polygon for each 4-connected region of equal class in band 1 of the open ``dataset``.

    Pixels without a class are those that GDAL's mask of the band leaves out: the nodata value
    where the file names one, a mask or an alpha band. In a file with none of these every value is a
    class, 0 included. The raster is looked at as a whole, so no polygon ends where a block of the
    file does. Both engines run GDAL's algorithm and give the same polygons; ``osgeo`` streams
    the raster, ``rasterio`` holds band and mask in memory (2 to 5 bytes a pixel).

    Raises InputError where the band holds no integers, a negative class, no class at all, or cannot
    be read.
    """
    dtype = dataset.dtypes[0]
    if dtype not in CLASS_DTYPES:
        raise InputError(
            f"{dataset.name} holds {dtype} numbers and is no class raster: the classes in band 1 "
            f"must be {', '.join(CLASS_DTYPES)}. Convert it with gdal_translate -ot, or name "
            "another file."
        )
    trace = _trace_with_osgeo if engine == "osgeo" else _trace_with_rasterio
    try:
        values, outlines = trace(dataset)
    except (RasterioError, RuntimeError) as error:  # RuntimeError is what osgeo raises
        raise InputError(
            f"The pixels of {dataset.name} cannot be read ({error}); the file may be damaged."
        ) from error
    if not values:
        raise InputError(
            f"{dataset.name} has no pixel with a class, all are nodata; there is nothing to "
            "turn into polygons."
        )
    class_ids = np.array(values, np.int64)
    if class_ids.min() < 0:
        raise InputError(
            f"{dataset.name} holds the class {class_ids.min()}, but classes are 0 or more. If it "
            "stands for pixels without a class, declare it with gdal_edit.py -a_nodata."
        )
    order = np.argsort(_first_pixels(outlines, dataset.width))
    return Regions(class_ids[order], outlines[order])


def _trace_with_rasterio(dataset: DatasetReader) -> tuple[list[int], Outlines]:
    shapes = rasterio.features.shapes(dataset.read(1), mask=dataset.read_masks(1), connectivity=4)
    values, polygons = [], []
    for shape, value in shapes:
        shell, *holes = shape["coordinates"]
        values.append(int(value))
        polygons.append(shapely.Polygon(shell, holes))
    return values, np.array(polygons, object)


def _trace_with_osgeo(dataset: DatasetReader) -> tuple[list[int], Outlines]:
    from osgeo import gdal, ogr

    gdal.UseExceptions()
    raster = gdal.Open(dataset.name)
    mask = raster.GetRasterBand(1).GetMaskBand()
    plain = gdal.GetDriverByName("VRT").CreateCopy("", raster)
    plain.SetGeoTransform((0, 1, 0, 0, 0, 1))  # Polygonize applies it: stay in pixels
    # Before GDAL 3.11 the vector driver was a separate one.
    driver = ogr.GetDriverByName("MEM") or ogr.GetDriverByName("Memory")
    vectors = driver.CreateDataSource("")
    layer = vectors.CreateLayer("regions", None, ogr.wkbPolygon)
    layer.CreateField(ogr.FieldDefn("class_id", ogr.OFTInteger))
    gdal.Polygonize(plain.GetRasterBand(1), mask, layer, 0)
    values, shapes = [], []
    for feature in layer:
        values.append(feature.GetField(0))
        shapes.append(bytes(feature.GetGeometryRef().ExportToWkb()))
    return values, shapely.from_wkb(shapes)


def _first_pixels(outlines: Outlines, width: int) -> NDArray[np.float64]:
    """Position (N,) of the first pixel of each region, counted row by row."""
    _, corners, (rings, polygons) = shapely.to_ragged_array(outlines)
    # The topmost and then leftmost corner of a region is the upper left one of its first pixel.
    positions = corners[:, 1] * (width + 1) + corners[:, 0]
    return np.minimum.reduceat(positions, rings[polygons[:-1]])
