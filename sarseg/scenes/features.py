"""The features of a vector file on the pixel grid of a scene."""

from collections.abc import Callable
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
from sarseg.scenes.ground import has_inverse, map_bounds, map_crs, to_pixels
from sarseg.scenes.reader import Scene

_Coordinates: TypeAlias = NDArray[np.float64]
_Placing: TypeAlias = Callable[[_Coordinates], _Coordinates]
_Bounds: TypeAlias = tuple[float, float, float, float]

_MARGIN = 0.01
"""Part of a scene's width and height round it, within which features are looked at."""

_PIECES = 64
"""Edges are cut into pieces of this part of the scene, as they bend from one CRS to another."""

_DECIMALS = 3
"""Decimals of a pixel that are kept, so that what came from pixel corners goes back to them."""


def feature_extents(path: Path, scene: Scene) -> NDArray[np.float64]:
    """How far each feature of ``path`` reaches on ``scene``: (N, 4) left, top, right, bottom.

    In pixels of the scene, counted from its upper left corner and cut to it; a feature of one pixel
    is ``col, row, col + 1, row + 1``. Those that are narrower than a pixel there are left out.
    ``path`` is any format that GDAL reads, in the CRS of the scene's map or another that leads
    there. For a scene without georeferencing the coordinates are col, row, as ``sarseg vectorize``
    writes them.

    Raises InputError where no feature is left, or the file cannot be used.
    """
    if not has_inverse(scene.georeference):
        raise InputError(
            f"The georeferencing of {scene.name} puts all pixels on one line, so the boxes of "
            f"{path} cannot be found on it."
        )
    layer = _only_layer(path)
    onto_map, surroundings = _relation(path, layer, scene)
    shapes = _shapes_within(path, layer, surroundings)
    left, bottom, right, top = surroundings
    shapes = shapely.segmentize(shapes, max(right - left, top - bottom) / _PIECES)
    placed = shapely.transform(
        shapes, lambda corners: to_pixels(onto_map(corners), scene.georeference)
    )
    extents = np.round(shapely.bounds(placed), _DECIMALS)
    extents = np.clip(extents, 0, [scene.width, scene.height] * 2)
    extents = extents[(extents[:, 2:] - extents[:, :2] >= 1).all(axis=1)]
    if not len(extents):
        raise InputError(
            f"None of the {layer['features']} features of {path} lies on {scene.name}, or none is "
            "as large as a pixel; check which place, and which CRS, they are for."
        )
    return extents


def _only_layer(path: Path) -> dict[str, Any]:
    """What pyogrio tells of the layer with features in ``path``."""
    if not path.exists():
        raise InputError(f"The boxes {path} do not exist.")
    try:
        layers = [name for name, kind in pyogrio.list_layers(path) if kind is not None]
        if len(layers) != 1:
            found = f"layers {', '.join(layers)}" if layers else "no layer with shapes"
            raise InputError(f"The boxes {path} hold {found}; give a file with one layer of them.")
        info: dict[str, Any] = pyogrio.read_info(path, layer=layers[0], force_feature_count=True)
    except (DataSourceError, DataLayerError) as error:
        raise InputError(
            f"The boxes {path} are no vector file that GDAL can read ({_reason(error)}). An "
            "earlier map is given by --boxes-from."
        ) from error
    if not info["features"]:
        raise InputError(f"The boxes {path} hold no feature, so they do not say where to look.")
    return info


def _relation(path: Path, layer: dict[str, Any], scene: Scene) -> tuple[_Placing, _Bounds]:
    """How the layer's coordinates become the scene's, and where in them the scene lies."""
    left, bottom, right, top = map_bounds(scene.georeference)
    across, along = _MARGIN * (right - left), _MARGIN * (top - bottom)
    surroundings = left - across, bottom - along, right + across, top + along
    crs = map_crs(scene.georeference)
    if crs is None:
        # GDAL takes a GeoJSON file that names no CRS for degrees
        if layer["crs"] and (layer["driver"], layer["crs"]) != ("GeoJSON", "EPSG:4326"):
            raise InputError(
                f"The boxes {path} are in {layer['crs']}, but {scene.name} has no CRS. Give them "
                "in the scene's own coordinates and without a CRS: columns and rows, where it is "
                "not georeferenced."
            )
        return lambda corners: corners, surroundings
    if not layer["crs"]:
        raise InputError(
            f"The boxes {path} have no CRS, so where they lie on {scene.name} is not known; give "
            f"them that of their coordinates (ogr2ogr -a_srs), such as {crs.to_string()}."
        )
    try:
        onto_map = pyproj.Transformer.from_crs(layer["crs"], crs, always_xy=True)
        back = pyproj.Transformer.from_crs(crs, layer["crs"], always_xy=True)
        west, south, east, north = back.transform_bounds(*surroundings)
    except ProjError as error:
        raise InputError(
            f"From the CRS of the boxes {path} no way leads to that of {scene.name} "
            f"({crs.to_string()}); give them in that one."
        ) from error
    if west > east:  # degrees on both sides of the date line
        west, east = -180.0, 180.0
    return (
        lambda corners: np.column_stack(onto_map.transform(corners[:, 0], corners[:, 1])),
        (west, south, east, north),
    )


def _shapes_within(path: Path, layer: dict[str, Any], bounds: _Bounds) -> NDArray[Any]:
    """The parts of the layer's geometries that lie within ``bounds``.

    What lies far from the scene might come back anywhere on it: neither the polynomials of control
    points nor map projections hold there.
    """
    try:
        _, _, geometries, _ = pyogrio.raw.read(
            path, layer=layer["layer_name"], columns=[], bbox=bounds, force_2d=True
        )
    except (DataSourceError, DataLayerError, FeatureError) as error:
        raise InputError(
            f"The boxes {path} cannot be read: {_reason(error)}. The file seems to be damaged."
        ) from error
    shapes = shapely.clip_by_rect(shapely.from_wkb(geometries), *bounds)
    return np.asarray(shapes[~(shapely.is_missing(shapes) | shapely.is_empty(shapes))])


def _reason(error: Exception) -> str:
    return str(error).partition(";")[0].rstrip(".")  # advice on drivers follows
