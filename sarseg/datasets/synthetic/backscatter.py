"""Mean C-band backscatter of every class by polarisation, and how far one body strays from it.

The levels stand for about 38 degrees of incidence. Where such levels are published:

- soils, short vegetation (crops), trees, road surfaces: the C-band tables (VV, HH, HV by angle)
  in the appendices of F. T. Ulaby, M. C. Dobson (1989), *Handbook of Radar Scattering Statistics
  for Terrain*, Artech House; woodland and crops also in C. Oliver, S. Quegan (2004),
  *Understanding Synthetic Aperture Radar Images*, SciTech;
- water by wind speed and angle: A. A. Mouche, B. Chapron (2015), "Global C-Band Envisat,
  RADARSAT-2 and Sentinel-1 SAR measurements in copolarization and cross-polarization",
  J. Geophys. Res. Oceans 120;
- built-up areas: A. Koppel et al. (2017), "Sensitivity of Sentinel-1 backscatter to
  characteristics of buildings", Int. J. Remote Sensing 38.

They are typical levels rounded to half a decibel, not entries of one table: the ranges reported
for one class are wider than the distance between classes, which is why the level of a single
field or lake strays by ``SPREAD_DB``. Those spreads, and the exact levels within the reported
ranges, were set so that the local mean alone does not tell the classes apart.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sarseg.datasets.synthetic.legend import (
    BARE_SOIL,
    BUILT_UP,
    CROPLAND,
    ROAD,
    WATER,
    WOODLAND,
)

Floats = NDArray[np.float32]

POLARISATIONS: Final = ("VV", "HH", "VH", "HV")

_CROSS_DB: Final = {
    WATER: -26.5,
    WOODLAND: -15.5,
    CROPLAND: -19.0,
    BARE_SOIL: -21.5,
    BUILT_UP: -14.0,
    ROAD: -22.5,
}

SIGMA0_DB: Final[dict[str, dict[int, float]]] = {
    "VV": {
        WATER: -19.5,
        WOODLAND: -9.5,
        CROPLAND: -12.0,
        BARE_SOIL: -13.5,
        BUILT_UP: -7.0,
        ROAD: -16.5,
    },
    "HH": {
        WATER: -22.5,
        WOODLAND: -9.0,
        CROPLAND: -12.5,
        BARE_SOIL: -14.5,
        BUILT_UP: -6.0,
        ROAD: -18.0,
    },
    # S_HV = S_VH for a reciprocal medium.
    "VH": _CROSS_DB,
    "HV": _CROSS_DB,
}
"""sigma0 in dB by polarisation and class id. Built-up is the fabric between the buildings
(yards, gardens, walls): streets and shadows are darker, roofs, layover and walls brighter."""

SPREAD_DB: Final[dict[int, float]] = {
    WATER: 2.5,  # wind roughening: from a sheltered pond to an open lake
    WOODLAND: 0.8,
    CROPLAND: 1.6,  # crop and growth stage
    BARE_SOIL: 1.8,  # roughness and moisture
    BUILT_UP: 0.6,
    ROAD: 1.2,
}
"""Standard deviation (dB) of the level of one field, lake or stand about the class mean."""

RATIO_SPREAD_DB: Final = 0.8
"""Standard deviation (dB) that a body's cross-polarised level has on top of its common one."""

SCENE_SPREAD_DB: Final = 0.6
"""Standard deviation (dB) that rain and season give to a whole scene."""

INCIDENCE_SLOPE_DB: Final = -0.2
"""Change of sigma0 (dB) for one degree more of incidence than 38."""

NOISE_EQUIVALENT_DB: Final = -27.0
"""Noise-equivalent sigma0 (dB): the thermal noise that every resolution cell adds."""


def body_levels_db(
    body_class: NDArray[np.uint8], rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Level of every body (field, lake, stand …) in dB, one array ``(bodies,)`` a polarisation.

    ``body_class`` holds class ids 1..6. Co-polarised channels share their deviation from the
    table, cross-polarised ones have ``RATIO_SPREAD_DB`` in addition.
    """
    spread = np.array([SPREAD_DB[int(class_id)] for class_id in body_class])
    # Three deviations and more do not occur in nature for these classes.
    common = spread * np.clip(rng.standard_normal(len(spread)), -2.0, 2.0)
    cross = RATIO_SPREAD_DB * np.clip(rng.standard_normal(len(spread)), -2.0, 2.0)
    return {
        polarisation: np.array([SIGMA0_DB[polarisation][int(class_id)] for class_id in body_class])
        + common
        + (cross if polarisation in ("VH", "HV") else 0.0)
        for polarisation in POLARISATIONS
    }


def to_linear(decibel: Floats) -> Floats:
    """Linear power of a level in dB."""
    # exp is several times faster than 10 ** x.
    power: Floats = np.exp(decibel * np.float32(np.log(10.0) / 10.0))
    return power
