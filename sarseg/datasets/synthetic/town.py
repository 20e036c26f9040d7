"""Built-up areas under a side-looking radar: layover, roof, double bounce, shadow, streets."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy import ndimage

from sarseg.datasets.synthetic.landscape import Town
from sarseg.datasets.synthetic.speckle import PointScatterers

Floats = NDArray[np.float64]

STREET, SHADOW, ROOF, LAYOVER = 1, 2, 3, 4
"""Values of the part raster; 0 is the open ground between the buildings."""

PART_DB = {STREET: -5.0, SHADOW: -11.0, ROOF: 3.0, LAYOVER: 7.0}
"""Level of each part over the town's open ground (dB)."""

_HOUSE_PITCH = (18.0, 20.0)
_BLOCK = (56.0, 84.0)
_STREET_WIDTH = 5.0
_CLEARANCE = 5


@dataclass(frozen=True)
class Buildings:
    """Rectangles of a town: ``centres`` (N, 2) as x, y; ``sizes`` (N, 2); ``heights`` (N,).

    All in pixels; heights in metres. ``angle`` (radians) is that of the whole street grid.
    """

    centres: Floats
    sizes: Floats
    heights: Floats
    angle: float

    def footprints(self, shift: Floats | float = 0.0) -> NDArray[np.object_]:
        """Polygons ``(N,)``, moved ``shift`` pixels in range (the direction of columns)."""
        corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        local = corners[None] * self.sizes[:, None]
        moved = local @ _rotation(self.angle).T + self.centres[:, None]
        moved[..., 0] += np.broadcast_to(shift, self.heights.shape)[:, None]
        return np.asarray(shapely.polygons(moved))


def _rotation(angle: float) -> Floats:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def draw_buildings(town: Town, rng: np.random.Generator) -> Buildings:
    """Houses in rows along the streets, all of them within the town."""
    rows, columns = np.nonzero(town.mask)
    if not len(rows):
        return Buildings(np.empty((0, 2)), np.empty((0, 2)), np.empty(0), town.angle)
    centre = np.array([columns.mean(), rows.mean()])
    reach = np.hypot(np.ptp(columns), np.ptp(rows)) / 2.0 + 1.0
    grid = np.meshgrid(*(np.arange(-reach, reach, pitch) for pitch in _HOUSE_PITCH))
    local = np.column_stack([axis.ravel() for axis in grid])
    local += rng.uniform(-2.0, 2.0, local.shape)
    kept = (rng.random(len(local)) < 0.85) & ~_on_street(local[:, 0], local[:, 1], 6.0)
    centres = local[kept] @ _rotation(town.angle).T + centre
    x, y = np.rint(centres).astype(int).T
    height, width = town.mask.shape
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    clear = ndimage.binary_erosion(town.mask, iterations=_CLEARANCE)
    inside[inside] = clear[y[inside], x[inside]]
    centres = centres[inside]
    sizes = rng.uniform((7.0, 6.0), (13.0, 10.0), (len(centres), 2))
    return Buildings(centres, sizes, rng.uniform(5.0, 14.0, len(centres)), town.angle)


def _on_street(u: Floats, v: Floats, clearance: float) -> NDArray[np.bool_]:
    half = _STREET_WIDTH / 2.0 + clearance
    return ((u + half) % _BLOCK[0] < 2.0 * half) | ((v + half) % _BLOCK[1] < 2.0 * half)


def draw_parts(
    town: Town, buildings: Buildings, incidence_deg: float, spacing_m: float
) -> NDArray[np.uint8]:
    """Raster ``(H, W)`` of what the radar sees of the town: see ``PART_DB``."""
    parts = _streets(town)
    if not len(buildings.centres):
        return parts
    tangent = np.tan(np.deg2rad(incidence_deg))
    height = buildings.heights / spacing_m
    near = buildings.footprints(-height / tangent)
    here = buildings.footprints()
    far = buildings.footprints(height * tangent)
    # A building's echo lies over whatever is before it, its shadow over the ground behind.
    shapes = [
        *((shape, SHADOW) for shape in _swept(here, far)),
        *((shape, ROOF) for shape in here),
        *((shape, LAYOVER) for shape in shapely.difference(_swept(near, here), here)),
    ]
    shapes = [(shape, value) for shape, value in shapes if not shape.is_empty]
    burnt = rasterize(shapes, out_shape=town.mask.shape, dtype=np.uint8)
    return np.asarray(np.where(burnt > 0, burnt, parts), dtype=np.uint8)


def _streets(town: Town) -> NDArray[np.uint8]:
    parts = np.zeros(town.mask.shape, dtype=np.uint8)
    rows, columns = np.nonzero(town.mask)
    if not len(rows):
        return parts
    offset = np.column_stack([columns - columns.mean(), rows - rows.mean()])
    u, v = (offset @ _rotation(town.angle)).T
    parts[rows, columns] = np.where(_on_street(u, v, 0.0), STREET, 0)
    return parts


def _swept(first: NDArray[np.object_], last: NDArray[np.object_]) -> NDArray[np.object_]:
    """What a footprint covers on its way from one place to another."""
    pairs = shapely.multipolygons(np.column_stack([first, last]))
    return np.asarray(shapely.convex_hull(pairs))


def double_bounces(
    town: Town, buildings: Buildings, rng: np.random.Generator, per_house: int = 3
) -> PointScatterers:
    """Corner reflections at the foot of the walls that face the sensor.

    Brightest where streets run along the track (the cardinal effect).
    """
    count = len(buildings.centres)
    # Of the grid's two directions, the wall nearer to facing range (the direction of columns).
    turned = town.angle > np.pi / 4.0
    tilt = town.angle - (np.pi / 2.0 if turned else 0.0)
    depth, length = buildings.sizes.T[::-1] if turned else buildings.sizes.T
    along = rng.uniform(-0.5, 0.5, (count, per_house)) * length[:, None]
    wall = np.stack([np.broadcast_to(-depth[:, None] / 2.0, along.shape), along], axis=-1)
    x, y = np.moveaxis(wall @ _rotation(tilt).T + buildings.centres[:, None], -1, 0)
    level = rng.normal(7.0, 4.0, along.shape) + 7.0 * np.exp(-((tilt / np.deg2rad(15.0)) ** 2))
    rows, columns = (np.rint(axis).astype(np.intp).ravel() for axis in (y, x))
    height, width = town.mask.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    sigma0 = (10.0 ** (level.ravel() / 10.0)).astype(np.float32)
    return PointScatterers(rows[inside], columns[inside], sigma0[inside])
