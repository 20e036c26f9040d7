"""The layout of a landscape: which class lies where, before any radar looks at it.

Estates (Voronoi cells) are ploughed into parcels, each estate in its own direction; roads follow
the estates' borders; towns grow at road junctions; woods, lakes and a meandering river lie across.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy import ndimage
from scipy.spatial import Voronoi

from sarseg.datasets.synthetic.legend import (
    BARE_SOIL,
    BUILT_UP,
    CLASSES,
    CROPLAND,
    ROAD,
    WATER,
    WOODLAND,
)
from sarseg.datasets.synthetic.noise import smooth_field

Mask = NDArray[np.bool_]

ESTATE_SPACING = 340.0
MIN_SHARE = 0.03
"""Share of the scene that every class has at least, in scenes of 1024 x 1024 and more."""

_MAX_DRAWS = 20
_MIN_WOOD_AREA = 2500


@dataclass(frozen=True)
class Town:
    """A built-up area: extent ``mask`` (H, W) and the angle (radians) of its street grid."""

    mask: Mask
    angle: float


@dataclass(frozen=True)
class Landscape:
    """Classes and bodies of a scene, all rasters ``(H, W)``.

    ``bodies`` numbers the fields, lakes, stands and road sections; ``body_class`` gives their
    class ids; ``across`` is the distance (pixels) across the plough rows.
    """

    bodies: NDArray[np.int32]
    body_class: NDArray[np.uint8]
    across: NDArray[np.float32]
    towns: tuple[Town, ...]

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Class ids 1..6, ``(H, W)`` uint8."""
        return self.body_class[self.bodies]


def draw_landscape(shape: tuple[int, int], rng: np.random.Generator) -> Landscape:
    """A random landscape of ``shape`` (rows, columns) pixels in which every class has its share."""
    for _ in range(_MAX_DRAWS):
        landscape = _Painter(shape, rng).paint()
        share = np.bincount(landscape.labels.ravel(), minlength=len(CLASSES) + 1)[1:]
        # A margin over MIN_SHARE, for what the border takes.
        if min(shape) < 1024 or share.min() >= 1.2 * MIN_SHARE * shape[0] * shape[1]:
            break
    return landscape


class _Painter:
    """Paints one body over another, later ones on top."""

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self.shape = shape
        self.area = shape[0] * shape[1]
        self.rng = rng
        self.bodies = np.zeros(shape, dtype=np.int32)
        self.across = np.zeros(shape, dtype=np.float32)
        self.body_class: list[int] = []
        self.towns: list[Town] = []
        self.voronoi = self._estates()

    def paint(self) -> Landscape:
        self._parcels()
        self._woods()
        self._lakes()
        self._build_towns()
        self._rivers()
        self._roads()
        body_class = np.array(self.body_class, dtype=np.uint8)
        # No house stands in a river or on a road that was laid through its town.
        built_up = body_class[self.bodies] == BUILT_UP
        towns = tuple(Town(town.mask & built_up, town.angle) for town in self.towns)
        return Landscape(self.bodies, body_class, self.across, towns)

    def _new_body(self, class_id: int) -> int:
        self.body_class.append(class_id)
        return len(self.body_class) - 1

    def _estates(self) -> Voronoi:
        """Voronoi cells of a jittered grid that reaches two cells beyond the scene."""
        axes = [
            np.arange(-2.0 * ESTATE_SPACING, size + 2.5 * ESTATE_SPACING, ESTATE_SPACING)
            for size in self.shape
        ]
        rows, columns = np.meshgrid(*axes, indexing="ij")
        seeds = np.column_stack([columns.ravel(), rows.ravel()])
        shift = self.rng.uniform(0.0, ESTATE_SPACING, 2) - ESTATE_SPACING / 2.0
        jitter = self.rng.uniform(-0.33, 0.33, seeds.shape) * ESTATE_SPACING
        return Voronoi(seeds + shift + jitter)

    def _cells(self) -> Iterator[shapely.Polygon]:
        for region in self.voronoi.point_region:
            corners = self.voronoi.regions[region]
            if corners and -1 not in corners:
                yield shapely.Polygon(self.voronoi.vertices[corners])

    def _parcels(self) -> None:
        fallow = smooth_field(self.shape, 90.0, self.rng)
        cells = list(self._cells())
        numbers = rasterize(
            [(cell, number) for number, cell in enumerate(cells, start=1)],
            out_shape=self.shape,
            dtype=np.int32,
        )
        for number, window in enumerate(ndimage.find_objects(numbers), start=1):
            if window is not None:
                self._plough(window, numbers[window] == number, fallow)

    def _plough(self, window: tuple[slice, slice], cell: Mask, fallow: NDArray[np.float32]) -> None:
        """Divides one estate into parcels: strips of unequal width, each cut into blocks."""
        rows, columns = (index.astype(np.float32) for index in np.ogrid[window])
        angle = self.rng.uniform(0.0, np.pi)
        u = columns * np.float32(np.cos(angle)) + rows * np.float32(np.sin(angle))
        v = rows * np.float32(np.cos(angle)) - columns * np.float32(np.sin(angle))
        strip = _cut(u, self.rng.uniform(75.0, 150.0, 40))
        bare_body = self._new_body(BARE_SOIL)
        for number in np.unique(strip[cell]):
            in_strip = cell & (strip == number)
            block = _cut(np.where(in_strip, v, v.min()), self.rng.uniform(110.0, 260.0, 40))
            for index in np.unique(block[in_strip]):
                parcel = in_strip & (block == index)
                # Neighbouring fallow parcels are one body: no border is left between them.
                bare = fallow[window][parcel].mean() > 0.45
                self.bodies[window][parcel] = bare_body if bare else self._new_body(CROPLAND)
                along_strip = self.rng.random() < 0.7
                self.across[window][parcel] = (u if along_strip else v)[parcel]

    def _woods(self) -> None:
        field = smooth_field(self.shape, 42.0, self.rng)
        wood = field > np.quantile(field[::8, ::8], self.rng.uniform(0.72, 0.82))
        stands, count = ndimage.label(wood)
        sizes = np.bincount(stands.ravel(), minlength=count + 1)
        for number, window in enumerate(ndimage.find_objects(stands), start=1):
            if sizes[number] >= _MIN_WOOD_AREA:
                mask = stands[window] == number
                self.bodies[window][mask] = self._new_body(WOODLAND)

    def _blob(self, centre: NDArray[np.float64], radius: float, rough: float) -> Mask:
        """A disc ``(H, W)`` with an irregular outline."""
        angle_steps = self.rng.standard_normal((2, 4)) * rough / np.arange(1, 5)
        rows, columns = np.ogrid[: self.shape[0], : self.shape[1]]
        mask = np.zeros(self.shape, dtype=bool)
        reach = int(radius * 2.0)
        window = (
            slice(max(0, int(centre[1]) - reach), max(0, int(centre[1]) + reach)),
            slice(max(0, int(centre[0]) - reach), max(0, int(centre[0]) + reach)),
        )
        dy = (rows[window[0]] - centre[1]).astype(np.float32)
        dx = (columns[:, window[1]] - centre[0]).astype(np.float32)
        angle = np.arctan2(dy, dx)
        outline = np.ones_like(angle)
        for order, (cosine, sine) in enumerate(angle_steps.T, start=1):
            outline += np.float32(cosine) * np.cos(order * angle)
            outline += np.float32(sine) * np.sin(order * angle)
        mask[window] = np.hypot(dx, dy) < radius * np.clip(outline, 0.55, 1.6)
        return mask

    def _inside(self, points: NDArray[np.float64], margin: float) -> NDArray[np.float64]:
        """The points (x, y) at least ``margin`` pixels inside the scene, in random order."""
        height, width = self.shape
        x, y = points.T
        kept = (x > margin) & (x < width - margin) & (y > margin) & (y < height - margin)
        chosen = points[kept] if kept.any() else np.array([[width / 2.0, height / 2.0]])
        return np.asarray(self.rng.permutation(chosen))

    def _lakes(self) -> None:
        count = max(1, round(self.area / 4.2e5))
        for centre in self._inside(self.voronoi.points, 60.0)[:count]:
            lake = self._blob(centre, self.rng.uniform(65.0, 105.0), 0.14)
            self.bodies[lake] = self._new_body(WATER)

    def _build_towns(self) -> None:
        count = max(1, round(self.area / 3.6e5))
        for centre in self._inside(self.voronoi.vertices, 80.0)[:count]:
            mask = self._blob(centre, self.rng.uniform(85.0, 135.0), 0.12)
            self.bodies[mask] = self._new_body(BUILT_UP)
            self.towns.append(Town(mask, self.rng.uniform(0.0, np.pi / 2.0)))

    def _rivers(self) -> None:
        for _ in range(max(1, round(self.area / 2.0e6))):
            course = shapely.LineString(self._meander()).buffer(self.rng.uniform(7.0, 13.0))
            self.bodies[self._burn([(course, 1)]) == 1] = self._new_body(WATER)

    def _meander(self) -> NDArray[np.float64]:
        """Centre line (x, y) of a river that crosses the scene."""
        northward = self.rng.random() < 0.5
        length, breadth = self.shape if northward else self.shape[::-1]
        along = np.arange(-40.0, length + 41.0, 4.0)
        source, mouth = self.rng.uniform(0.15, 0.85, 2) * breadth
        across = np.linspace(source, mouth, len(along))
        for wavelength, amplitude in ((420.0, 55.0), (190.0, 22.0), (110.0, 7.0)):
            wave = 2.0 * np.pi * along / (wavelength * self.rng.uniform(0.8, 1.25))
            across = across + amplitude * np.sin(wave + self.rng.uniform(0.0, 2.0 * np.pi))
        return np.column_stack([across, along] if northward else [along, across])

    def _roads(self) -> None:
        vertices = self.voronoi.vertices
        sections = [
            (
                shapely.LineString(vertices[list(ends)]).buffer(self.rng.uniform(3.0, 4.2)),
                self._new_body(ROAD),
            )
            for ends in self.voronoi.ridge_vertices
            if -1 not in ends
        ]
        burnt = self._burn([(shape, body + 1) for shape, body in sections])
        self.bodies[burnt > 0] = burnt[burnt > 0] - 1

    def _burn(self, shapes: list[tuple[shapely.Geometry, int]]) -> NDArray[np.int32]:
        burnt = rasterize(shapes, out_shape=self.shape, dtype=np.int32, all_touched=False)
        return np.asarray(burnt)


def _cut(coordinate: NDArray[np.float32], widths: NDArray[np.float64]) -> NDArray[np.intp]:
    """Number of the interval, of the given widths from the least coordinate on."""
    edges = coordinate.min() + np.cumsum(widths)
    return np.searchsorted(edges.astype(np.float32), coordinate)
