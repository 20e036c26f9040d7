"""What GDAL's own Python bindings read and rasterio cannot: raster attribute tables; optional."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@cache
def available() -> bool:
    """True where ``osgeo.gdal`` is installed and loads."""
    try:
        from osgeo import gdal
    except ImportError:
        return False
    return hasattr(gdal, "RasterAttributeTable")


def value_names(path: str) -> dict[int, str]:
    """Names of pixel values of band 1 of the raster ``path``: by its attribute table, else by its
    list of category names. Empty where there is neither. Needs ``available``."""
    from osgeo import gdal

    with _without_errors(gdal):  # a file without them is no failure
        dataset = gdal.Open(path)
        if dataset is None:
            return {}
        band = dataset.GetRasterBand(1)
        table = band.GetDefaultRAT()
        names = {} if table is None else _table_names(table, gdal)
        return names or {
            value: name for value, name in enumerate(band.GetCategoryNames() or ()) if name
        }


@contextmanager
def _without_errors(gdal: Any) -> Iterator[None]:
    """Failures give None, and are not printed. (``gdal.ExceptionMgr`` came with GDAL 3.7.)"""
    raised = gdal.GetUseExceptions()
    gdal.DontUseExceptions()
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        yield
    finally:
        gdal.PopErrorHandler()
        if raised:
            gdal.UseExceptions()


def _table_names(table: Any, gdal: Any) -> dict[int, str]:
    values = table.GetColOfUsage(gdal.GFU_MinMax)
    values = table.GetColOfUsage(gdal.GFU_Min) if values < 0 else values
    names = table.GetColOfUsage(gdal.GFU_Name)
    if values < 0 or names < 0:
        return {}
    rows = range(table.GetRowCount())
    found = {table.GetValueAsInt(row, values): table.GetValueAsString(row, names) for row in rows}
    return {value: name for value, name in found.items() if name}
