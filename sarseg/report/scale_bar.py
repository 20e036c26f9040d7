"""How long a scale bar is, and what it says."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class ScaleBar:
    """A bar of ``pixels`` on a picture, and its length in words."""

    pixels: float
    label: str


def scale_bar(longest: float, pixel: float, *, in_metres: bool) -> ScaleBar:
    """The longest bar of at most ``longest`` pixels whose length is 1, 2 or 5 times a power of ten.

    ``pixel`` is how much of the map is in a pixel of the picture: metres, or pixels of the map.
    """
    most = longest * pixel
    power = 10.0 ** math.floor(math.log10(most))
    length = max((digit * power for digit in (1, 2, 5) if digit * power <= most), default=power)
    if not in_metres:
        label = f"{length:g} px"
    else:
        label = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    return ScaleBar(length / pixel, label)
