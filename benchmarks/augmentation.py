"""What augmentation takes a chip, beside its preparation and kornia's counterparts, in one run.

Milliseconds on one core, as a loader's worker spends them, and as a share of the preparation's:
Lee filter of 5 x 5, decibels, scaling. kornia works on tensors of one chip, bands and labels; its
turns, scaling and noise are those that come nearest, none of them knows of invalid pixels.

    python -m benchmarks.augmentation [--sides 448 1024] [--draws 24]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial

import kornia.augmentation as K
import numpy as np
import torch
from torch import Tensor
from torch.distributions import Gamma

from benchmarks.measuring import device_name
from sarseg.datasets.augment import Augmentation
from sarseg.datasets.sample import ChipData
from sarseg.filters.despeckle import Lee
from sarseg.filters.preparation import Preparation, levels
from sarseg.filters.statistics import BandScaling

BANDS = (False, False)  # two of backscatter
ZOOM, LOOKS, SHIFT_DB, DROPOUT = 1.5, 4.0, 1.0, 0.3
PARTS = {
    "nothing": Augmentation(turns="none"),
    "turns": Augmentation(),
    "zoom": Augmentation(turns="none", zoom=ZOOM),
    "speckle": Augmentation(turns="none", speckle_looks=(LOOKS,)),
    "shift": Augmentation(turns="none", shift_db=SHIFT_DB),
    "band dropout": Augmentation(turns="none", band_dropout=DROPOUT),
    "all": Augmentation(zoom=ZOOM, speckle_looks=(LOOKS,), shift_db=SHIFT_DB, band_dropout=DROPOUT),
}
PREPARATION = Preparation(
    despeckle=Lee(size=5, looks=4.0), scaling=(BandScaling(centre=-10, spread=4),) * len(BANDS)
)

Both = tuple[Tensor, Tensor]


def prepared(chip: ChipData) -> object:
    """As training does it."""
    filtered = PREPARATION(chip.intensity, chip.valid)
    return PREPARATION.scaled(levels(filtered, BANDS, "db"), chip.valid)


def augmented(augmentation: Augmentation, chip: ChipData, seed: int) -> object:
    """All that an ``Augmentation`` does to a chip."""
    generator = np.random.default_rng(seed)
    chip = augmentation.of_chip(chip, BANDS, generator)
    return augmentation.of_bands(chip.intensity, BANDS, generator)


def changed(change: Callable[[Tensor, Tensor], object], chip: Both, seed: int) -> object:
    """What kornia makes of a chip."""
    torch.manual_seed(seed)
    return change(*chip)


def by_kornia() -> dict[str, Callable[[Tensor, Tensor], object]]:
    """Each part as kornia does it, for all chips where ours is for all."""
    keys = ["input", "mask"]
    turns = K.AugmentationSequential(
        K.RandomRotation90((0, 3), p=1.0), K.RandomVerticalFlip(p=0.5), data_keys=keys
    )
    flip = K.AugmentationSequential(K.RandomHorizontalFlip(p=1.0), data_keys=keys)
    zoom = K.AugmentationSequential(
        K.RandomAffine(0.0, translate=(0.2, 0.2), scale=(1 / ZOOM, ZOOM), p=1.0), data_keys=keys
    )

    def speckle(bands: Tensor, _: Tensor) -> Tensor:
        looks = torch.tensor(LOOKS, device=bands.device)
        return bands * Gamma(looks, looks).sample(bands.shape)

    return {"turns": turns, "a flip alone": flip, "zoom": zoom, "speckle (torch's gamma)": speckle}


def compare(side: int, draws: int, devices: list[str]) -> None:
    """Print the two tables of one size."""
    generator = np.random.default_rng(0)
    chip = ChipData(
        generator.exponential(0.1, (len(BANDS), side, side)).astype(np.float32),
        generator.random((side, side)) > 0.01,
        generator.integers(0, 5, (side, side)).astype(np.uint8),
    )
    chip.intensity[:, ~chip.valid] = 0
    preparation = mean_seconds(lambda _: prepared(chip), "cpu", draws)
    print(f"\n{side} x {side} pixels, 2 bands; preparation {1e3 * preparation:.1f} ms\n")
    print("| part | ms | of the preparation |\n|---|---|---|")

    def tell(name: str, run: Callable[[int], object], device: str) -> None:
        seconds = mean_seconds(run, device, draws)
        print(f"| {name} | {1e3 * seconds:.1f} | {seconds / preparation:.2f} |", flush=True)

    for name, part in PARTS.items():
        tell(name, partial(augmented, part, chip), "cpu")
    bands = torch.from_numpy(chip.intensity)[None]
    labels = torch.from_numpy(chip.labels)[None, None].float()
    for device in devices:
        both = bands.to(device), labels.to(device)
        for name, change in by_kornia().items():
            tell(f"kornia on {device}: {name}", partial(changed, change, both), device)


def mean_seconds(run: Callable[[int], object], device: str, draws: int) -> float:
    """Mean time over ``draws`` seeds, of each the least of three: other processes disturb."""
    run(0)
    times = []
    for seed in range(draws):
        of_seed = []
        for _ in range(3):
            started = time.perf_counter()
            run(seed)
            if device == "cuda":
                torch.cuda.synchronize()
            of_seed.append(time.perf_counter() - started)
        times.append(min(of_seed))
    return statistics.mean(times)


def main() -> None:
    """Parse the options and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[448, 1024])
    parser.add_argument("--draws", type=int, default=24)
    given = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for device in devices:
        print(device_name(device))
    for side in given.sides:
        compare(side, given.draws, devices)


if __name__ == "__main__":
    main()
