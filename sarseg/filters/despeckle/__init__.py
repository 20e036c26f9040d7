"""Speckle filters on linear intensity, one a file."""

from typing import Annotated, get_args

from pydantic import Field

from sarseg.filters.despeckle.base import SpeckleFilter
from sarseg.filters.despeckle.enhanced_frost import EnhancedFrost
from sarseg.filters.despeckle.enhanced_lee import EnhancedLee
from sarseg.filters.despeckle.frost import Frost
from sarseg.filters.despeckle.gamma_map import GammaMap
from sarseg.filters.despeckle.kuan import Kuan
from sarseg.filters.despeckle.lee import Lee
from sarseg.filters.despeckle.non_local_means import NonLocalMeans
from sarseg.filters.despeckle.refined_lee import RefinedLee

__all__ = [
    "DESPECKLE_FILTERS",
    "Despeckle",
    "EnhancedFrost",
    "EnhancedLee",
    "Frost",
    "GammaMap",
    "Kuan",
    "Lee",
    "NonLocalMeans",
    "RefinedLee",
    "SpeckleFilter",
]

Despeckle = Annotated[
    Lee | Kuan | EnhancedLee | GammaMap | Frost | EnhancedFrost | RefinedLee | NonLocalMeans,
    Field(discriminator="name"),
]
"""Any speckle filter of one scene, told apart by its name."""

DESPECKLE_FILTERS: dict[str, type[SpeckleFilter]] = {
    kind.model_fields["name"].default: kind for kind in get_args(get_args(Despeckle)[0])
}
"""The speckle filters of one scene by name."""
