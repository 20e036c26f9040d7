"""Where a raster lies: its grid, and how the grid is tied to the ground."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader
from rasterio.rpc import RPC
from rasterio.transform import Affine

from sarseg.scenes.window import Window

_PIXEL_TOLERANCE = 0.01
"""Grids whose corners lie closer than this part of a pixel are the same grid."""


@dataclass(frozen=True)
class Georeference:
    """Shape of a raster with its transform and CRS, its ground control points, or neither.

    ``transform`` is None where the file has none: positions are then pixel coordinates, unless
    ``gcps`` (in ``gcp_crs``) or ``rpcs`` tie the pixels to the ground.
    """

    height: int
    width: int
    crs: CRS | None
    transform: Affine | None
    gcps: tuple[GroundControlPoint, ...] = ()
    gcp_crs: CRS | None = None
    rpcs: RPC | None = None

    @classmethod
    def of(cls, dataset: DatasetReader) -> Self:
        """The georeference of an open raster."""
        gcps, gcp_crs = dataset.gcps
        # GDAL answers a raster without transform with the identity; with a CRS it is meant so.
        absent = dataset.transform == Affine.identity() and (gcps or not dataset.crs)
        return cls(
            height=dataset.height,
            width=dataset.width,
            crs=dataset.crs or None,
            transform=None if absent else dataset.transform,
            gcps=tuple(gcps),
            gcp_crs=gcp_crs or None,
            rpcs=dataset.rpcs,
        )

    def window(self, window: Window) -> "Georeference":
        """The georeference of a window of this raster."""
        return Georeference(
            height=window.height,
            width=window.width,
            crs=self.crs,
            transform=self.transform and _moved_transform(self.transform, window),
            gcps=tuple(_moved(point, window) for point in self.gcps),
            gcp_crs=self.gcp_crs,
            rpcs=self.rpcs and _moved_rpcs(self.rpcs, window),
        )

    def difference(self, other: "Georeference") -> str | None:
        """How the grids differ, as the end of a sentence; None where they are the same."""
        if (self.height, self.width) != (other.height, other.width):
            return (
                f"{self.height} x {self.width} pixels (rows x columns) "
                f"against {other.height} x {other.width}"
            )
        if self.crs != other.crs or self.gcp_crs != other.gcp_crs:
            return (
                f"{_crs_name(self.crs or self.gcp_crs)} "
                f"against {_crs_name(other.crs or other.gcp_crs)}"
            )
        if not _same_transform(self, other):
            return f"the transform {_numbers(self.transform)} against {_numbers(other.transform)}"
        if not _same_points(self, other):
            return "other ground control points"
        return None

    def profile(self) -> dict[str, Any]:
        """Creation keywords for ``rasterio.open(..., "w", **profile)`` that GDAL reads back."""
        keywords: dict[str, Any] = {"height": self.height, "width": self.width}
        if self.transform is not None:
            keywords["transform"] = self.transform
        if self.gcps and self.transform is None:
            # rasterio takes the CRS of the points by the keyword for that of the raster.
            keywords["gcps"] = list(self.gcps)
            keywords["crs"] = self.gcp_crs or CRS()
        elif self.crs is not None:
            keywords["crs"] = self.crs
        if self.rpcs is not None:
            keywords["rpcs"] = self.rpcs
        return keywords


@contextmanager
def quietly_georeferenced() -> Iterator[None]:
    """Open and create rasters without a transform, which is usual here, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _moved_transform(transform: Affine, window: Window) -> Affine:
    a, b, c, d, e, f = transform[:6]
    col, row = window.col, window.row
    return Affine(a, b, a * col + b * row + c, d, e, d * col + e * row + f)


def _moved(point: GroundControlPoint, window: Window) -> GroundControlPoint:
    return GroundControlPoint(
        row=point.row - window.row,
        col=point.col - window.col,
        x=point.x,
        y=point.y,
        z=point.z,
        id=point.id,
        info=point.info,
    )


def _moved_rpcs(rpcs: RPC, window: Window) -> RPC:
    shifted = rpcs.to_dict()
    shifted["line_off"] -= window.row
    shifted["samp_off"] -= window.col
    return RPC(**shifted)


def _same_transform(one: Georeference, other: Georeference) -> bool:
    if one.transform is None or other.transform is None:
        return one.transform is other.transform
    if one.transform.is_degenerate:
        return bool(one.transform == other.transform)
    width, height = one.width, one.height
    corners = np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    mine, theirs = _matrix(one.transform), _matrix(other.transform)
    back = np.linalg.solve(mine, theirs @ corners)
    return bool(np.allclose(back, corners, rtol=0.0, atol=_PIXEL_TOLERANCE))


def _matrix(transform: Affine) -> NDArray[np.float64]:
    return np.array(tuple(transform), np.float64).reshape(3, 3)


def _same_points(one: Georeference, other: Georeference) -> bool:
    if len(one.gcps) != len(other.gcps):
        return False
    if not one.gcps:
        return True
    mine, theirs = _coordinates(one.gcps), _coordinates(other.gcps)
    pixel = np.ptp(mine[:, 2:], axis=0).max() / max(one.height, one.width)
    return bool(
        np.allclose(mine[:, :2], theirs[:, :2], rtol=0.0, atol=_PIXEL_TOLERANCE)
        and np.allclose(mine[:, 2:], theirs[:, 2:], rtol=0.0, atol=pixel)
    )


def _coordinates(points: Sequence[GroundControlPoint]) -> NDArray[np.float64]:
    return np.array([(point.row, point.col, point.x, point.y) for point in points])


def _crs_name(crs: CRS | None) -> str:
    return "no CRS" if crs is None else str(crs.to_string())


def _numbers(transform: Affine | None) -> str:
    return "none" if transform is None else str(tuple(transform)[:6])
