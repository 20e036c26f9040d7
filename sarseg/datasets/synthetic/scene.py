"""The assembled simulator: landscape, backscatter, geometry, speckle, border, georeferencing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from sarseg.datasets.synthetic.backscatter import (
    INCIDENCE_SLOPE_DB,
    NOISE_EQUIVALENT_DB,
    POLARISATIONS,
    SCENE_SPREAD_DB,
    body_levels_db,
    to_linear,
)
from sarseg.datasets.synthetic.landscape import Landscape, draw_landscape
from sarseg.datasets.synthetic.speckle import PointScatterers, PointSpread, form_image
from sarseg.datasets.synthetic.texture import apply_canopy_relief, texture
from sarseg.datasets.synthetic.town import PART_DB, double_bounces, draw_buildings, draw_parts

Floats = NDArray[np.float32]

OUTSIDE = 0
"""Label outside the swath."""

SPACING_M = 3.0
_CRS = CRS.from_epsg(32631)
_BORDER = 0.03
_CROSS_BOUNCE_DB = -9.0
"""Corner reflections keep their polarisation, save what turned or rough walls leak."""


@dataclass(frozen=True)
class SimulatedScene:
    """A simulated C-band scene and its truth, ``H`` rows by ``W`` columns, north up.

    ``bands``: polarisation to sigma0, linear intensity, float32 ``(H, W)``, NaN outside the swath.
    ``labels``: uint8 ``(H, W)``, class ids 1..6, 0 outside. ``incidence_deg``: of the whole scene.
    """

    bands: dict[str, Floats]
    labels: NDArray[np.uint8]
    transform: Affine
    crs: CRS
    spacing_m: float
    looks: float
    incidence_deg: float


def simulate(
    seed: int,
    height: int,
    width: int,
    *,
    polarisations: Sequence[str] = ("VV", "VH"),
    looks: float = 4,
    border: bool = True,
) -> SimulatedScene:
    """A scene of ``height`` x ``width`` pixels of 3 m; the same seed gives the same scene.

    ``polarisations`` from VV, HH, VH, HV; ``looks`` (>= 1) is the equivalent number of looks of a
    homogeneous area; ``border`` leaves a slanted nodata border round the swath.
    """
    unknown = set(polarisations) - set(POLARISATIONS)
    if unknown:
        raise ValueError(f"unknown polarisation {min(unknown)!r}: choose from {POLARISATIONS}")
    # One stream a purpose: asking for another polarisation or border moves nothing else.
    streams = np.random.Generator(np.random.PCG64(seed)).spawn(3 + len(POLARISATIONS))
    layout_rng, acquisition_rng, texture_rng, *speckle_rngs = streams
    landscape = draw_landscape((height, width), layout_rng)
    labels = landscape.labels
    incidence = float(acquisition_rng.uniform(34.0, 42.0))
    reflectivity = _reflectivity(landscape, polarisations, incidence, acquisition_rng, texture_rng)
    outside = _outside((height, width)) if border else np.zeros((height, width), dtype=bool)
    bands = {}
    for polarisation in polarisations:
        sigma0, scatterers = reflectivity[polarisation]
        rng = speckle_rngs[POLARISATIONS.index(polarisation)]
        bands[polarisation] = form_image(
            sigma0, looks, rng, scatterers=scatterers, spread=PointSpread()
        )
        bands[polarisation][outside] = np.nan
    labels[outside] = OUTSIDE
    easting, northing = 400_000.0 + 9_000.0 * (seed % 20), 5_600_000.0 + 9_000.0 * (seed % 37)
    transform = Affine(SPACING_M, 0.0, easting, 0.0, -SPACING_M, northing)
    return SimulatedScene(bands, labels, transform, _CRS, SPACING_M, looks, incidence)


def _reflectivity(
    landscape: Landscape,
    polarisations: Sequence[str],
    incidence_deg: float,
    rng: np.random.Generator,
    texture_rng: np.random.Generator,
) -> dict[str, tuple[Floats, PointScatterers]]:
    """sigma0 ``(H, W)`` without speckle and the corner reflectors, by polarisation."""
    labels = landscape.labels
    scene_db = INCIDENCE_SLOPE_DB * (incidence_deg - 38.0) + rng.normal(0.0, SCENE_SPREAD_DB)
    levels = body_levels_db(landscape.body_class, rng)
    factor = texture(landscape, texture_rng)
    scatterers = []
    for town in landscape.towns:
        buildings = draw_buildings(town, texture_rng)
        parts = draw_parts(town, buildings, incidence_deg, SPACING_M)
        gain_db = np.zeros(max(PART_DB) + 1, dtype=np.float32)
        gain_db[list(PART_DB)] = list(PART_DB.values())
        factor *= to_linear(gain_db)[parts]
        scatterers.append(double_bounces(town, buildings, texture_rng))
    points = _joined(scatterers)
    noise = np.float32(10.0 ** (NOISE_EQUIVALENT_DB / 10.0))
    result = {}
    for polarisation in polarisations:
        level = to_linear((levels[polarisation] + scene_db).astype(np.float32))
        sigma0 = level[landscape.bodies] * factor
        apply_canopy_relief(sigma0, labels)
        sigma0 += noise
        leak = 1.0 if polarisation in ("VV", "HH") else 10.0 ** (_CROSS_BOUNCE_DB / 10.0)
        seen = PointScatterers(points.rows, points.columns, points.sigma0 * np.float32(leak))
        result[polarisation] = sigma0, seen
    return result


def _joined(parts: Sequence[PointScatterers]) -> PointScatterers:
    return PointScatterers(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.sigma0 for part in parts]),
    )


def _outside(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Where a swath slightly turned against the grid leaves the raster empty."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    y, x = rows / shape[0], columns / shape[1]
    left, right = _BORDER * (1.0 - y), 1.0 - _BORDER * y
    top, bottom = _BORDER * x, 1.0 - _BORDER * (1.0 - x)
    return np.asarray((x < left) | (x >= right) | (y < top) | (y >= bottom))
