"""The equivalent number of looks of a scene."""

from collections.abc import Iterable
from math import exp, sqrt
from statistics import NormalDist, median
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.optimize import brentq

from sarseg.errors import InputError
from sarseg.scenes.auxiliary import is_auxiliary
from sarseg.scenes.radiometry import to_intensity
from sarseg.scenes.reader import Scene

_BOX = 13
"""Side (pixels) of the boxes: small beside a field, large beside the grain of speckle."""
_STEP = 6
"""Pixels from box to box: overlapping, so that more of them lie within one field."""
_UPPER = 0.05
"""Share of the boxes that are looked at: those of the most looks."""
_FEWEST = 20
"""Boxes needed to tell where their distribution ends."""

_FEWEST_LOOKS = 0.5
"""Of an estimate that is believed; radar images have one and more."""


def estimate_looks(
    windows: Iterable[tuple[NDArray[np.float32], NDArray[np.bool_]]],
) -> float | None:
    """Equivalent number of looks of one band, from ``windows`` spread over it.

    A window is linear intensity (h, w) and its validity (h, w). Every box of 13 x 13 valid pixels
    has a number of looks of its own, mean^2 / variance: that of the speckle, spread by the box's
    finite size, where the box is homogeneous, a smaller one elsewhere. So the largest come from
    homogeneous boxes. The estimate is the middle of a normal distribution, whose width follows
    from the size of the box, fitted to the upper twentieth of their logarithms. Where these
    spread more widely than one number of looks can, as in filtered images, it is about their
    geometric mean.

    It is the number of looks of the boxes' moments: correlation of the speckle from pixel to pixel
    lessens the variance within a box and so raises it, by some 6 % for a correlation of 0.24
    between neighbours, by 20 % for 0.46.

    None where no box is usable: each holds an invalid pixel or is constant.

    The distribution of local estimates is used by S. Foucher, J.-M. Boucher, G. B. Benie 2000,
    "Maximum likelihood estimation of the number of looks in SAR images", MIKON-2000, and S. N.
    Anfinsen, A. P. Doulgeris, T. Eltoft 2009, "Estimation of the equivalent number of looks in
    polarimetric synthetic aperture radar imagery", IEEE TGRS 47(11):3795-3809. The latter take its
    mode; but where little of a scene is homogeneous, the mode is that of texture, hence the upper
    end here.
    """
    found = [_log_looks(*window) for window in windows]
    logs = np.sort(np.concatenate(found)) if found else np.empty(0)
    if not len(logs):
        return None
    return exp(_middle(logs) if len(logs) > _FEWEST else logs.mean())


def _log_looks(intensity: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Logarithm of mean^2 / variance of every box that is valid and not constant."""
    height, width = intensity.shape
    found = [np.empty(0)]
    if width < _BOX:
        return found[0]
    for top in range(0, height - _BOX + 1, _STEP):
        rows = slice(top, top + _BOX)
        boxes = _boxes(intensity[rows])[_boxes(valid[rows]).all(axis=1)].astype(np.float64)
        mean, variance = boxes.mean(axis=1), boxes.var(axis=1, ddof=1)
        varied = variance > 0.0
        found.append(2.0 * np.log(mean[varied]) - np.log(variance[varied]))
    return np.concatenate(found)


def _boxes(strip: NDArray[Any]) -> NDArray[Any]:
    """Boxes (n, pixels) of a strip of rows as high as they are."""
    boxes = sliding_window_view(strip, _BOX, axis=1)[:, ::_STEP]
    return boxes.swapaxes(0, 1).reshape(-1, _BOX**2)


def _middle(logs: NDArray[np.float64]) -> float:
    """Mean of the normal distribution that the largest of ``logs`` (sorted) are the end of."""
    count = max(int(_UPPER * len(logs)), _FEWEST)
    start = float(logs[-count - 1])
    # Of log(mean^2 / variance), for gamma-distributed intensity, to the first order in 1 / n.
    width = sqrt(2.0 * (1.0 + exp(-start)) / _BOX**2)
    excess = (float(logs[-count:].mean()) - start) / width
    normal = NormalDist()

    def surplus(cut: float) -> float:
        """Mean excess of a standard normal distribution over ``cut``, less the one found."""
        return normal.pdf(cut) / normal.cdf(-cut) - cut - excess

    # At the most, all boxes are homogeneous.
    highest = normal.inv_cdf(1.0 - count / len(logs))
    if surplus(highest) >= 0.0:
        return start - highest * width
    return start - float(brentq(surplus, -excess, highest)) * width


def scene_looks(scene: Scene) -> float:
    """Equivalent number of looks of a scene, the median of its bands.

    Raises InputError where it cannot be estimated.
    """
    bands = [index for index, name in enumerate(scene.bands) if not is_auxiliary(name)]
    samples = [(to_intensity(values, scene.unit), valid) for values, valid in scene.samples(bands)]
    if not any(valid.any() for _, valid in samples):
        raise InputError(
            f"{scene.name} has no valid pixel where it was sampled, so the number of looks cannot "
            "be estimated: give it by --looks."
        )
    estimates = [
        estimate_looks((values[place], valid) for values, valid in samples)
        for place in range(len(bands))
    ]
    known = [looks for looks in estimates if looks is not None]
    if not known:
        raise InputError(
            f"{scene.name} has no homogeneous area to estimate the number of looks from: give it "
            "by --looks."
        )
    looks = median(known)
    if looks < _FEWEST_LOOKS:
        raise InputError(
            f"{scene.name} varies more than the speckle of one look does (an estimate of "
            f"{looks:.2g} looks): its numbers may be no {scene.unit}, see --input-unit, or it "
            "holds nothing homogeneous, then give --looks."
        )
    return looks
