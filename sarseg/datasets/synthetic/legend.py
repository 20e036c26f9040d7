"""The legend of simulated scenes: class ids 1..6; 0 in a label raster is outside the swath."""

from typing import Final

from sarseg.classes import LandCoverClass

WATER: Final = 1
WOODLAND: Final = 2
CROPLAND: Final = 3
BARE_SOIL: Final = 4
BUILT_UP: Final = 5
ROAD: Final = 6

CLASSES: Final[tuple[LandCoverClass, ...]] = (
    LandCoverClass(id=WATER, name="water", colour=(0, 114, 178)),
    LandCoverClass(id=WOODLAND, name="woodland", colour=(0, 110, 60)),
    LandCoverClass(id=CROPLAND, name="cropland", colour=(240, 228, 66)),
    LandCoverClass(id=BARE_SOIL, name="bare soil", colour=(190, 130, 80)),
    LandCoverClass(id=BUILT_UP, name="built-up", colour=(213, 60, 60)),
    LandCoverClass(id=ROAD, name="road", colour=(70, 70, 70)),
)
