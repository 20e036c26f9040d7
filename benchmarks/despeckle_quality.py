"""What each speckle filter makes of a simulated scene whose speckle-free backscatter is known.

    python -m benchmarks.despeckle_quality [--looks 1 4] [--size 7]

The truth is the landscape of the simulator: areas of one sigma0 each, with ten bright points in
each hundred thousand pixels. Speckle is drawn from a gamma distribution of that many looks, and
the filters are told the number.

- ENL gain: equivalent number of looks, mean^2 / variance, of areas at least 8 pixels from any edge
  or point, relative to that of the speckle.
- bias: mean of the filtered intensity over that of the truth, less 1; in those areas, and of all.
- edges: intensity steps across the borders of areas, as the filter leaves them, relative to the
  truth's (the slope of one on the other): 1 keeps them, 0 has none left.
- PSNR: of the amplitude, against the truth's 99.9 % quantile.
"""

import argparse

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sarseg.datasets.synthetic import simulate
from sarseg.filters.despeckle import DESPECKLE_FILTERS

SIDE = 768
SEED = 77
CLEARANCE = 8
POINTS_PER_PIXEL = 1e-4
POINT_DB = 10.0
LEVELS_DB = {1: -20.0, 2: -9.0, 3: -12.0, 4: -15.5, 5: -4.0, 6: -18.0}

Floats = NDArray[np.float64]


def truth() -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Speckle-free intensity (H, W), the homogeneous pixels, and those beside an edge."""
    labels = simulate(SEED, SIDE, SIDE, border=False).labels
    intensity = np.zeros(labels.shape)
    for class_id, level in LEVELS_DB.items():
        intensity[labels == class_id] = 10 ** (level / 10)
    points = np.random.default_rng(SEED).random(labels.shape) < POINTS_PER_PIXEL
    intensity[points] = 10 ** (POINT_DB / 10)
    edges = ndimage.maximum_filter(labels, 3) != ndimage.minimum_filter(labels, 3)
    homogeneous = ndimage.distance_transform_cdt(~(edges | points), "chessboard") > CLEARANCE
    return intensity, homogeneous, edges


def enl(ratio: Floats) -> float:
    """Equivalent number of looks of intensities relative to their truth."""
    return float(ratio.mean() ** 2 / ratio.var())


def edge_slope(found: Floats, true: Floats, edges: NDArray[np.bool_]) -> float:
    """Steps between neighbours at the edges, as found, regressed on the true ones."""
    steps = []
    for axis in (0, 1):
        beside = np.diff(edges.astype(np.int8), axis=axis) == 0
        beside &= np.delete(edges, -1, axis)
        steps.append((np.diff(found, axis=axis)[beside], np.diff(true, axis=axis)[beside]))
    found_steps, true_steps = (np.concatenate(each) for each in zip(*steps, strict=True))
    return float((found_steps @ true_steps) / (true_steps @ true_steps))


def psnr(found: Floats, true: Floats) -> float:
    """Peak signal-to-noise ratio in dB."""
    peak = np.quantile(true, 0.999)
    return float(20 * np.log10(peak / np.sqrt(np.mean((found - true) ** 2))))


def row(name: str, found: NDArray[np.float32], speckled: NDArray[np.float32]) -> str:
    """One line of the table."""
    true, homogeneous, edges = truth()
    found = found.astype(np.float64)
    flat = (found / true)[homogeneous]
    gain = enl(flat) / enl((speckled / true)[homogeneous])
    bias, whole = flat.mean() - 1, found.mean() / true.mean() - 1
    slope = edge_slope(np.sqrt(found), np.sqrt(true), edges)
    quality = psnr(np.sqrt(found), np.sqrt(true))
    return (
        f"| {name} | {gain:.1f} | {100 * bias:+.2f} % | {100 * whole:+.2f} % | {slope:.2f} "
        f"| {quality:.1f} |"
    )


def main() -> None:
    """Print one table for each number of looks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--looks", type=float, nargs="+", default=[1.0, 4.0])
    parser.add_argument("--size", type=int, default=7)
    given = parser.parse_args()
    true = truth()[0]
    valid = np.ones(true.shape, bool)
    for looks in given.looks:
        speckle = np.random.default_rng(SEED).gamma(looks, 1 / looks, true.shape)
        speckled = (true * speckle).astype(np.float32)
        print(
            f"\n{looks:g} looks, {SIDE} x {SIDE} pixels, windows of {given.size} x {given.size}\n"
        )
        print("| filter | ENL gain | bias, homogeneous | bias, all | edges | PSNR (dB) |")
        print("|---|---|---|---|---|---|")
        print(row("none", speckled, speckled))
        for name, kind in DESPECKLE_FILTERS.items():
            settings = {} if name in ("refined-lee", "non-local-means") else {"size": given.size}
            filtered = kind(looks=looks, **settings)(speckled[None], valid)[0]
            print(row(name, filtered, speckled))


if __name__ == "__main__":
    main()
