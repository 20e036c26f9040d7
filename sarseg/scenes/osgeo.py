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


def in_use() -> str:
    """One sentence that says whether the bindings are in use, and what follows from it."""
    if not available():
        return (
            "GDAL's Python bindings (osgeo) are not installed: polygons are traced with the whole "
            "class band in memory."
        )
    from osgeo import gdal

    return (
        f"GDAL's Python bindings (osgeo {gdal.__version__}) are in use: polygons are traced "
        "without the whole class band in memory."
    )
