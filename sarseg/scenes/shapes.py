"""The shapes of a vector file, in the pixels of a raster."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyogrio
import pyogrio.raw
import pyproj
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError
from pyproj.exceptions import ProjError

from sarseg.errors import InputError
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import full_circle, map_bounds, map_crs, misplacement, to_pixels, unrolled

Bounds: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right, top."""

_Coordinates: TypeAlias = NDArray[np.float64]
_Placing: TypeAlias = Callable[[_Coordinates], _Coordinates]

_MARGIN = 0.01
"""Part of a raster's width and height round it, within which shapes are looked at."""

_PIECES = 64
"""Edges are cut into pieces of this part of the raster, as they bend from one CRS to another."""

_FINEST = 2.0**-10
"""Part of a pixel that is kept, so that what came from pixel corners goes back to them. A power of
two, so that shapes move from window to window without rounding."""


@dataclass(frozen=True)
class AttributedShapes:
    """Features near a raster: geometries (N,) in its pixels, one collection a feature, and what an
    attribute says of each, as text; None where it is null."""

    shapes: NDArray[Any]
    values: tuple[str | None, ...]


def read_shapes(
    path: Path, georeference: Georeference, name: str, advice: str = ""
) -> NDArray[Any]:
    """The geometries of ``path`` near a raster, in its pixels; one collection a feature.

    ``path`` is any format that GDAL reads, in the CRS of the raster's map or another that leads
    there; for a raster without georeferencing its coordinates are col, row, as ``sarseg vectorize``
    writes them. Parts far from the raster are left out, so the array may be empty. ``name`` of the
    raster is for sentences, as is ``advice`` where ``path`` is no vector file.

    Raises InputError where the file cannot be used, or the raster has no sound georeferencing.
    """
    return _read(path, georeference, name, None, "", advice).shapes


def read_attributed_shapes(
    path: Path, georeference: Georeference, name: str, attribute: str, option: str
) -> AttributedShapes:
    """The features of ``path`` near a raster with their ``attribute``, in the order of their ids.

    On the rest see ``read_shapes``. Raises InputError also where the file has no such attribute;
    ``option`` is the one that names another.
    """
    return _read(path, georeference, name, attribute, option, "")


def attribute_values(path: Path, attribute: str) -> set[str]:
    """What ``attribute`` says of any feature of ``path``, near or far. Raises InputError."""
    layer = _only_layer(path, "")
    _, _, _, (column,) = _read_layer(path, layer, columns=[attribute], read_geometry=False)
    return {text for text in _texts(column) if text is not None}


def holds_shapes(path: Path) -> bool:
    """True where ``path`` is a vector file."""
    try:
        return path.exists() and any(kind is not None for _, kind in pyogrio.list_layers(path))
    except DataSourceError:
        return False


def _read(
    path: Path,
    georeference: Georeference,
    name: str,
    attribute: str | None,
    option: str,
    advice: str,
) -> AttributedShapes:
    _refuse_misplaced(str(path), georeference, name)
    layer = _only_layer(path, advice)
    if attribute is not None and attribute not in layer["fields"]:
        held = ", ".join(layer["fields"]) or "none"
        raise InputError(
            f"The features of {path} have no attribute {attribute!r}; they have: {held}. Name one "
            f"with {option}."
        )
    onto_map, surroundings, turn = _relation(path, layer, georeference, name)
    found = _shapes_within(path, layer, surroundings, turn, attribute)
    shapes = _onto_pixels(found.shapes, onto_map, surroundings, georeference)
    return AttributedShapes(shapes, found.values)


def place_bounds(bounds: Bounds, georeference: Georeference, name: str) -> NDArray[Any]:
    """The rectangle ``bounds`` on a raster's map, in its pixels; (1,), or (0,) where it is far off.

    Raises InputError where the raster, ``name``, has no sound georeferencing.
    """
    _refuse_misplaced("the area", georeference, name)
    surroundings = _surroundings(georeference)
    shapes = shapely.clip_by_rect(np.array([shapely.box(*bounds)]), *surroundings)
    shapes = shapes[~shapely.is_empty(shapes)]
    return _onto_pixels(shapes, lambda corners: corners, surroundings, georeference)


def _refuse_misplaced(what: str, georeference: Georeference, name: str) -> None:
    if reason := misplacement(georeference):
        raise InputError(
            f"Where {what} lies on {name} cannot be found: {reason}. Check its georeferencing."
        )


def _surroundings(georeference: Georeference) -> Bounds:
    left, bottom, right, top = map_bounds(georeference)
    across, along = _MARGIN * (right - left), _MARGIN * (top - bottom)
    return left - across, bottom - along, right + across, top + along


def _onto_pixels(
    shapes: NDArray[Any], onto_map: _Placing, surroundings: Bounds, georeference: Georeference
) -> NDArray[Any]:
    """``shapes`` in the raster's pixels; the raster lies within ``surroundings``, in their CRS."""
    left, bottom, right, top = surroundings
    shapes = shapely.segmentize(shapes, max(right - left, top - bottom) / _PIECES)

    def place(corners: _Coordinates) -> _Coordinates:
        return np.round(to_pixels(onto_map(corners), georeference) / _FINEST) * _FINEST

    return np.asarray(shapely.transform(shapes, place))


def _only_layer(path: Path, advice: str) -> dict[str, Any]:
    """What pyogrio tells of the layer with features in ``path``."""
    if not path.exists():
        raise InputError(f"The vector file {path} does not exist.")
    try:
        layers = [name for name, kind in pyogrio.list_layers(path) if kind is not None]
        if len(layers) != 1:
            found = f"layers {', '.join(layers)}" if layers else "no layer with shapes"
            raise InputError(f"The vector file {path} holds {found}; give a file with one layer.")
        info: dict[str, Any] = pyogrio.read_info(
            path, layer=layers[0], force_feature_count=True, force_total_bounds=True
        )
    except (DataSourceError, DataLayerError) as error:
        raise InputError(
            f"{path} is no vector file that GDAL can read ({_reason(error)}). {advice}".rstrip()
        ) from error
    if not info["features"]:
        raise InputError(f"The vector file {path} holds no feature, so it does not say where.")
    return info


def _relation(
    path: Path, layer: dict[str, Any], georeference: Georeference, name: str
) -> tuple[_Placing, Bounds, float]:
    """How the layer's coordinates become the raster's, where in them the raster lies, and after
    what distance they come back to the same place: a full circle of longitude, 0 for never.

    Longitudes run on across the date line: the right edge may lie beyond 180 degrees.
    """
    surroundings = _surroundings(georeference)
    crs = map_crs(georeference)
    if crs is None:
        # GDAL takes a GeoJSON file that names no CRS for degrees
        if layer["crs"] and (layer["driver"], layer["crs"]) != ("GeoJSON", "EPSG:4326"):
            raise InputError(
                f"The vector file {path} is in {layer['crs']}, but {name} has no CRS. Give it "
                "in the scene's own coordinates and without a CRS: columns and rows, where that "
                "is not georeferenced."
            )
        return lambda corners: corners, surroundings, 0.0
    if not layer["crs"]:
        raise InputError(
            f"The vector file {path} has no CRS, so where it lies on {name} is not known; give "
            f"it that of its coordinates (ogr2ogr -a_srs), such as {crs.to_string()}."
        )
    try:
        onto_map = pyproj.Transformer.from_crs(layer["crs"], crs, always_xy=True)
        back = pyproj.Transformer.from_crs(crs, layer["crs"], always_xy=True)
        west, south, east, north = back.transform_bounds(*surroundings)
        turn = full_circle(pyproj.CRS.from_user_input(layer["crs"]))
    except ProjError as error:
        raise InputError(
            f"From the CRS of the vector file {path} no way leads to that of {name} "
            f"({crs.to_string()}); give it in that one."
        ) from error
    if west > east:  # degrees on both sides of the date line
        east += turn

    def place(corners: _Coordinates) -> _Coordinates:
        placed = np.column_stack(onto_map.transform(corners[:, 0], corners[:, 1]))
        return unrolled(placed, crs, (surroundings[0] + surroundings[2]) / 2)

    return place, (west, south, east, north), turn


def _shapes_within(
    path: Path, layer: dict[str, Any], bounds: Bounds, turn: float, attribute: str | None
) -> AttributedShapes:
    """The parts of each of the layer's geometries that lie within ``bounds``, in its coordinates.

    What lies far from the raster might come back anywhere on it: neither the polynomials of control
    points nor map projections hold there.
    """
    left, bottom, right, top = bounds
    least, _, greatest, _ = layer["total_bounds"]
    numbers, parts = [np.empty(0, np.int64)], [np.empty(0, object)]
    values: dict[int, str | None] = {}
    for turns in (-1, 0, 1):  # longitudes may be counted from elsewhere
        west, east = left + turns * turn, right + turns * turn
        if turns and (not turn or west > greatest or east < least):
            continue
        _, fids, geometries, columns = _read_layer(
            path,
            layer,
            columns=[] if attribute is None else [attribute],
            bbox=(west, bottom, east, top),
            force_2d=True,
            return_fids=True,
        )
        try:
            shapes = shapely.from_wkb(geometries)
        except shapely.GEOSException as error:
            raise _damaged(path, error) from error
        clipped = shapely.clip_by_rect(shapes, west, bottom, east, top)
        there = ~(shapely.is_missing(clipped) | shapely.is_empty(clipped))
        numbers.append(fids[there])
        parts.append(clipped[there])
        for column in columns:
            values.update(zip(fids[there].tolist(), _texts(column[there]), strict=True))
    features, of_part = np.unique(np.concatenate(numbers), return_inverse=True)
    order = np.argsort(of_part, kind="stable")
    collected = np.empty(len(features), object)
    if len(features):
        shapely.geometrycollections(
            np.concatenate(parts)[order], indices=of_part[order], out=collected
        )
    return AttributedShapes(collected, tuple(values.get(fid) for fid in features.tolist()))


def _read_layer(path: Path, layer: dict[str, Any], **options: Any) -> Any:
    """What pyogrio reads of the layer: its description, ids, geometries and columns."""
    try:
        return pyogrio.raw.read(path, layer=layer["layer_name"], **options)
    except (DataSourceError, DataLayerError, FeatureError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"The vector file {path} cannot be read: {_reason(error)}. It seems to be damaged."
    )


def _texts(column: NDArray[Any]) -> list[str | None]:
    """Values of an attribute as text; numbers without a fraction as GDAL's integers are."""
    return [_text(value) for value in column.tolist()]


def _text(value: Any) -> str | None:
    if isinstance(value, float):
        if np.isnan(value):  # what pyogrio makes of a null among numbers
            return None
        return str(int(value)) if value.is_integer() else str(value)
    text = "" if value is None else str(value).strip()
    return text or None


def _reason(error: Exception) -> str:
    return str(error).partition(";")[0].rstrip(".")  # advice on drivers follows
