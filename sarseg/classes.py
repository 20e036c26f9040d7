"""Land-cover classes: what a pixel value means, and the colour it is drawn in."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

NODATA = 255
"""Value of pixels without a class in every map and label raster that sarseg writes.

Not 0, which is a class in many legends.
"""

MAX_CLASS_ID = NODATA - 1

# Colours for classes that come without one: eight hues that remain distinct for colour-blind
# readers (Okabe & Ito 2008, "Color universal design"), then darker repeats.
_FALLBACK_COLOURS: tuple[tuple[int, int, int], ...] = (
    (0, 114, 178),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
    (86, 180, 233),
    (230, 159, 0),
    (120, 120, 120),
)


_Channel = Annotated[int, Field(ge=0, le=255)]


class LandCoverClass(BaseModel):
    """One entry of a legend.

    ``id`` is the pixel value (0..254; 255 is nodata), ``colour`` is RGB, 0..255 each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int = Field(ge=0, le=MAX_CLASS_ID)
    name: str = Field(min_length=1)
    colour: tuple[_Channel, _Channel, _Channel]


def unnamed_class(class_id: int) -> LandCoverClass:
    """The class for a pixel value of which only the number is known: ``class 7``."""
    colour = fallback_colour(class_id)
    return LandCoverClass(id=class_id, name=f"class {class_id}", colour=colour)


def fallback_colour(class_id: int) -> tuple[int, int, int]:
    """RGB, 0..255 each, for a class that comes without a colour; any whole number is an id."""
    cycle, index = divmod(class_id, len(_FALLBACK_COLOURS))
    red, green, blue = _FALLBACK_COLOURS[index]
    shade = 0.75 ** (cycle % 4)
    return round(red * shade), round(green * shade), round(blue * shade)


def hexadecimal(colour: Sequence[int]) -> str:
    """``#rrggbb`` of three numbers in 0..255."""
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}"


def class_ids(classes: Sequence[LandCoverClass]) -> NDArray[np.uint8]:
    """Class id (256,) of each index in ``classes``, nodata of all others."""
    ids = np.full(NODATA + 1, NODATA, np.uint8)
    ids[: len(classes)] = [entry.id for entry in classes]
    return ids


def complete_legend(
    class_ids: Sequence[int], known: Sequence[LandCoverClass] = ()
) -> tuple[LandCoverClass, ...]:
    """Legend for ``class_ids`` in ascending order; ids not in ``known`` become ``class N``."""
    by_id = {entry.id: entry for entry in known}
    return tuple(by_id.get(class_id, unnamed_class(class_id)) for class_id in sorted(class_ids))
