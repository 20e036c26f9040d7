"""GDAL's own Python bindings: they trace polygons row by row where rasterio cannot; optional."""

from functools import cache


@cache
def available() -> bool:
    """True where ``osgeo.gdal`` is installed and loads."""
    try:
        from osgeo import gdal
    except ImportError:
        return False
    return hasattr(gdal, "Polygonize")
