"""Seconds of each filter on one image, beside Orfeo ToolBox and a vectorised scipy version.

    python -m benchmarks.despeckle_speed [--side 4096] [--repeats 7]

All in one run on one float32 image of single-look speckle. "file" reads a GeoTIFF and writes one:
`sarseg despeckle`'s own function in a warm process, `otbcli_Despeckle` (Debian's otb-bin; left out
where it is not installed) as a process of its own, as there is no other way to call it, with its
time for an image of 16 x 16 pixels given too. "memory" is the filter alone on arrays; its peak is
beyond the input, and in multiples of the input. scipy's versions compute the same formulas with
`uniform_filter` (running sums, no mask).
"""

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.measuring import device_name, median_seconds, peak_bytes
from sarseg.filters.despeckle import DESPECKLE_FILTERS, SpeckleFilter
from sarseg.filters.frequency import FrequencyFilter
from sarseg.filters.rewrite import rewrite
from sarseg.scenes.georeference import quietly_georeferenced
from sarseg.scenes.reader import Scene
from sarseg.scenes.reading import Reading

LOOKS = 1.0
SIZE = 7
SLOW = {"non-local-means": 16}
"""Filters that are given a smaller image, its side divided by this; seconds are scaled up."""

OTB = {
    "lee": ["-filter.lee.rad", "3", "-filter.lee.nblooks", "1"],
    "frost": ["-filter.frost.rad", "3", "-filter.frost.deramp", "2"],
    "gamma-map": ["-filter.gammamap.rad", "3", "-filter.gammamap.nblooks", "1"],
    "kuan": ["-filter.kuan.rad", "3", "-filter.kuan.nblooks", "1"],
}

Image = NDArray[np.float32]


def local_statistics(image: Image) -> tuple[Image, Image]:
    """Mean and variance of the box by scipy, in float32's memory but float64's sums."""
    mean = ndimage.uniform_filter(image.astype(np.float64), SIZE)
    variance = np.maximum(ndimage.uniform_filter(image.astype(np.float64) ** 2, SIZE) - mean**2, 0)
    return mean, variance


def scipy_lee(image: Image) -> Image:
    """Lee 1980."""
    mean, variance = local_statistics(image)
    signal = np.maximum((variance - mean**2 / LOOKS) / (1 + 1 / LOOKS), 0)
    return np.asarray(mean + signal / (mean**2 / LOOKS + signal) * (image - mean))


def scipy_kuan(image: Image) -> Image:
    """Kuan 1985."""
    mean, variance = local_statistics(image)
    weight = np.maximum(1 - mean**2 / LOOKS / variance, 0) / (1 + 1 / LOOKS)
    return np.asarray(mean + weight * (image - mean))


def scipy_enhanced_lee(image: Image) -> Image:
    """Lopes, Touzi & Nezry 1990."""
    mean, variance = local_statistics(image)
    variation, low, high = np.sqrt(variance) / mean, LOOKS**-0.5, (1 + 2 / LOOKS) ** 0.5
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        weight = np.exp(-(variation - low) / (high - variation))
        mixed = mean * weight + image * (1 - weight)
    return np.select([variation <= low, variation >= high], [mean, image], mixed)


def scipy_gamma_map(image: Image) -> Image:
    """Lopes, Nezry, Touzi & Laur 1990."""
    mean, variance = local_statistics(image)
    squared, low = variance / mean**2, 1 / LOOKS
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = (1 + low) / (squared - low)
        b = alpha - LOOKS - 1
        root = np.sqrt(mean**2 * b**2 + 4 * alpha * LOOKS * mean * image)
        estimate = (b * mean + root) / (2 * alpha)
    return np.select([squared <= low, squared >= 2 * low], [mean, image], estimate)


def scipy_frost(image: Image) -> Image:
    """Frost 1982: one shifted image a pixel of the window."""
    mean, variance = local_statistics(image)
    decay = (2.0 * variance / mean**2).astype(np.float32)
    half = SIZE // 2
    padded = np.pad(image, half)
    counted = np.pad(np.ones_like(image), half)
    total, weights = np.zeros_like(image), np.zeros_like(image)
    rows, cols = image.shape
    for row in range(SIZE):
        for col in range(SIZE):
            weight = np.exp(-decay * np.float32(np.hypot(row - half, col - half)))
            total += weight * padded[row : row + rows, col : col + cols]
            weights += weight * counted[row : row + rows, col : col + cols]
    return total / weights


SCIPY: dict[str, Callable[[Image], Image]] = {
    "lee": scipy_lee,
    "kuan": scipy_kuan,
    "enhanced-lee": scipy_enhanced_lee,
    "gamma-map": scipy_gamma_map,
    "frost": scipy_frost,
}


def write(path: Path, image: Image) -> None:
    """An uncompressed GeoTIFF."""
    height, width = image.shape
    with (
        quietly_georeferenced(),
        rasterio.open(path, "w", "GTiff", width, height, 1, dtype="float32") as dataset,
    ):
        dataset.write(image, 1)


def by_file(step: SpeckleFilter | FrequencyFilter, source: Path, target: Path) -> object:
    """Read, filter, write, as the command does."""
    with Scene.open([source], Reading(unit="intensity")) as scene:
        return rewrite(scene, step, target, overwrite=True)


def otb_seconds(name: str, source: Path, target: Path, repeats: int) -> float:
    """Median seconds of otbcli_Despeckle."""
    kind = name.replace("-", "").replace("map", "map")
    command = ["otbcli_Despeckle", "-in", str(source), "-out", str(target), "float"]
    command += ["-filter", kind, *OTB[name], "-progress", "false"]
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return float(np.median(times[1:]))


def compare(side: int, repeats: int, folder: Path) -> None:
    """Print the table."""
    image = np.random.default_rng(0).exponential(1.0, (side, side)).astype(np.float32)
    source, target, other = folder / "in.tif", folder / "out.tif", folder / "otb.tif"
    small = folder / "small.tif"
    write(source, image)
    write(small, image[:16, :16])
    has_otb = shutil.which("otbcli_Despeckle") is not None
    size: dict[str, Any] = {"size": SIZE}
    steps: dict[str, SpeckleFilter | FrequencyFilter] = {
        name: kind(looks=LOOKS, **({} if name in SLOW else size))
        for name, kind in DESPECKLE_FILTERS.items()
    }
    steps["low-pass 0.1"] = FrequencyFilter(low_pass=0.1)
    steps["high-pass 0.02"] = FrequencyFilter(high_pass=0.02)
    for _ in range(5):  # memory that a fresh process touches for the first time is slow
        by_file(steps["lee"], source, target)
    print(
        "| filter | file, s | OTB, s (of it start) | OTB / sarseg | memory, s | Mpx/s "
        "| peak / input | scipy, s | scipy / sarseg |\n|---|---|---|---|---|---|---|---|---|"
    )
    for name, step in steps.items():
        part = side // SLOW.get(name, 1)
        scale = (side / part) ** 2
        bands = np.ascontiguousarray(image[None, :part, :part])
        valid = np.ones(bands.shape[1:], bool)
        write(source, bands[0])

        def in_memory(
            step: SpeckleFilter | FrequencyFilter = step,
            bands: Image = bands,
            valid: NDArray[np.bool_] = valid,
        ) -> object:
            return step(bands, valid)

        def on_file(step: SpeckleFilter | FrequencyFilter = step) -> object:
            return by_file(step, source, target)

        seconds = scale * median_seconds(in_memory, "cpu", repeats)
        peak = peak_bytes(in_memory, "cpu") / bands.nbytes
        file_seconds = scale * median_seconds(on_file, "cpu", repeats)
        otb = ratio = "–"
        if has_otb and name in OTB:
            theirs = otb_seconds(name, source, other, repeats)
            start = otb_seconds(name, small, other, repeats)
            otb, ratio = f"{theirs:.2f} ({start:.2f})", f"{theirs / file_seconds:.1f}"
        by_scipy = times = "–"
        if name in SCIPY:
            slow = median_seconds(lambda name=name: SCIPY[name](image), "cpu", 1)  # type: ignore[misc]
            by_scipy, times = f"{slow:.2f}", f"{slow / seconds:.1f}"
        print(
            f"| {name} | {file_seconds:.2f} | {otb} | {ratio} | {seconds:.2f} "
            f"| {side * side / seconds / 1e6:.0f} | {peak:.1f} | {by_scipy} | {times} |",
            flush=True,
        )


def main() -> None:
    """Parse the options and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    print(f"{given.side} x {given.side} float32, {SIZE} x {SIZE} windows. {device_name('cpu')}\n")
    with tempfile.TemporaryDirectory() as folder:
        compare(given.side, given.repeats, Path(folder))


if __name__ == "__main__":
    main()
