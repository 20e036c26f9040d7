"""What is known of polygons besides their shape: class, size, how sure the map is."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sarseg.classes import LandCoverClass
from sarseg.scenes.pixel_size import SQUARE_METRES_PER_HECTARE, PixelSize
from sarseg.vectors.formats.features import Features
from sarseg.vectors.regions import Polygons, Regions


def class_names(class_ids: Iterable[int], legend: Sequence[LandCoverClass]) -> dict[int, str]:
    """Names by id: the legend's where it has one, else ``class N``.

    Ids may exceed what sarseg's own maps hold, since maps of other origin are vectorised too.
    """
    known = {entry.id: entry.name for entry in legend}
    return {class_id: known.get(class_id, f"class {class_id}") for class_id in class_ids}


def attributes(
    regions: Regions,
    polygons: Polygons,
    legend: Sequence[LandCoverClass],
    size: PixelSize | None,
) -> dict[str, NDArray[Any]]:
    """Fields (N,) by name of ``regions``, whose outlines became ``polygons`` (N) in pixels.

    ``area_ha`` on the ellipsoid is that of the region's pixels, ``perimeter_m`` the length of the
    polygon's outlines, holes too; both NaN without a ``size``. ``pixels`` is their number,
    ``confidence_mean`` and ``confidence_min`` are in percent, where the map has them.
    """
    ids, positions = np.unique(regions.class_ids, return_inverse=True)
    names = np.array(list(class_names(ids.tolist(), legend).values()), object)
    fields: dict[str, NDArray[Any]] = {
        "class_id": regions.class_ids.astype(np.int32),
        "class_name": names[positions],
        "area_ha": regions.areas / SQUARE_METRES_PER_HECTARE,
        "perimeter_m": _perimeters(polygons, size),
        "pixels": regions.pixels.astype(np.int64),
    }
    if regions.confidence is not None:
        fields["confidence_mean"] = regions.confidence.mean
        fields["confidence_min"] = regions.confidence.minimum
    return fields


def dissolved(features: Features) -> Features:
    """One feature a class, by ascending id, of all its polygons.

    Regions of a class touch at corners at most, so that nothing has to be merged. Sizes are sums;
    the mean confidence is that of the polygons, each counted by its pixels.
    """
    fields = features.fields
    ids, first, rows = np.unique(fields["class_id"], return_index=True, return_inverse=True)
    order = np.argsort(rows, kind="stable")
    parts = np.searchsorted(rows[order], np.arange(len(ids) + 1))
    sums = {name: np.bincount(rows, fields[name]) for name in ("area_ha", "perimeter_m", "pixels")}
    together: dict[str, NDArray[Any]] = {
        "class_id": ids,
        "class_name": fields["class_name"][first],
        "area_ha": sums["area_ha"],
        "perimeter_m": sums["perimeter_m"],
        "pixels": sums["pixels"].astype(np.int64),
    }
    if "confidence_mean" in fields:
        known = np.isfinite(fields["confidence_mean"])
        weights = np.where(known, fields["pixels"], 0)
        percent = np.bincount(rows, np.where(known, fields["confidence_mean"], 0) * weights)
        total = np.bincount(rows, weights)
        lowest = np.full(len(ids), np.inf)
        np.minimum.at(lowest, rows[known], fields["confidence_min"][known])
        together["confidence_mean"] = np.where(total > 0, percent / np.maximum(total, 1), np.nan)
        together["confidence_min"] = np.where(np.isfinite(lowest), lowest, np.nan)
    return Features(features.polygons.taken(order), together, parts)


def _perimeters(polygons: Polygons, size: PixelSize | None) -> NDArray[np.float64]:
    corners, rings = polygons.corners, polygons.rings
    if size is None:
        return np.full(len(polygons.polygons) - 1, np.nan)
    lengths = size.lengths(corners[:-1], corners[1:])
    lengths[rings[1:-1] - 1] = 0  # from the end of a ring to the start of the next is no edge
    sums: NDArray[np.float64] = np.add.reduceat(lengths, rings[polygons.polygons[:-1]])
    return sums
