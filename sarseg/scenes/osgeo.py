"""GDAL's own Python bindings: they write class names where rasterio cannot; optional."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from sarseg.classes import LandCoverClass


@cache
def available() -> bool:
    """True where ``osgeo.gdal`` is installed and loads."""
    try:
        from osgeo import gdal
    except ImportError:
        return False
    return hasattr(gdal, "RasterAttributeTable")


def in_use() -> str:
    """One sentence that says whether the bindings are in use, and what follows from it."""
    if not available():
        return (
            "GDAL's Python bindings (osgeo) are not installed: maps carry class names as band tags "
            "and colours as a colour table."
        )
    from osgeo import gdal

    return (
        f"GDAL's Python bindings (osgeo {gdal.__version__}) are in use: maps also carry class "
        "names as a raster attribute table, which QGIS and gdalinfo show."
    )


def write_class_names(path: Path, classes: Sequence[LandCoverClass]) -> None:
    """Give band 1 of the raster ``path`` category names and a raster attribute table.

    GDAL keeps both in the sidecar ``<path>.aux.xml``. Needs ``available()``.
    """
    from osgeo import gdal

    gdal.UseExceptions()
    dataset = gdal.Open(str(path), gdal.GA_ReadOnly)
    band = dataset.GetRasterBand(1)
    names = {entry.id: entry.name for entry in classes}
    band.SetCategoryNames([names.get(value, "") for value in range(max(names) + 1)])
    table = gdal.RasterAttributeTable()
    table.CreateColumn("Value", gdal.GFT_Integer, gdal.GFU_MinMax)
    table.CreateColumn("Class", gdal.GFT_String, gdal.GFU_Name)
    for name, usage in (("Red", gdal.GFU_Red), ("Green", gdal.GFU_Green), ("Blue", gdal.GFU_Blue)):
        table.CreateColumn(name, gdal.GFT_Integer, usage)
    for row, entry in enumerate(classes):
        table.SetValueAsInt(row, 0, entry.id)
        table.SetValueAsString(row, 1, entry.name)
        for column, component in enumerate(entry.colour, start=2):
            table.SetValueAsInt(row, column, component)
    band.SetDefaultRAT(table)
    dataset.FlushCache()
