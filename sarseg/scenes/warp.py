"""Bands warped to a map grid: north up, square pixels, in any CRS.

Backscatter is averaged as linear intensity, whatever the file holds; what a layover and shadow mask
says is taken over from the nearest pixel.
"""

import math
from collections.abc import Sequence

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import CRSError, ProjError
from rasterio.crs import CRS
from rasterio.errors import CRSError as RasterioCRSError
from rasterio.transform import Affine

from sarseg.errors import InputError, UsageError
from sarseg.scenes.band import Band, DerivedBand
from sarseg.scenes.georeference import Georeference
from sarseg.scenes.ground import map_crs, misplacement, pixel_grid, to_map, to_pixels, unrolled
from sarseg.scenes.radiometry import to_intensity, to_quantity
from sarseg.scenes.resampling import Lattice, average, nearest
from sarseg.scenes.window import Window

TERRAIN_NOTE = (
    "Terrain is not corrected: pixels lie where the scene's georeferencing puts them, so that "
    "mountains of a scene in radar geometry lean towards the sensor."
)
"""What a user of a warped scene ought to know."""

_DENSEST = 100
"""Pixels that one pixel of the source may be split into."""

_COARSEST = 1024
"""Pixels of the source that may lie along one side of a warped pixel."""

_SPACING = 1.25
"""Largest distance, in source pixels, of the positions that a warped pixel is averaged from."""

_STEP = 8
"""Target pixels between positions that are projected exactly. Interpolation in between errs by 8
pixels of 10 m / the Earth's radius = 1e-5 of a pixel."""

_PIXELS_AT_ONCE = 2**22
"""Source pixels that are read for one piece of a window."""

_MOST_PIXELS = 2**31 - 1
"""GDAL's limit to the side of a raster."""

_ALIGNED = 1e-6
"""Part of a pixel by which a scene may overlap the grid without getting a further row."""


def warped(
    bands: Sequence[Band],
    georeference: Georeference,
    to_crs: str | None,
    resolution: float | None,
    name: str,
) -> tuple[list[Band], Georeference]:
    """``bands`` on a north-up grid in ``to_crs`` with pixels of ``resolution``.

    ``to_crs`` is whatever pyproj takes for a CRS, by default that of the scene's map;
    ``resolution`` is in its units, by default about the size of the scene's pixels. The grid covers
    the scene, and its lines are at multiples of the resolution. ``name`` of the scene is for
    sentences.

    Raises InputError where the scene is not georeferenced, or not soundly; UsageError where
    ``to_crs`` is unknown or does not show the scene, or the resolution makes no sense for it.
    """
    source_crs = map_crs(georeference)
    if source_crs is None:
        raise InputError(
            f"{name} cannot be warped to a map: {_what_is_missing(georeference)}. Add "
            "that (gdal_translate -a_srs, -a_ullr, -gcp), or leave --to-crs and --resolution out."
        )
    if reason := misplacement(georeference):
        raise InputError(
            f"{name} cannot be warped to a map: {reason}. Check its georeferencing, or leave "
            "--to-crs and --resolution out."
        )
    target_crs = source_crs if to_crs is None else _parsed_crs(to_crs)
    projection = _Projection(georeference, source_crs, target_crs, name)
    grid = _map_grid(projection, resolution)
    warp = _Warp(projection, grid)
    return [WarpedBand(band, warp) for band in bands], grid


class _Projection:
    """Between the pixels of ``georeference`` and the coordinates of another CRS.

    Longitudes run on across the date line: those of a scene there reach beyond 180 degrees.
    """

    def __init__(
        self, georeference: Georeference, source: pyproj.CRS, target: pyproj.CRS, name: str
    ) -> None:
        self.georeference = georeference
        self.source = source
        self.target = target
        self.name = name
        self.unit = target.axis_info[0].unit_name
        try:
            self._transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
        except ProjError as error:
            raise UsageError(
                f"No way leads from the CRS of {name} ({source.to_string()}) to {target.name}: "
                "choose another --to-crs."
            ) from error
        middle = np.array([[georeference.width / 2, georeference.height / 2]])
        self._source_middle = to_map(middle, georeference)[0, 0]
        self._target_middle = self._forwards(to_map(middle, georeference))[0, 0]

    def place(self, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        """Target coordinates (n, 2) of pixel coordinates (n, 2); infinite where there are none."""
        placed = self._forwards(to_map(corners, self.georeference))
        return unrolled(placed, self.target, self._target_middle)

    def find(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixel coordinates (n, 2) of target coordinates (n, 2); NaN where there are none."""
        found = np.full(coordinates.shape, np.nan)
        x, y = coordinates.T
        on_map = np.column_stack(self._transformer.transform(x, y, direction="INVERSE"))
        known = np.isfinite(on_map).all(axis=1)
        on_map = unrolled(on_map[known], self.source, self._source_middle)
        found[known] = to_pixels(on_map, self.georeference)
        return found

    def _forwards(self, on_map: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = on_map.T
        return np.column_stack(self._transformer.transform(x, y))


class _Warp:
    """The pixels of a grid, found in a source raster."""

    def __init__(self, projection: _Projection, grid: Georeference) -> None:
        self.grid = grid
        self.samples = _samples(projection, grid)
        self._projection = projection
        self._step = max(_STEP // max(self.samples), 1)

    def lattice(self, window: Window) -> Lattice:
        """Where the pixels of ``window`` lie in the source."""
        step = self._step
        top, left = window.row // step * step, window.col // step * step
        rows = np.arange(top, window.row_end + step, step)
        cols = np.arange(left, window.col_end + step, step)
        corners = np.stack(np.meshgrid(cols, rows), axis=-1).astype(np.float64)
        found = self._projection.find(to_map(corners.reshape(-1, 2), self.grid))
        return Lattice(found.reshape(corners.shape), top, left, step)


class WarpedBand(DerivedBand):
    """A band on another grid.

    Bilinear where the grid is about as fine as the source or finer; where it is coarser, the mean
    over the pixel's footprint. A pixel is valid where at least half of its weight is.
    """

    def __init__(self, band: Band, warp: _Warp) -> None:
        super().__init__(band)
        self._warp = warp

    @property
    def height(self) -> int:
        return self._warp.grid.height

    @property
    def width(self) -> int:
        return self._warp.grid.width

    @property
    def block_rows(self) -> int:
        return 1

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        values = np.zeros((window.height, window.width), np.float32)
        valid = np.zeros((window.height, window.width), np.bool_)
        pieces = [window]
        while pieces:
            piece = pieces.pop()
            lattice = self._warp.lattice(piece)
            source = lattice.source_window(self._band.height, self._band.width)
            if source.empty:
                continue
            if source.height * source.width > _PIXELS_AT_ONCE and piece.height * piece.width > 1:
                pieces.extend(_halves(piece))
                continue
            part = piece.slices_in(window)
            values[part], valid[part] = self._resampled(source, lattice, piece)
        values[~valid] = 0
        return values, valid

    def _resampled(
        self, source: Window, lattice: Lattice, window: Window
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        values, valid = self._band.read(source)
        if self.meaning.role == "mask":
            return nearest(values, valid, source, lattice, window)
        unit = self.meaning.unit if self.meaning.role == "backscatter" else None
        if unit is not None:
            values = to_intensity(values, unit)
        values, valid = average(values, valid, source, lattice, window, self._warp.samples)
        if unit is not None and unit != "intensity":
            values = to_quantity(values, unit)
        return values, valid


def _halves(window: Window) -> list[Window]:
    row, col, height, width = window.row, window.col, window.height, window.width
    if height > width:
        upper = height // 2
        return [Window(row, col, upper, width), Window(row + upper, col, height - upper, width)]
    left = width // 2
    return [Window(row, col, height, left), Window(row, col + left, height, width - left)]


def _map_grid(projection: _Projection, resolution: float | None) -> Georeference:
    """The north-up grid that covers the scene; raises UsageError where ``resolution`` is absurd."""
    source, target, name = projection.georeference, projection.target, projection.name
    corners = pixel_grid(source)
    placed = projection.place(corners.reshape(-1, 2)).reshape(corners.shape)
    if not np.isfinite(placed).all():
        raise UsageError(
            f"{name} reaches beyond what {target.name} can show: choose another --to-crs."
        )
    outline = np.concatenate([placed[0], placed[:, -1], placed[-1, ::-1], placed[::-1, 0]])
    pixel = math.sqrt(shapely.Polygon(outline).area / (source.height * source.width))
    size = float(f"{pixel:.3g}") if resolution is None else resolution
    low, high = placed.min(axis=(0, 1)), placed.max(axis=(0, 1))
    if size / pixel > _COARSEST or (high - low < size).any():
        raise UsageError(
            f"A --resolution of {size:g} {projection.unit} leaves nothing of {name}: its pixels "
            f"are {pixel:.3g} {projection.unit} wide in {target.name}, and all of it is "
            f"{high[0] - low[0]:.3g} x {high[1] - low[1]:.3g}. Choose a smaller one."
        )
    left, bottom = (math.floor(edge) for edge in low / size + _ALIGNED)
    right, top = (math.ceil(edge) for edge in high / size - _ALIGNED)
    if (pixel / size) ** 2 > _DENSEST or max(right - left, top - bottom) > _MOST_PIXELS:
        raise UsageError(
            f"A --resolution of {size:g} {projection.unit} would make {top - bottom} x "
            f"{right - left} pixels of the {source.height} x {source.width} of {name}, which are "
            f"{pixel:.3g} {projection.unit} wide in {target.name}. Choose a larger one."
        )
    return Georeference(
        height=top - bottom,
        width=right - left,
        crs=CRS.from_wkt(target.to_wkt()),
        transform=Affine(size, 0, left * size, 0, -size, top * size),
    )


def _samples(projection: _Projection, grid: Georeference) -> tuple[int, int]:
    """Positions, down and across, that each pixel of ``grid`` is averaged from."""
    corners = pixel_grid(projection.georeference).reshape(-1, 2)
    on_grid = to_pixels(projection.place(corners), grid)

    def strides(step: list[int]) -> float:
        """The largest distance in the source that a ``step`` on the grid leads."""
        moved = projection.find(to_map(on_grid + step, grid))
        return float(np.nanmax(np.linalg.norm(moved - corners, axis=1)))

    return math.ceil(strides([0, 1]) / _SPACING), math.ceil(strides([1, 0]) / _SPACING)


def _parsed_crs(text: str) -> pyproj.CRS:
    """The CRS that a user names; raises UsageError where it is none that makes a map."""
    try:
        crs = pyproj.CRS.from_user_input(text)
        CRS.from_wkt(crs.to_wkt())  # GDAL has to know it too
    except (CRSError, RasterioCRSError) as error:
        raise UsageError(
            f"The CRS '{text}' is unknown: give --to-crs a code as in EPSG:32631, WKT or PROJ's."
        ) from error
    if not (crs.is_projected or crs.is_geographic):
        raise UsageError(
            f"The CRS '{text}' ({crs.name}) has no map: give --to-crs a projected or a geographic "
            "one, as in EPSG:32631."
        )
    return crs


def _what_is_missing(georeference: Georeference) -> str:
    if georeference.transform is not None or georeference.gcps:
        return "its georeferencing names no CRS"
    if georeference.rpcs is not None:
        return "it is placed by rational polynomials (RPC) only"
    return "it has no georeferencing"
