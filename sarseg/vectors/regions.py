"""Regions of a class raster: what is known of them, and their outlines in pixel coordinates.

x is the column and y the row, counted from the upper left corner of the upper left pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

Geometries: TypeAlias = NDArray[Any]
"""(N,) object array of shapely polygons."""


@dataclass(frozen=True)
class Polygons:
    """N polygons as arrays.

    ``corners`` (V, 2) float64 of all rings one after the other, the first of each repeated as its
    last; ``rings`` (R + 1,) is where rings begin among the corners, ``polygons`` (N + 1,) where
    polygons begin among the rings: a shell, then its holes. As seen on a map whose rows run from
    north to south, shells run counter-clockwise and holes clockwise.
    """

    corners: NDArray[np.float64]
    rings: NDArray[np.int64]
    polygons: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.polygons) - 1

    def __getitem__(self, rows: slice) -> "Polygons":
        """Consecutive polygons."""
        first, end, _ = rows.indices(len(self))
        polygons = self.polygons[first : max(first, end) + 1]
        rings = self.rings[polygons[0] : polygons[-1] + 1]
        corners = self.corners[rings[0] : rings[-1]]
        return Polygons(corners, rings - rings[0], polygons - polygons[0])

    def taken(self, rows: NDArray[np.intp]) -> "Polygons":
        """The polygons of the numbers ``rows`` (M,), in that order."""
        which, polygons = _spread(self.polygons, rows)
        which, rings = _spread(self.rings, which)
        return Polygons(self.corners[which], rings, polygons)

    @classmethod
    def joined(cls, parts: Sequence["Polygons"]) -> "Polygons":
        """All polygons of ``parts``, one or more, one after the other."""
        return Polygons(
            np.concatenate([part.corners for part in parts]),
            _offsets(np.concatenate([np.diff(part.rings) for part in parts])),
            _offsets(np.concatenate([np.diff(part.polygons) for part in parts])),
        )

    @classmethod
    def of(cls, geometries: Geometries) -> "Polygons":
        """The polygons (N,) of shapely as arrays."""
        _, corners, (rings, polygons) = shapely.to_ragged_array(geometries)
        return Polygons(corners, rings.astype(np.int64), polygons.astype(np.int64))

    def geometries(self) -> Geometries:
        """The polygons (N,) of shapely."""
        polygons: Geometries = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, self.corners, (self.rings, self.polygons)
        )
        return polygons


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)])


def _spread(
    offsets: NDArray[np.int64], chosen: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Numbers of the elements of the ``chosen`` groups, which begin at ``offsets``, and where the
    groups begin among these."""
    lengths = offsets[chosen + 1] - offsets[chosen]
    begin = _offsets(lengths)
    return np.repeat(offsets[chosen] - begin[:-1], lengths) + np.arange(begin[-1]), begin


@dataclass(frozen=True)
class Outlines(Polygons):
    """Polygons along the edges of pixels.

    ``fixed`` (V,) is True for corners that lie at the border of the raster, beside a pixel without
    a class, or where more than two outlines meet.
    """

    fixed: NDArray[np.bool_]


@dataclass(frozen=True)
class Confidence:
    """Percent, of the pixels of each region: ``mean`` and ``minimum`` (N,), NaN where none is
    known."""

    mean: NDArray[np.float64]
    minimum: NDArray[np.float64]


@dataclass(frozen=True)
class Regions:
    """N 4-connected regions of equal class.

    ``class_ids`` (N,) int64, 0 or more; ``pixels`` (N,) int64 their number; ``areas`` (N,) float64
    in square metres on the ellipsoid, NaN where there is none.
    """

    class_ids: NDArray[np.int64]
    pixels: NDArray[np.int64]
    areas: NDArray[np.float64]
    confidence: Confidence | None
    outlines: Outlines
