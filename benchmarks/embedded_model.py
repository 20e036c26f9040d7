"""The embedded model on a scene that was never trained on, beside Gaussian maximum likelihood.

The baseline gets the scenes that the model was trained on: the same seeds, polarisations and looks.

    python -m benchmarks.embedded_model [--scene sample_data/heldout.tif --truth …] [--scenes N]
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from torch import Tensor

from sarseg.assessment.confusion import Scores, confusion_matrix, scores
from sarseg.baselines.gaussian_ml import GaussianMl
from sarseg.datasets.synthetic import CLASSES, FIRST_TRAINING_SEED
from sarseg.model.file import load_model
from sarseg.prediction.predictor import predict_scene
from sarseg.scenes.reader import Scene
from sarseg.training.embedded import NAMES, class_indices, training_scene

BASELINE = GaussianMl()


def embedded_map(scene_path: Path) -> NDArray[np.uint8]:
    """Class indices ``(H, W)`` of the embedded model, through the files that a user gets."""
    with tempfile.TemporaryDirectory() as folder, Scene.open([scene_path]) as scene:
        output = Path(folder) / "map.tif"
        predict_scene(scene, load_model(), output)
        with rasterio.open(output) as opened:
            return class_indices(opened.read(1))


def baseline_map(scene_path: Path, seeds: range) -> NDArray[np.int64]:
    """Class indices ``(H, W)`` of the baseline, trained on the scenes of ``seeds``."""
    with rasterio.open(scene_path) as opened:
        scene = _bands(opened.read())
    gaussians = BASELINE.build(len(scene), len(CLASSES))
    gaussians.fit(_TrainingScenes(seeds))
    found: NDArray[np.int64] = gaussians(scene[None]).argmax(dim=1)[0].numpy()
    return found


@dataclass(frozen=True)
class _TrainingScenes:
    """The training scenes of ``seeds``, each simulated when it is asked for."""

    seeds: range

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        scene = training_scene(self.seeds[number])
        bands = [10.0 * np.log10(np.maximum(band, 1e-10)) for band in scene.bands.values()]
        return _bands(bands), torch.from_numpy(class_indices(scene.labels)).long()


def _bands(decibels: Sequence[NDArray[np.floating]] | NDArray[np.floating]) -> Tensor:
    """Bands ``(C, H, W)`` as a baseline takes them: 0 where they are NaN, which is invalid."""
    return torch.from_numpy(np.nan_to_num(np.stack(list(decibels)).astype(np.float32)))


def print_table(columns: dict[str, Scores]) -> None:
    """One line a class, one column a method."""
    print(f"{'IoU':<12}" + "".join(f"{name:>16}" for name in columns))
    for index, name in enumerate(NAMES):
        print(f"{name:<12}" + "".join(f"{found.iou[index]:16.3f}" for found in columns.values()))
    print(f"{'mIoU':<12}" + "".join(f"{found.miou:16.3f}" for found in columns.values()))
    print(f"{'OA':<12}" + "".join(f"{found.oa:16.3f}" for found in columns.values()))


def main() -> None:
    """Print both, and their ratio."""
    recipe = load_model().card.training["recipe"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scene", type=Path, default=Path("sample_data/heldout.tif"))
    parser.add_argument("--truth", type=Path, default=Path("sample_data/heldout_truth.tif"))
    parser.add_argument("--scenes", type=int, default=recipe["scenes"])
    options = parser.parse_args()
    with rasterio.open(options.truth) as opened:
        truth = class_indices(opened.read(1))
    seeds = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + options.scenes)
    columns = {
        "embedded model": scores(
            confusion_matrix(truth, embedded_map(options.scene), len(CLASSES))
        ),
        "Gaussian ML": scores(
            confusion_matrix(truth, baseline_map(options.scene, seeds), len(CLASSES))
        ),
    }
    side = BASELINE.window
    print(f"{options.scene}; Gaussian ML on {side} x {side} mean dB of {len(seeds)} scenes")
    print_table(columns)
    ours, baseline = columns.values()
    print(f"mIoU ratio   {ours.miou / baseline.miou:.2f}")


if __name__ == "__main__":
    main()
