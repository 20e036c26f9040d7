"""What unit a band's numbers look like, where nobody says it."""

import numpy as np

from sarseg.scenes.band import Band
from sarseg.scenes.unit import Unit
from sarseg.scenes.window import Window, spread_windows, strips_of

_NEGATIVE_SHARE = 0.1
"""Part of negative values from which numbers are taken for decibels: power has none but the few
that noise subtraction leaves, decibels of land and water are nearly all negative."""

_LARGEST_POWER = 2.0
"""The median of calibrated backscatter, as power, lies far below."""

_LARGEST_DECIBELS = 100.0
"""The largest amplitude of 16 bits has 96 dB."""


def guess_unit(band: Band) -> Unit | None:
    """The unit that the numbers of ``band`` look like; None where it holds no data."""
    spread = [_signs(band, window) for window in spread_windows(band.height, band.width)]
    positive, negative = (sum(signs) for signs in zip(*spread, strict=True))
    if positive + negative == 0:  # data may be anywhere: the first that there are decide
        for window in strips_of(band.height, band.width, band.block_rows):
            positive, negative = _signs(band, window)
            if positive + negative:
                break
        else:
            return None
    return "db" if look_like_decibels(positive, negative) else band.linear_unit


def look_like_decibels(positive: int, negative: int) -> bool:
    """True for numbers of which so many are ``positive`` and ``negative``, not all of them zero."""
    return negative > _NEGATIVE_SHARE * (positive + negative)


def contradiction(band: Band, unit: Unit) -> str | None:
    """Why the numbers of ``band`` can hardly be in ``unit``, as the end of a sentence.

    Power and amplitude are not negative; decibels are neither all as small as power nor as large
    as digital numbers, or as decibels that are packed into whole numbers.
    """
    read = [band.read(window) for window in spread_windows(band.height, band.width)]
    values = np.concatenate([values[valid & (values != 0)] for values, valid in read])
    if not values.size:
        return None
    negative, median = float(np.mean(values < 0)), float(np.median(values))
    if unit != "db":
        return "negative as those of decibels" if negative > _NEGATIVE_SHARE else None
    if abs(median) > _LARGEST_DECIBELS:
        return f"of a size that no decibels have (median {median:.0f})"
    return "as small as power" if negative == 0 and median < _LARGEST_POWER else None


def _signs(band: Band, window: Window) -> tuple[int, int]:
    values, valid = band.read(window)
    return int((values[valid] > 0).sum()), int((values[valid] < 0).sum())
