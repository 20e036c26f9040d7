"""The embedded model on a scene that was never trained on, beside Gaussian maximum likelihood.

The baseline gets the scenes that the model was trained on: the same seeds, polarisations and looks.

    python -m benchmarks.embedded_model [--scene sample_data/heldout.tif --truth …] [--scenes N]
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from benchmarks.gaussian_ml import WINDOW, Floats, Gaussians, Labels, local_mean_db
from sarseg.assessment.confusion import Scores, confusion_matrix, scores
from sarseg.datasets.synthetic import CLASSES, FIRST_TRAINING_SEED
from sarseg.model.file import load_model
from sarseg.prediction.predictor import predict_scene
from sarseg.scenes.reader import Scene
from sarseg.training.embedded import NAMES, class_indices, training_scene


def embedded_map(scene_path: Path) -> Labels:
    """Class indices ``(H, W)`` of the embedded model, through the files that a user gets."""
    with tempfile.TemporaryDirectory() as folder, Scene.open([scene_path]) as scene:
        output = Path(folder) / "map.tif"
        predict_scene(scene, load_model(), output)
        with rasterio.open(output) as opened:
            return class_indices(opened.read(1))


def baseline_map(scene_path: Path, seeds: range) -> NDArray[np.intp]:
    """Class indices ``(H, W)`` of the baseline, trained on the scenes of ``seeds``."""
    with rasterio.open(scene_path) as opened:
        features = local_mean_db(list(opened.read()))
    return Gaussians.fit(_training_samples(seeds), len(CLASSES)).classify(features)


def _training_samples(seeds: range) -> Iterator[tuple[Floats, Labels]]:
    for seed in seeds:
        scene = training_scene(seed)
        bands = [10.0 * np.log10(np.maximum(band, 1e-10)) for band in scene.bands.values()]
        yield local_mean_db(bands), class_indices(scene.labels)


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
    print(f"{options.scene}; Gaussian ML on {WINDOW} x {WINDOW} mean dB of {len(seeds)} scenes")
    print_table(columns)
    ours, baseline = columns.values()
    print(f"mIoU ratio   {ours.miou / baseline.miou:.2f}")


if __name__ == "__main__":
    main()
