"""The part of a scene that a user is interested in."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import GeometryType

from sarseg.errors import InputError, UsageError
from sarseg.scenes.band import Band, DerivedBand
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_bounds, map_crs
from sarseg.scenes.rasterising import RasterisedShapes
from sarseg.scenes.shapes import Bounds, place_bounds, read_shapes
from sarseg.scenes.window import Window


def limited(
    bands: Sequence[Band], georeference: Georeference, area: str, name: str
) -> tuple[list[Band], Window, Callable[[Window], NDArray[np.bool_]]]:
    """``bands`` cut to ``area``, the window that they are of the scene, and which of their pixels
    lie inside.

    ``area`` is a vector file with one layer, whose polygons count, or
    ``"left,bottom,right,top"`` in the CRS of the scene's map (columns and rows where the scene has
    no georeferencing). The scene is cut to the smallest window round the pixels whose centres may
    lie in the area; the callable says (h, w) which centres of a window of that cut do. ``name`` of
    the scene is for sentences.

    Raises InputError where the file cannot be used or the area misses the scene, UsageError where
    the numbers are no bounds.
    """
    polygons = _polygons(area, georeference, name)
    cut = _window_round(polygons, georeference)
    if cut.empty:
        raise InputError(
            f"The area of interest {area} holds no pixel of {name}, which reaches "
            f"{_reach(georeference)}; check which place, and which CRS, it is for."
        )
    return (
        [ClippedBand(band, cut) for band in bands],
        cut,
        _Inside(polygons, cut),
    )


class ClippedBand(DerivedBand):
    """A window of a band."""

    def __init__(self, band: Band, cut: Window) -> None:
        super().__init__(band)
        self._cut = cut

    @property
    def height(self) -> int:
        return self._cut.height

    @property
    def width(self) -> int:
        return self._cut.width

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        return self._band.read(_shifted(window, self._cut))


class _Inside:
    """Which pixels of the window ``cut`` of a scene have their centre in ``polygons``."""

    def __init__(self, polygons: NDArray[Any], cut: Window) -> None:
        self._polygons = RasterisedShapes(polygons, np.ones(len(polygons), np.uint8), 0)
        self._cut = cut

    def __call__(self, window: Window) -> NDArray[np.bool_]:
        return self._polygons.read(_shifted(window, self._cut)).astype(bool)


def _shifted(window: Window, cut: Window) -> Window:
    return Window(window.row + cut.row, window.col + cut.col, window.height, window.width)


def _polygons(area: str, georeference: Georeference, name: str) -> NDArray[Any]:
    """The area (N,) in pixels of the scene, near it."""
    if "," in area and not Path(area).exists():
        return place_bounds(_parsed_bounds(area, georeference), georeference, name)
    shapes = read_shapes(Path(area), georeference, name, "Bounds are four numbers with commas.")
    parts = shapely.get_parts(shapely.get_parts(shapes))
    kinds = shapely.get_type_id(parts)
    polygons = parts[np.isin(kinds, [GeometryType.POLYGON, GeometryType.MULTIPOLYGON])]
    if len(parts) and not len(polygons):
        raise InputError(
            f"The vector file {area} holds no polygon on {name}, only points or lines; an area of "
            "interest needs polygons."
        )
    return np.asarray(polygons)


def _parsed_bounds(area: str, georeference: Georeference) -> Bounds:
    crs = map_crs(georeference)
    in_pixels = georeference.transform is None and not georeference.gcps
    if in_pixels:
        meant = "in columns and rows, as the scene has no georeferencing"
    else:
        meant = f"in {'the coordinates of the scene' if crs is None else crs.to_string()}"
    try:
        left, bottom, right, top = (float(number) for number in area.split(","))
    except ValueError as error:
        raise UsageError(
            f"The area '{area}' is neither a file nor four numbers: give --aoi "
            f"left,bottom,right,top {meant}."
        ) from error
    if in_pixels:
        bottom, top = sorted((bottom, top))  # rows are counted downwards
    if not (left < right and bottom < top and math.isfinite(right - left + top - bottom)):
        raise UsageError(
            f"The area '{area}' is empty: --aoi is left,bottom,right,top {meant}, with left below "
            "right and bottom below top."
        )
    return left, bottom, right, top


def _window_round(polygons: NDArray[Any], georeference: Georeference) -> Window:
    """The pixels of the raster whose centres lie within the bounds of ``polygons``."""
    if not len(polygons):
        return Window(0, 0, 0, 0)
    left, top, right, bottom = shapely.total_bounds(polygons)
    row, col = math.ceil(top - 0.5), math.ceil(left - 0.5)
    height, width = math.floor(bottom + 0.5) - row, math.floor(right + 0.5) - col
    return Window(row, col, height, width).within(georeference.height, georeference.width)


def _reach(georeference: Georeference) -> str:
    left, bottom, right, top = map_bounds(georeference)
    crs = map_crs(georeference)
    unit = "" if crs is None else f" in {crs.to_string()}"
    return f"from {left:.9g} to {right:.9g} and from {bottom:.9g} to {top:.9g}{unit}"
